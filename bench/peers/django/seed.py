"""Make the tables with Django's migrations, fill them, and print credentials: one a line, as JSON.

The same session is good for Django's cookie and for allauth's header.
"""

import json
import os
import random
import time
from datetime import UTC, datetime, timedelta

import django


def main(users: int, sessions: int, tokens: int) -> None:
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.models import Session
    from django.core.management import call_command
    from django.utils.crypto import get_random_string

    call_command("migrate", verbosity=0, interactive=False)
    User.objects.bulk_create(
        [
            User(username=f"user{n}", email=f"user{n}@example.com", first_name=f"User {n}", password="!bench")
            for n in range(1, users + 1)
        ]
    )
    data = {
        user.pk: SessionStore().encode(
            {
                SESSION_KEY: str(user.pk),
                BACKEND_SESSION_KEY: "allauth.account.auth_backends.AuthenticationBackend",
                HASH_SESSION_KEY: user.get_session_auth_hash(),
                "account_authentication_methods": [
                    {"method": "password", "at": time.time(), "email": user.email}
                ],
            }
        )
        for user in User.objects.all()
    }
    emails = dict(User.objects.values_list("pk", "email"))
    owners = sorted(data)
    characters = "abcdefghijklmnopqrstuvwxyz0123456789"
    rows = [(get_random_string(32, characters), owners[n % users]) for n in range(sessions)]
    expires = datetime.now(UTC) + timedelta(days=3650)
    Session.objects.bulk_create(
        [Session(session_key=key, session_data=data[owner], expire_date=expires) for key, owner in rows],
        batch_size=5_000,
    )
    for key, owner in random.sample(rows, tokens):
        print(json.dumps({"header": f"Cookie: sessionid={key}", "email": emails[owner]}))


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
django.setup()
main(*(int(os.environ[name]) for name in ("BENCH_USERS", "BENCH_SESSIONS", "BENCH_TOKENS")))
