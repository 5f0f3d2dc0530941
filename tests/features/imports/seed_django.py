"""Fill a site that has the code of docs/coming-from-django.md by Django itself, and ask its views.

What they answer goes into made.json.
"""

import json
import os
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings
from django.urls import path

PASSWORD = "securepassword123"

url = urlsplit(os.environ["DATABASE_URL"])
options = {key: values[0] for key, values in parse_qs(url.query).items()}
settings.configure(
    SECRET_KEY="before",
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF="urls",
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "notes",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    PASSWORD_HASHERS=[
        f"django.contrib.auth.hashers.{kind}PasswordHasher" for kind in ("PBKDF2", "Scrypt", "MD5")
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": url.path.removeprefix("/"),
            "USER": url.username,
            "PASSWORD": url.password or "",
            "HOST": url.hostname or options["host"],
            "PORT": url.port or options.get("port", ""),
        }
    },
)
django.setup()

from django.contrib.auth.hashers import make_password  # noqa: E402 - after the settings
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from notes import views  # noqa: E402
from notes.models import Note  # noqa: E402

sys.modules["urls"] = urls = ModuleType("urls")
urls.urlpatterns = [path("notes", views.notes), path("notes/all", views.all_notes)]  # type: ignore[attr-defined]

call_command("makemigrations", "notes", verbosity=0)
call_command("migrate", verbosity=0)
ada = User.objects.create_superuser(
    "ada", "Ada@example.com", PASSWORD, first_name="Ada", last_name="Lovelace"
)
grace = User.objects.create(
    username="grace",
    email="grace@example.com",
    password=make_password(PASSWORD, hasher="scrypt"),
    is_staff=True,
)
User.objects.create_user("gone", "gone@example.com", PASSWORD, is_active=False)
User.objects.create_user("nameless", password=PASSWORD)
User.objects.create_user("twin", "Same@example.com", PASSWORD)
User.objects.create_user("other_twin", "same@example.com", PASSWORD)
User.objects.create(username="old", email="old@example.com", password=make_password(PASSWORD, hasher="md5"))
User.objects.create_user("by_sso", "sso@example.com")
for owner in (ada, grace):
    Note.objects.create(owner=owner, text=f"{owner.username}'s")

answers = {}
for user in (ada, grace):
    client = Client()
    client.force_login(user)
    answers[user.username] = [client.get(url).status_code for url in ("/notes", "/notes/all")]
with connection.cursor() as cursor:
    [constraint] = [
        name
        for name, found in connection.introspection.get_constraints(cursor, "notes_note").items()
        if found["foreign_key"]
    ]
Path("made.json").write_text(json.dumps({"answers": answers, "constraint": constraint}))
connection.close()
