"""Passwords through the front door: what is accepted, how it is kept, hashes made elsewhere."""

import asyncio
import base64
import functools
import hashlib
import unicodedata
from collections.abc import Awaitable, Callable
from typing import Literal

import argon2
import bcrypt
import httpx
import pytest
from tests.conftest import PASSWORD, MakeSettings, login, nth_user, register, serving
from tests.http.conftest import Database, MakeApp, Standing, assert_error, events, logged
from tests.walking import walked

from gatepost import errors
from gatepost.library import Gatepost
from gatepost.security import policy
from gatepost.security.passwords import Password, PasswordCheck
from gatepost.services.lines import Line, Lines

REGISTER = "/api/auth/register"
LOGIN = "/api/auth/login"
EMAIL = "user@example.com"


async def sign_up(client: httpx.AsyncClient, password: str, email: str = EMAIL) -> httpx.Response:
    return await client.post(REGISTER, json={"email": email, "name": "John Doe", "password": password})


async def signs_in(client: httpx.AsyncClient, password: str) -> bool:
    response = await client.post(LOGIN, json={"email": EMAIL, "password": password})
    if response.status_code != 200:
        assert_error(response, errors.InvalidCredentials)
    return response.status_code == 200


@pytest.mark.parametrize(
    "password",
    ["", "1234567", "😀" * 7, "e\u0301" * 7, "x" * 1025, "😀" * 1025, " " * 7],
    ids=["empty", "7", "7 emoji", "7 of two code points", "1025", "1025 emoji", "7 spaces"],
)
async def test_a_length_outside_8_to_1024_is_422(standing: Standing, password: str) -> None:
    response = await standing.client.post(
        REGISTER, json={"email": "new@example.com", "name": "x", "password": password}
    )
    fields = response.json()["error"]["fields"]
    assert_error(response, errors.ValidationFailed, fields=fields)
    assert list(fields) == ["password"]
    assert await standing.holds_one_user_and_session()


@walked(
    "password",
    [
        "x7Kq-93p",
        "😀" * 8,
        "😀" * 64,
        "x" * 1024,
        "😀" * 1024,
        "\x00" * 8,
        "pass\x00word",
        "        ",
        "\r\n\t\x1b[0m xyz",
        "nothingbutsmallletters",
        "several words and spaces",
        "3141592653589793238462643383279502884197169399375105820974944592",
    ],
    ids=[
        "8",
        "8 emoji",
        "64 emoji",
        "1024",
        "1024 emoji",
        "NULs",
        "NUL inside",
        "8 spaces",
        "controls",
        "small letters",
        "words",
        "64 digits",
    ],
)
async def test_any_unicode_of_8_to_1024_characters_registers_and_signs_in(
    client: httpx.AsyncClient, password: str
) -> None:
    assert (await sign_up(client, password)).status_code == 201
    assert await signs_in(client, password)


@walked(
    ("password", "others"),
    [
        ("pass\x00word", ["pass", "pass\x00wor", "password", "pass\x00word\x00"]),
        ("password ", ["password", " password", "password  "]),
        ("x" * 72, ["x" * 71, "x" * 73]),
        ("x" * 73, ["x" * 72, "x" * 74]),
        ("😀" * 64, ["😀" * 63, "😀" * 18, "😀" * 65]),
        ("PassPhrase", ["passphrase", "PASSPHRASE"]),
    ],
    ids=["NUL", "space", "72", "73", "emoji", "case"],
)
async def test_nothing_is_cut_off_trimmed_or_folded(
    client: httpx.AsyncClient, password: str, others: list[str]
) -> None:
    assert (await sign_up(client, password)).status_code == 201
    for other in others:
        assert not await signs_in(client, other)
    assert await signs_in(client, password)


@pytest.mark.parametrize(("typed", "again"), [("NFC", "NFD"), ("NFD", "NFC")])
async def test_composed_and_decomposed_characters_are_the_same_password(
    client: httpx.AsyncClient, typed: str, again: str
) -> None:
    password = "Zoë Grüße Ångström 한국어"
    first = unicodedata.normalize(typed, password)  # type: ignore[arg-type]  # a parameter is no literal
    second = unicodedata.normalize(again, password)  # type: ignore[arg-type]  # the same
    assert first != second
    assert (await sign_up(client, first)).status_code == 201
    assert await signs_in(client, second)


