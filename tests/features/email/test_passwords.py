"""Forgotten passwords over HTTP, with the outbox's own rows."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, SECRET_KEY, MakeSettings, MovableClock, bearer, register, serving
from tests.counting import hashing
from tests.features.badges import BADGES
from tests.features.email.mailbox import MAIL_ON, mails, read_mail
from tests.http.conftest import Database, assert_error, assert_success, events
from tests.walking import walked
from tests.wire import Wire

from gatepost import errors
from gatepost.app import create_app
from gatepost.db import migrate
from gatepost.feature import schemas_of
from gatepost.features import FEATURES
from gatepost.features.email.errors import InvalidLink
from gatepost.features.email.link_store import CODE_TRIES
from gatepost.features.email.links import MailLinks
from gatepost.library import Gatepost
from gatepost.models import Client
from gatepost.settings.feature import settings_of

pytestmark = pytest.mark.usefixtures("resting")

EMAIL = "user@example.com"
ANOTHER = "an altogether other password"
UNKNOWN = "A" * 43
WITH_BADGES = (*FEATURES, BADGES)
"""A feature with a second step."""


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    return create_app(make_settings(**MAIL_ON), clock=clock)


async def forgot(client: httpx.AsyncClient, email: str = EMAIL, **headers: str) -> httpx.Response:
    return await client.post("/api/auth/password/forgot", json={"email": email}, headers=headers)


async def reset(client: httpx.AsyncClient, password: str = ANOTHER, **shown: str) -> httpx.Response:
    return await client.post("/api/auth/password/reset", json=shown | {"new_password": password})


async def signs_in(client: httpx.AsyncClient, password: str, email: str = EMAIL) -> bool:
    answer = await client.post("/api/auth/login", json={"email": email, "password": password})
    return answer.status_code == 200


# --- The link and the code ---


@pytest.mark.parametrize("by", ["token", "code"])
async def test_who_reads_the_mail_chooses_another_password(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, by: str
) -> None:
    token = (await register(client))["token"]
    sent = "If there is such an account, a mail is on its way"
    assert assert_success(await forgot(client), sent, status=202) is None
    mail = await read_mail(gate, db, "password_reset")
    assert mail.recipient == EMAIL
    assert mail.url == f"https://auth.example.com/auth/reset-password?token={mail.token}"
    assert len(mail.code) == 8
    shown = {"token": mail.token} if by == "token" else {"email": EMAIL, "code": mail.code}
    assert assert_success(await reset(client, **shown), "Password changed successfully") is None
    assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 401
    assert not await signs_in(client, PASSWORD)
    assert await signs_in(client, ANOTHER)
    assert await db.fetchval("SELECT email_verified_at IS NOT NULL FROM users")
    assert (await mails(db))[-1] == ("password_changed", EMAIL)
    (asked,) = await events(db, "password.forgotten")
    assert asked["detail"] == {"email": EMAIL}
    assert len(await events(db, "password.reset")) == 1
    assert [
        each["end_reason"] for each in await db.fetch("SELECT end_reason FROM user_sessions ORDER BY id")
    ] == [
        "password_changed",
        None,
    ]


async def test_an_account_without_a_password_gets_its_first(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await db.execute("INSERT INTO users (email, name) VALUES ($1, 'Ada')", EMAIL)
    await forgot(client)
    assert (await reset(client, token=(await read_mail(gate, db, "password_reset")).token)).status_code == 200
    assert await signs_in(client, ANOTHER)


async def test_a_temporary_password_is_replaced_for_good(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await register(client)
    user = await gate.administration.find(EMAIL)
    await gate.administration.set_temporary_password(user, client=Client())
    await forgot(client)
    await reset(client, token=(await read_mail(gate, db, "password_reset")).token)
    assert await signs_in(client, ANOTHER)


async def test_it_is_said_when_and_from_where_it_was_asked_for(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(client)
    await forgot(client, **{"User-Agent": "Somebody's browser", "Accept-Language": "de"})
    (row,) = await db.fetch("SELECT data, language FROM auth_messages")
    data = json.loads(row["data"])
    assert (data["address"], data["user_agent"], row["language"]) == ("127.0.0.1", "Somebody's browser", "de")
    assert (data["minutes"], data["code_minutes"]) == (30, 10)


async def test_what_a_request_says_of_the_host_reaches_no_link(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await register(client)
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    await forgot(client, **forged)
    assert (await read_mail(gate, db, "password_reset")).url.startswith("https://auth.example.com/auth/")


# --- Nobody learns who has an account ---


async def test_the_answer_and_what_is_written_are_the_same_whoever_it_is(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await register(client)
    await register(client, "disabled@example.com")
    await db.execute("UPDATE users SET is_active = false WHERE email = 'disabled@example.com'")
    await db.execute("INSERT INTO users (email, name) VALUES ('passwordless@example.com', 'Ada')")
    answers = [
        await forgot(client, email)
        for email in (EMAIL, "passwordless@example.com", "disabled@example.com", "nobody@example.com")
    ]
    assert {each.status_code for each in answers} == {202}
    assert len({each.content for each in answers}) == 1
    assert len({tuple(sorted(set(each.headers) - {"date"})) for each in answers}) == 1
    rows = await db.fetch("SELECT user_id IS NULL AS is_nobodys FROM auth_email_links ORDER BY id")
    assert [row["is_nobodys"] for row in rows] == [False, False, True, True]
    assert len(await mails(db)) == 4
    with pytest.raises(LookupError):
        await read_mail(gate, db, "password_reset")  # the last one is for nobody: the sender is told no link


@pytest.mark.parametrize("path", ["password/forgot", "login/email"])
async def test_whom_a_mail_is_for_cant_be_told_from_the_work_that_is_done(
    make_settings: MakeSettings, dsn: str, tmp_path: Path, db: Database, path: str
) -> None:
    async with Wire(dsn).listening(tmp_path) as wire:
        few = {"database_url": wire.dsn(tmp_path), "database_pool_size": 1, "throttle_enabled": True}
        often = {"throttle_mail_address": "100 then 1/second", "throttle_mail_again": "100 then 1/second"}
        async with serving(
            create_app(make_settings(**MAIL_ON, **few, **often, email_sign_in="both"))
        ) as client:
            await register(client)
            await register(client, "disabled@example.com")
            await db.execute("UPDATE users SET is_active = false WHERE email = 'disabled@example.com'")
            await db.execute("INSERT INTO users (email, name) VALUES ('passwordless@example.com', 'Ada')")

            async def ask(name: str) -> tuple[object, ...]:
                before = wire.round_trips
                with hashing() as work:
                    answer = await client.post(f"/api/auth/{path}", json={"email": f"{name}@example.com"})
                assert answer.status_code == 202
                headers = [name for name, _ in answer.headers.multi_items()]
                return wire.round_trips - before, work, answer.content, headers

            await ask("somebody")  # statements are prepared once a connection
            unknown = await ask("nobody")
            assert unknown[1] == [], "nothing is hashed, which would take its time"
            for name in ("user", "disabled", "passwordless", "stranger"):
                assert await ask(name) == unknown, name


# --- What is refused ---


async def test_a_link_is_used_once_however_many_come_with_it_at_once(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await register(client)
    await forgot(client)
    token = (await read_mail(gate, db, "password_reset")).token
    answers = await asyncio.gather(*(reset(client, f"{ANOTHER} {n}", token=token) for n in range(50)))
    assert sorted(each.status_code for each in answers) == [200, *[400] * 49]
    assert len(await events(db, "password.reset")) == 1


@walked(
    "why", ["unknown", "used", "expired", "revoked", "password", "email", "disabled", "deleted", "malformed"]
)
async def test_a_link_that_is_not_good_is_refused_with_the_same_words(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, clock: MovableClock, why: str
) -> None:
    await register(client)
    await forgot(client)
    token = (await read_mail(gate, db, "password_reset")).token
    user = await gate.administration.find(EMAIL)
    match why:
        case "unknown":
            token = UNKNOWN
        case "malformed":
            token = "\x00' OR 1=1"
        case "used":
            await reset(client, token=token)
        case "expired":
            clock.advance(minutes=30)
        case "revoked":
            await forgot(client)
        case "password":
            await gate.administration.set_password(user, "another one by command", client=Client())
        case "email":
            await db.execute("UPDATE users SET email = 'new@example.com'")
        case "disabled":
            await gate.administration.set_active(user, is_active=False, client=Client())
        case "deleted":
            await gate.administration.delete(user, client=Client())
    before = await db.fetchval("SELECT hashed_password FROM users")
    assert_error(await reset(client, "yet another password", token=token), InvalidLink)
    assert await db.fetchval("SELECT hashed_password FROM users") == before
    reason = {"password": "changed", "email": "changed", "disabled": "user_disabled", "deleted": "unknown"}
    (refused,) = await events(db, "mail.link_refused")
    assert refused["detail"]["reason"] == reason.get(why, "unknown" if why == "malformed" else why)


async def test_a_code_has_five_tries_and_the_right_one_after_them_is_wrong(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await register(client)
    await forgot(client)
    mail = await read_mail(gate, db, "password_reset")
    wrong = f"{(int(mail.code) + 1) % 10**8:08}"
    for _ in range(CODE_TRIES):
        assert_error(await reset(client, email=EMAIL, code=wrong), InvalidLink)
    assert_error(await reset(client, email=EMAIL, code=mail.code), InvalidLink)
    assert (await reset(client, token=mail.token)).status_code == 200


async def test_codes_that_come_at_once_are_no_more_than_five(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await register(client)
    await forgot(client)
    mail = await read_mail(gate, db, "password_reset")
    others = (f"{(int(mail.code) + n) % 10**8:08}" for n in range(1, 20))
    await asyncio.gather(*(reset(client, email=EMAIL, code=each) for each in others))
    assert await db.fetchval("SELECT tries FROM auth_email_links") == CODE_TRIES
    reasons = [each["detail"]["reason"] for each in await events(db, "mail.link_refused")]
    assert reasons.count("wrong_code") == CODE_TRIES


@pytest.mark.parametrize("why", ["late", "of another", "for nobody"])
async def test_a_code_is_good_for_ten_minutes_and_its_own_account(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, clock: MovableClock, why: str
) -> None:
    await register(client)
    await register(client, "other@example.com")
    await forgot(client, "other@example.com")
    await forgot(client)
    code = (await read_mail(gate, db, "password_reset")).code
    email = EMAIL
    if why == "late":
        clock.advance(minutes=10)
    else:
        email = "other@example.com" if why == "of another" else "nobody@example.com"
    assert_error(await reset(client, email=email, code=code), InvalidLink)
    assert not await signs_in(client, ANOTHER, email)


async def test_a_password_that_cant_be_costs_neither_the_link_nor_a_try(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await register(client)
    await forgot(client)
    mail = await read_mail(gate, db, "password_reset")
    for shown in ({"token": mail.token}, {"email": EMAIL, "code": mail.code}):
        for password in ("short", EMAIL, "password1"):
            answer = await reset(client, password, **shown)
            assert answer.status_code == 422
            assert list(answer.json()["error"]["fields"]) == ["new_password"]
    assert await db.fetchval("SELECT tries FROM auth_email_links") == 0
    assert (await reset(client, email=EMAIL, code=f"{mail.code[:4]} {mail.code[4:]}")).status_code == 200


@walked("body", [{}, {"email": EMAIL}, {"code": "12345678"}, {"token": None}])
async def test_neither_a_link_nor_a_code_is_no_request(
    client: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    answer = await client.post("/api/auth/password/reset", json=body | {"new_password": ANOTHER})
    assert answer.status_code == 422
    assert list(answer.json()["error"]["fields"]) == ["token"]


async def test_a_body_names_no_other_user(client: httpx.AsyncClient, gate: Gatepost, db: Database) -> None:
    await register(client)
    await register(client, "victim@example.com")
    await forgot(client)
    token = (await read_mail(gate, db, "password_reset")).token
    answer = await reset(client, token=token, email="victim@example.com", user_id="2")
    assert answer.status_code == 200
    assert await signs_in(client, PASSWORD, "victim@example.com")
    assert await signs_in(client, ANOTHER)


# --- What else ends ---


async def test_a_second_factor_is_asked_as_ever_and_what_waited_for_one_is_over(
    make_settings: MakeSettings, dsn: str, db: Database
) -> None:
    await migrate.migrate(dsn, features=schemas_of(WITH_BADGES))
    values = {"database_url": dsn, "environment": "test", "bcrypt_rounds": 4, "secret_key": SECRET_KEY}
    app = create_app(
        settings_of(WITH_BADGES).load(env_file=None, throttle_enabled=False, **values, **MAIL_ON),
        features=WITH_BADGES,
    )
    async with serving(app) as client:
        token = (await register(client))["token"]
        await client.post("/api/auth/badges", json={"name": "guardian"}, headers=bearer(token))
        who = {"email": EMAIL, "password": PASSWORD}
        waiting = (await client.post("/api/auth/login", json=who)).json()["error"]["challenge"]
        await forgot(client)
        mail = await read_mail(app.state.gatepost, db, "password_reset")
        extra = {"token": mail.token, "aal": 2, "methods": ["pwd", "mfa"], "skip_factor": True}
        await client.post("/api/auth/password/reset", json=extra | {"new_password": ANOTHER})
        answer = {"challenge": waiting, "method": "badge", "code": "guardian"}
        late = await client.post("/api/auth/login/factor", json=answer)
        assert late.json()["error"]["code"] == "challenge_expired"
        asked = await client.post("/api/auth/login", json=who | {"password": ANOTHER})
        assert asked.json()["error"]["code"] == "second_factor_required"
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 0


async def test_a_deleted_user_leaves_no_link_behind_that_nobody_had(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await register(client)
    user = await gate.administration.find(EMAIL)
    await gate.administration.set_active(user, is_active=False, client=Client())
    for email in (EMAIL, "other@example.com"):
        await client.post("/api/auth/password/forgot", json={"email": email})
    await gate.administration.delete(user, client=Client())
    assert await db.fetchval("SELECT string_agg(email, ' ') FROM auth_email_links") == "other@example.com"
    assert await db.fetchval("SELECT string_agg(recipient, ' ') FROM auth_messages") == "other@example.com"


async def test_a_new_link_ends_the_former_of_this_account_alone(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await register(client)
    await register(client, "other@example.com")
    await forgot(client, "other@example.com")
    others = (await read_mail(gate, db, "password_reset")).token
    await forgot(client)
    former = (await read_mail(gate, db, "password_reset")).token
    await forgot(client)
    assert_error(await reset(client, token=former), InvalidLink)
    assert (await reset(client, token=others)).status_code == 200
    assert (await reset(client, token=(await read_mail(gate, db, "password_reset")).token)).status_code == 200


async def test_a_key_that_was_replaced_still_knows_its_links(
    make_settings: MakeSettings, db: Database
) -> None:
    async with serving(create_app(make_settings(**MAIL_ON))) as client:
        await register(client)
        await forgot(client)
    rotated = {
        "secret_key": "another-key-that-is-long-enough-to-be-one",
        "secret_key_fallbacks": [make_settings().secret_key],
    }
    app = create_app(make_settings(**MAIL_ON, **rotated))
    async with serving(app) as client:
        mail = await read_mail(app.state.gatepost, db, "password_reset")
        assert_error(await reset(client, email=EMAIL, code="00000000"), InvalidLink)
        assert (await reset(client, email=EMAIL, code=mail.code)).status_code == 200


# --- Limits ---


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
async def test_the_same_mail_goes_out_once_a_minute_to_whomever(
    make_settings: MakeSettings, clock: MovableClock, db: Database, email: str
) -> None:
    app = create_app(make_settings(**MAIL_ON, throttle_enabled=True), clock=clock)
    async with serving(app) as client:
        await register(client)
        clock.advance(seconds=1)
        assert (await forgot(client, email)).status_code == 202
        again = await forgot(client, email)
        assert_error(again, errors.TooManyAttempts)
        assert 50 < int(again.headers["retry-after"]) <= 60
        clock.advance(minutes=1)
        assert (await forgot(client, email)).status_code == 202
    (event,) = await events(db, "throttled")
    assert event["detail"] == {"bucket": "mail_again", "verb": "password_reset"}


@pytest.mark.parametrize(
    ("setting", "emails", "allowed"),
    [
        ("throttle_mail_recipient", [EMAIL] * 3, 2),
        ("throttle_mail_address", [f"{n}@example.com" for n in range(3)], 2),
        ("throttle_mail_total", [f"{n}@example.com" for n in range(3)], 2),
    ],
)
async def test_mails_are_limited_by_recipient_address_and_in_all(
    make_settings: MakeSettings, clock: MovableClock, setting: str, emails: list[str], allowed: int
) -> None:
    few = {"throttle_mail_again": "100 then 1/second", setting: "2 then 1/day"}
    app = create_app(make_settings(**MAIL_ON, throttle_enabled=True, **few), clock=clock)
    async with serving(app) as client:
        statuses = [(await forgot(client, each)).status_code for each in emails]
    assert statuses == [202] * allowed + [429]


@pytest.mark.parametrize("by", ["email", "address"])
async def test_an_administrator_lets_mails_out_again(
    make_settings: MakeSettings, clock: MovableClock, by: str
) -> None:
    bucket = {"email": "recipient", "address": "address"}[by]
    few = {"throttle_mail_again": "100 then 1/second", f"throttle_mail_{bucket}": "1 then 1/day"}
    app = create_app(make_settings(**MAIL_ON, throttle_enabled=True, **few), clock=clock)
    async with serving(app) as client:
        assert [(await forgot(client)).status_code for _ in range(2)] == [202, 429]
        named = {"email": None, "address": None} | {by: EMAIL if by == "email" else "127.0.0.1"}
        assert await app.state.gatepost.throttles.clear(**named, client=Client()) > 0
        assert (await forgot(client)).status_code == 202


# --- Without a way to send mail ---


@pytest.fixture
async def without_mail(make_settings: MakeSettings) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(create_app(make_settings())) as client:
        yield client


async def test_without_mail_there_is_no_such_thing(without_mail: httpx.AsyncClient, db: Database) -> None:
    await register(without_mail)
    assert_error(await forgot(without_mail), errors.NotFound)
    assert_error(await reset(without_mail, token=UNKNOWN), errors.NotFound)
    assert (await without_mail.get("/auth/forgot-password")).status_code == 404
    assert "forgot-password" not in (await without_mail.get("/auth/sign-in")).text
    assert await db.fetchval("SELECT count(*) FROM auth_messages") == 0


# --- A dump ---


async def test_no_table_holds_a_link_or_a_code_that_works(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    await register(client)
    await forgot(client)
    mail = await read_mail(gate, db, "password_reset")
    before = await dump(db)
    link_id = await db.fetchval("SELECT link_id FROM auth_messages")
    async with gate.database.connection() as conn:
        await gate.service(MailLinks).spent(conn, link_id)
        assert await gate.service(MailLinks).reveal(conn, link_id) is None
    for text in (before, await dump(db)):
        assert mail.token not in text
        assert mail.code not in text
    assert await db.fetchval("SELECT nonce IS NULL FROM auth_email_links")
    assert (await reset(client, token=mail.token)).status_code == 200


async def dump(db: Database) -> str:
    """Return every row of every table as text."""
    names = await db.fetch(
        "SELECT c.oid::regclass::text AS name FROM pg_class c"
        " WHERE c.relkind IN ('r', 'p') AND c.relnamespace NOT IN ('pg_catalog'::regnamespace,"
        " 'information_schema'::regnamespace) AND c.relpersistence = 'p'"
    )
    rows = [row for (name,) in names for row in await db.fetch(f"SELECT t::text FROM {name} t")]  # noqa: S608
    return "\n".join(row[0] for row in rows)
