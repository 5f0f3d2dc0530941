"""Notices: whoever has an account is mailed what happened to it, and by whom it was not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, MovableClock, bearer, login, register, serving
from tests.features.email.conftest import OpenPost, Post, Postman, part

from gatepost.app import create_app
from gatepost.features.email.notices import UNPROVEN_MAX
from gatepost.gate import Gate
from gatepost.library import Gatepost
from gatepost.models import AuditAction, Client
from gatepost.services.acts import Program
from gatepost.services.feature import Happened

ANOTHER = "nine lives of a garden cat"
ADA = "ada@example.com"
HOME = "198.51.100.7"


@asynccontextmanager
async def served(
    make_settings: MakeSettings, clock: MovableClock, **overrides: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, Gatepost]]:
    """Serve with a mail server that is away, so that what is to be sent stays where it can be seen."""
    settings = {
        "mail_url": "smtp://127.0.0.1:1?tls=off",
        "trusted_proxies": "127.0.0.1",
        "email_verification": "off",
    }
    app = create_app(make_settings(**(settings | overrides)), clock=clock)
    async with serving(app, headers={"X-Forwarded-For": HOME}) as client:
        yield client, app.state.gatepost


async def told(db: Any, since: int = 0) -> list[tuple[str, str]]:
    """Return what is to be sent, by template and recipient, the first ones left out."""
    rows = await db.fetch("SELECT template, recipient FROM auth_messages ORDER BY id OFFSET $1", since)
    return [tuple(row) for row in rows]


def elsewhere(address: str) -> dict[str, str]:
    return {"X-Forwarded-For": address}


async def password_set(gate: Gate, password: str, address: str | None = None) -> None:
    """Set Ada's password by a command."""
    user = await gate.administration.find(ADA)
    await gate.administration.set_password(user, password, client=Client(ip_address=address))


async def test_a_sign_in_from_a_new_place_is_told_once(
    make_settings: MakeSettings, clock: MovableClock, db: Any
) -> None:
    async with served(make_settings, clock) as (client, _):
        await register(client, ADA)
        await login(client, ADA)
        assert await told(db) == []  # the first sign-in, and one from the same place

        await login(client, ADA, **elsewhere("203.0.113.90"))
        assert await told(db) == [("new_sign_in", ADA)]

        await login(client, ADA, **elsewhere("203.0.113.90"))
        await login(client, ADA, **elsewhere("192.0.2.44"))  # within ten minutes it says nothing new
        assert len(await told(db)) == 1

        clock.advance(minutes=11)
        await login(client, ADA, **elsewhere("192.0.2.45"))
        assert await told(db, since=1) == [("new_sign_in", ADA)]


async def test_every_change_of_a_password_is_told(
    make_settings: MakeSettings, clock: MovableClock, db: Any
) -> None:
    async with served(make_settings, clock) as (client, gate):
        token = (await register(client, ADA))["token"]
        for current, new in ((PASSWORD, ANOTHER), (ANOTHER, PASSWORD)):
            body = {"current": current, "new": new}
            answer = await client.post("/api/auth/password", json=body, headers=bearer(token))
            token = answer.json()["data"]["token"]
        assert await told(db) == [("password_changed", ADA)] * 2

        await password_set(gate, ANOTHER)
        assert await told(db, since=2) == [("password_changed", ADA)]


async def test_an_address_that_nobody_has_proven_is_not_flooded(
    make_settings: MakeSettings, clock: MovableClock, db: Any
) -> None:
    async with served(make_settings, clock) as (client, gate):
        await register(client, ADA)

        async def change(times: int) -> int:
            user, before = await gate.administration.find(ADA), len(await told(db))
            for _ in range(times):
                async with gate.database.transaction() as conn:
                    happened = Happened(action=AuditAction.PASSWORD_CHANGED, user=user, client=Client())
                    await gate.wiring.tell(conn, happened)
            return len(await told(db)) - before

        assert await change(UNPROVEN_MAX + 1) == UNPROVEN_MAX
        clock.advance(minutes=61)
        assert await change(1) == 1
        await db.execute("UPDATE users SET email_verified_at = now()")
        assert await change(UNPROVEN_MAX + 1) == UNPROVEN_MAX + 1