async def test_compatibility_characters_are_other_passwords(client: httpx.AsyncClient) -> None:
    assert (await sign_up(client, "ﬁrewall no. ①")).status_code == 201
    assert not await signs_in(client, "firewall no. 1")


async def test_the_least_length_is_a_setting_and_not_asked_for_at_login(
    make_settings: MakeSettings, stopped_app: MakeApp
) -> None:
    async with serving(stopped_app()) as client:
        await sign_up(client, "x7Kq-93p")
    async with serving(stopped_app(password_min_length=15)) as client:
        response = await client.post(
            REGISTER, json={"email": "b@example.com", "name": "b", "password": "x" * 14}
        )
        assert "15" in response.json()["error"]["fields"]["password"]
        assert await signs_in(client, "x7Kq-93p")


# --- What a new password may not be ---


@pytest.mark.parametrize("password", policy.common_passwords().decode().split("\n")[1:-1:820])
async def test_a_common_password_is_422_and_says_what_to_do(standing: Standing, password: str) -> None:
    body = {"email": "new@example.com", "name": "x", "password": password.upper()}
    response = await standing.client.post(REGISTER, json=body)
    told = assert_error(response, errors.PasswordTooCommon, fields={"password": str(policy.TOO_COMMON)})
    assert told["message"] == str(errors.PasswordTooCommon.standard())
    assert await standing.holds_one_user_and_session()


@walked(
    "password",
    [
        "new.person@example.com",
        "New.Person",
        "nosrep.wen",
        "gatepost",
        "Our Notebook",
        "koobeton ruo",
        "notebook7.example.com",
        "NOTEBOOK7",
    ],
)
async def test_a_password_that_the_context_gives_away_is_422_and_says_what_to_do(
    stopped_app: MakeApp, db: Database, password: str
) -> None:
    async with serving(
        stopped_app(app_name="Our Notebook", public_url="https://notebook7.example.com")
    ) as client:
        body = {"email": "New.Person@Example.com", "name": "x", "password": password}
        response = await client.post(REGISTER, json=body)
    told = assert_error(response, errors.PasswordIsContext, fields={"password": str(policy.IS_CONTEXT)})
    assert told["message"] == str(errors.PasswordIsContext.standard())
    assert await db.fetchval("SELECT count(*) FROM users") == 0


async def test_beside_another_mistake_a_common_password_is_one_of_the_fields(standing: Standing) -> None:
    body = {"email": "no address", "name": "", "password": "password"}
    response = await standing.client.post(REGISTER, json=body)
    fields = response.json()["error"]["fields"]
    assert_error(response, errors.ValidationFailed, fields=fields)
    assert set(fields) == {"email", "name", "password"}
    assert fields["password"] == str(policy.TOO_COMMON)


@pytest.mark.parametrize("password", ["password", "12345678", "gatepost"])
async def test_one_who_has_such_a_password_signs_in_all_the_same(
    client: httpx.AsyncClient, db: Database, password: str
) -> None:
    await register(client)
    await db.execute("UPDATE users SET hashed_password = $1", hashed(password))
    assert await signs_in(client, password)


async def test_a_password_is_kept_as_bcrypt_of_the_cost_that_is_set(
    stopped_app: MakeApp, db: Database
) -> None:
    async with serving(stopped_app(bcrypt_rounds=5)) as client:
        await sign_up(client, PASSWORD)
    stored = await db.fetchval("SELECT hashed_password FROM users")
    assert stored.startswith("$2b$05$")
    assert bcrypt.checkpw(PASSWORD.encode(), stored.encode())


# --- Hashes made elsewhere ---


def django_pbkdf2(password: str) -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), b"saltsaltsalt", 1000)
    return f"pbkdf2_sha256$1000$saltsaltsalt${base64.b64encode(digest).decode()}"


FOREIGN = {
    "django": django_pbkdf2(PASSWORD),
    "werkzeug": "pbkdf2:sha256:1000$salt$"
    + hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"salt", 1000).hex(),
    "bcrypt 2a": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, b"2a")).decode(),
    "bcrypt 2y": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$"),
}


@walked("stored", FOREIGN.values(), ids=list(FOREIGN))
async def test_a_hash_made_elsewhere_signs_in_and_is_replaced(
    client: httpx.AsyncClient, db: Database, stored: str
) -> None:
    await register(client)
    await db.execute("UPDATE users SET hashed_password = $1", stored)
    assert not await signs_in(client, "wrong password")
    assert await db.fetchval("SELECT hashed_password FROM users") == stored
    assert await signs_in(client, PASSWORD)
    replaced = await db.fetchval("SELECT hashed_password FROM users")
    assert replaced.startswith("$2b$04$")
    assert [(e["user_id"], e["session_id"]) for e in await events(db, "password.rehashed")] == [
        (nth_user(1), None)
    ]
    assert await signs_in(client, PASSWORD)
    assert await db.fetchval("SELECT hashed_password FROM users") == replaced


@walked(
    ("stored", "sent"),
    [("NFC", "NFC"), ("NFC", "NFD"), ("NFD", "NFD"), ("NFKC", "NFC"), ("NFKC", "NFD")],
)
async def test_a_hash_made_elsewhere_of_another_spelling_signs_in(
    client: httpx.AsyncClient,
    db: Database,
    stored: Literal["NFC", "NFD", "NFKC"],
    sent: Literal["NFC", "NFD"],
) -> None:
    """Software that composes nothing has hashed what a keyboard gave it: `e` with a mark of its own."""
    password = "Zo\N{LATIN SMALL LETTER E WITH DIAERESIS} likes \N{LATIN SMALL LIGATURE FI}sh"
    spelled = unicodedata.normalize(stored, password)
    await register(client)
    await db.execute("UPDATE users SET hashed_password = $1", django_pbkdf2(spelled))
    typed = unicodedata.normalize(sent, password)
    assert not await signs_in(client, typed + "x")
    assert await signs_in(client, typed)
    assert str(await db.fetchval("SELECT hashed_password FROM users")).startswith("$2b$04$")
    assert await signs_in(client, password)


async def test_a_raised_cost_is_taken_up_at_the_next_login(stopped_app: MakeApp, db: Database) -> None:
    async with serving(stopped_app(bcrypt_rounds=4)) as client:
        await sign_up(client, PASSWORD)
    async with serving(stopped_app(bcrypt_rounds=5)) as client:
        assert await signs_in(client, PASSWORD)
    assert (await db.fetchval("SELECT hashed_password FROM users")).startswith("$2b$05$")