async def test_what_is_done_about_second_factors_is_told(
    open_post: OpenPost, port: int, postman: Postman
) -> None:
    post: Post = await open_post(f"smtp://127.0.0.1:{port}?tls=off", email_verification="off")
    await post.gate.accounts.register(email=ADA, name="Ada", password=PASSWORD, client=Client())
    user = await post.gate.administration.find(ADA)
    told = {
        AuditAction.FACTOR_ENROLLED: "You set up a second factor",
        AuditAction.FACTOR_REMOVED: "You removed a second factor",
        AuditAction.FACTOR_COPIED: "One of your passkeys may have been copied",
        AuditAction.FACTORS_RESET: "An administrator removed your second factors",
        AuditAction.RECOVERY_CODES_MADE: "You made new recovery codes",
        AuditAction.RECOVERY_CODE_USED: "One of your recovery codes was used",
    }
    async with post.gate.database.transaction() as conn:
        for action in told:
            await post.gate.wiring.tell(conn, Happened(action=action, user=user, client=Client()))
    await post.send()
    for (_, mail), words in zip(postman.taken, told.values(), strict=True):
        assert words in part(mail, "plain")
        assert words in part(mail, "html")


async def test_another_email_by_a_command_is_told_to_the_former_one(
    make_settings: MakeSettings, clock: MovableClock, db: Any
) -> None:
    async with served(make_settings, clock) as (client, gate):
        await register(client, ADA)
        user = await gate.administration.find(ADA)
        await gate.administration.update(
            user, name=None, email="countess@example.com", client=Client(), by=Program.COMMAND
        )
        assert await told(db) == [("email_changed", ADA)]


async def test_a_notice_says_from_where_and_what_to_do_but_not_where_a_command_ran(
    open_post: OpenPost, port: int, postman: Postman
) -> None:
    post: Post = await open_post(
        f"smtp://127.0.0.1:{port}?tls=off", public_url="https://auth.acme.example", email_verification="off"
    )
    await post.gate.accounts.register(
        email=ADA, name="Ada", password=PASSWORD, client=Client(ip_address=HOME)
    )
    stranger = Client(ip_address="203.0.113.90")
    await post.gate.logins.by_password(email=ADA, password=PASSWORD, client=stranger)
    await password_set(post.gate, ANOTHER, HOME)
    await post.send()

    (_, sign_in), (_, changed) = postman.taken
    assert "203.0.113.90" in part(sign_in, "plain")
    assert "https://auth.acme.example/auth/devices" in part(sign_in, "plain")
    assert HOME not in part(changed, "plain")


@pytest.mark.parametrize("overrides", [{"notices": False}, {"mail_url": None}], ids=["notices", "mail"])
async def test_nothing_is_told_where_it_is_off(
    make_settings: MakeSettings, clock: MovableClock, db: Any, overrides: dict[str, Any]
) -> None:
    async with served(make_settings, clock, **overrides) as (client, gate):
        await register(client, ADA)
        await password_set(gate, ANOTHER)
    assert await told(db) == []


async def test_an_address_that_was_refused_for_good_is_told_nothing(
    post: Post, postman: Postman, db: Any
) -> None:
    postman.at_rcpt = lambda _: "550 5.1.1 no such mailbox"
    await post.gate.accounts.register(email=ADA, name="Ada", password=PASSWORD, client=Client())
    await password_set(post.gate, ANOTHER)
    await post.send()
    await password_set(post.gate, PASSWORD)
    assert [template for template, _ in await told(db)] == ["verify_email", "password_changed"]


async def test_who_chose_no_language_is_written_to_in_what_they_read_when_they_signed_in(
    make_settings: MakeSettings, clock: MovableClock, db: Any
) -> None:
    async def asked(accepted: str | None) -> str:
        """Have somebody who is not signed in ask for a mail; return its language."""
        clock.advance(minutes=2)
        headers = {} if accepted is None else {"Accept-Language": accepted}
        body = {"email": ADA}
        assert (await client.post("/api/auth/password/forgot", json=body, headers=headers)).status_code == 202
        found: str = await db.fetchval("SELECT language FROM auth_messages ORDER BY id DESC LIMIT 1")
        return found

    async with served(make_settings, clock) as (client, _):
        await register(client, ADA)
        assert await asked("ja") == "ja", "nothing else is known"
        await login(client, ADA, **{"Accept-Language": "de-CH"})
        assert await asked("ja") == "de-CH"
        await login(client, ADA, **{"Accept-Language": "fr"})
        assert await asked(None) == "fr"
        await login(client, ADA)
        assert await asked("ja") == "fr", "who says nothing changes nothing"

        await login(client, ADA, **{"Accept-Language": "ja", **elsewhere("203.0.113.90")})
        languages = "SELECT language FROM auth_messages WHERE template = 'new_sign_in'"
        assert await db.fetchval(languages) == "fr", "whoever came from there may be somebody else"
        assert await asked("ja") == "fr"
        await db.execute("UPDATE users SET language = 'hi'")
        await login(client, ADA, **{"Accept-Language": "de"})
        assert await asked("ja") == "hi", "a choice comes first"