async def test_of_many_logins_that_replace_a_hash_at_once_none_is_refused(
    stopped_app: MakeApp, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        await register(client)
        await db.execute("UPDATE users SET hashed_password = $1", FOREIGN["django"])
        answers = await asyncio.gather(*(signs_in(client, PASSWORD) for _ in range(8)))
    assert answers == [True] * 8
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 9


async def test_a_strong_hash_made_elsewhere_is_kept(client: httpx.AsyncClient, db: Database) -> None:
    stored = argon2.PasswordHasher().hash(PASSWORD)
    await register(client)
    await db.execute("UPDATE users SET hashed_password = $1", stored)
    assert await signs_in(client, PASSWORD)
    assert not await signs_in(client, "wrong password")
    assert await db.fetchval("SELECT hashed_password FROM users") == stored
    assert await events(db, "password.rehashed") == []


async def test_with_argon2id_set_new_passwords_are_hashed_by_it_and_others_at_their_next_login(
    stopped_app: MakeApp, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        await sign_up(client, PASSWORD)
    async with serving(stopped_app(password_hash="argon2id")) as client:
        await sign_up(client, PASSWORD, email="new@example.com")
        assert await signs_in(client, PASSWORD)
    stored = [row["hashed_password"] for row in await db.fetch("SELECT hashed_password FROM users")]
    assert [each[:31] for each in stored] == ["$argon2id$v=19$m=19456,t=2,p=1$"] * 2
    async with serving(stopped_app()) as client:
        assert await signs_in(client, PASSWORD)
    assert {row["hashed_password"] for row in await db.fetch("SELECT hashed_password FROM users")} == set(
        stored
    )


async def test_users_of_devise_sign_in_with_its_pepper(stopped_app: MakeApp, db: Database) -> None:
    pepper = "0123456789abcdef" * 8
    made = bcrypt.hashpw((PASSWORD + pepper).encode()[:72], bcrypt.gensalt(4, b"2a")).decode()
    async with serving(stopped_app(devise_pepper=pepper)) as client:
        await sign_up(client, "another password")
        await db.execute("UPDATE users SET hashed_password = $1", made)
        assert await signs_in(client, PASSWORD)
    async with serving(stopped_app()) as client:
        assert await signs_in(client, PASSWORD)


UNREADABLE = {
    "x": "unsupported_hash",
    "$2x$04$" + "a" * 53: "unsupported_hash",
    "\u2603" * 60: "unsupported_hash",
    "$2b$04$cut-off": "corrupt_hash",
    "$2b$99$" + "a" * 53: "corrupt_hash",
    "$argon2id$v=19$m=1": "corrupt_hash",
    "pbkdf2_sha256$x$y$z": "corrupt_hash",
}


@walked(("stored", "reason"), UNREADABLE.items(), ids=range(len(UNREADABLE)))
async def test_a_hash_that_cannot_be_read_is_a_failed_login_and_no_guess(
    stopped_app: MakeApp, db: Database, caplog: pytest.LogCaptureFixture, stored: str, reason: str
) -> None:
    """The client hears what it hears of a wrong password; the log names the user, and not the hash."""
    async with serving(stopped_app(throttle_enabled=True)) as client:
        await sign_up(client, PASSWORD)
        wrong = await client.post(LOGIN, json={"email": EMAIL, "password": "wrong password"})
        guesses = await db.fetchval("SELECT sum(failures) FROM auth_failures")
        await db.execute("UPDATE users SET hashed_password = $1", stored)
        refused = await client.post(LOGIN, json={"email": EMAIL, "password": PASSWORD})
    assert (refused.status_code, refused.content) == (wrong.status_code, wrong.content)
    assert await db.fetchval("SELECT hashed_password FROM users") == stored
    assert [e["detail"]["reason"] for e in await events(db, "login.failed")] == ["wrong_password", reason]
    assert await db.fetchval("SELECT sum(failures) FROM auth_failures") == guesses == 1
    lines = logged(caplog, "stored password hash can't be read")
    expected = [] if reason == "no_password" else [("error", nth_user(1), reason)]
    assert [(line["level"], line["user_id"], line["reason"]) for line in lines] == expected
    assert len(stored) < 2 or stored not in caplog.text


# --- Under load ---


def meanwhile(gate: Gatepost, monkeypatch: pytest.MonkeyPatch, act: Callable[[], Awaitable[object]]) -> None:
    """Have something happen after each check of a password and before its session starts."""
    check = gate.accounts._hashing.check

    async def slow_check(password: Password, stored: str | None, line: Line) -> PasswordCheck:
        result = await check(password, stored, line)
        await act()
        return result

    monkeypatch.setattr(gate.accounts._hashing, "check", slow_check)


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


async def test_a_password_that_changes_while_it_is_checked_signs_nobody_in(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(client)
    set_another = functools.partial(db.execute, "UPDATE users SET hashed_password = $1", hashed("another"))
    meanwhile(gate, monkeypatch, set_another)
    assert not await signs_in(client, PASSWORD)
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 1
    assert [e["detail"]["reason"] for e in await events(db, "login.failed")] == ["wrong_password"]


async def test_a_user_who_is_disabled_while_the_password_is_checked_is_not_signed_in(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(client)
    meanwhile(gate, monkeypatch, functools.partial(db.execute, "UPDATE users SET is_active = false"))
    assert not await signs_in(client, PASSWORD)
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 1
    assert [e["detail"]["reason"] for e in await events(db, "login.failed")] == ["user_disabled"]


async def test_a_hash_that_never_rests_is_a_failed_login(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(client)

    async def salt_again() -> None:
        await db.execute("UPDATE users SET hashed_password = $1", hashed(PASSWORD))

    meanwhile(gate, monkeypatch, salt_again)
    assert not await signs_in(client, PASSWORD)
    assert [e["detail"]["reason"] for e in await events(db, "login.failed")] == ["changed_meanwhile"]


async def test_a_full_queue_of_passwords_is_503_and_no_refusal(
    client: httpx.AsyncClient, gate: Gatepost, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(client)
    monkeypatch.setattr(gate.accounts._hashing, "_threads", 0)
    monkeypatch.setattr(gate.accounts._hashing, "_strangers", Lines(0))
    response = await client.post(LOGIN, json={"email": EMAIL, "password": PASSWORD})
    assert_error(response, errors.Unavailable)
    assert response.headers["retry-after"] == "1"
    monkeypatch.undo()
    await login(client)
