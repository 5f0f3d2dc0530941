"""Register, login and me: the guide's bodies, and what the database then holds."""

import asyncio
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.conftest import PASSWORD, bearer, login, nth_user, register, serving
from tests.http.conftest import (
    Database,
    MakeApp,
    Standing,
    StoppedClock,
    assert_error,
    assert_success,
    at,
    events,
)

from gatepost import errors

REGISTER = "/api/auth/register"
LOGIN = "/api/auth/login"
GUIDE_REGISTER = {"email": "user@example.com", "name": "John Doe", "password": "securepassword123"}
GUIDE_LOGIN = {"email": "user@example.com", "password": "securepassword123"}


# --- The guide's bodies ---


async def test_register_answers_as_the_guide_shows(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app()) as client:
        response = await client.post(REGISTER, json=GUIDE_REGISTER)
    data = assert_success(response, "User registered successfully", status=201)
    assert data == {
        "token": data["token"],
        "user": {
            "id": nth_user(1),
            "email": "user@example.com",
            "name": "John Doe",
            "created_at": "2024-01-01T00:00:00Z",
            "is_admin": False,
            "email_verified": False,
        },
        "session_info": {
            "expires_at": "2024-01-01T00:30:00Z",
            "created_at": "2024-01-01T00:00:00Z",
            "methods": ["pwd"],
            "aal": 1,
            "is_fresh": True,
        },
    }
    row = await db.fetchrow("SELECT email, name, is_admin, is_active, created_at, updated_at FROM users")
    assert row is not None
    assert tuple(row) == ("user@example.com", "John Doe", False, True, stopped.now, stopped.now)


async def test_login_answers_as_register_does(stopped_app: MakeApp, stopped: StoppedClock) -> None:
    async with serving(stopped_app()) as client:
        registered = (await client.post(REGISTER, json=GUIDE_REGISTER)).json()["data"]
        stopped.advance(seconds=90.25)
        data = assert_success(await client.post(LOGIN, json=GUIDE_LOGIN), "Login successful")
    assert data == {
        "token": data["token"],
        "user": registered["user"],
        "session_info": {
            "expires_at": "2024-01-01T00:31:30.250000Z",
            "created_at": "2024-01-01T00:01:30.250000Z",
            "methods": ["pwd"],
            "aal": 1,
            "is_fresh": True,
        },
    }
    assert data["token"] != registered["token"]


async def test_me_answers_with_the_user_and_the_session(client: httpx.AsyncClient) -> None:
    signed_in = await register(client)
    response = await client.get("/api/auth/me", headers=bearer(signed_in["token"]))
    data = assert_success(response, "User information retrieved successfully")
    assert data == {"user": signed_in["user"], "session_info": signed_in["session_info"]}


async def test_without_a_clock_of_its_own_the_databases_clock_counts(
    client: httpx.AsyncClient, db: Database
) -> None:
    before = await db.fetchval("SELECT clock_timestamp()")
    signed_in = await register(client)
    after = await db.fetchval("SELECT clock_timestamp()")
    created = at(signed_in["session_info"]["created_at"])
    assert before <= at(signed_in["user"]["created_at"]) <= created <= after
    assert at(signed_in["session_info"]["expires_at"]) - created == timedelta(minutes=30)


# --- Sessions that they start ---


async def test_a_token_is_a_random_uuid_of_version_4(client: httpx.AsyncClient) -> None:
    tokens = [(await register(client))["token"]] + [(await login(client))["token"] for _ in range(3)]
    assert len(set(tokens)) == 4
    for token in tokens:
        parsed = uuid.UUID(token)
        assert (str(parsed), parsed.version, parsed.variant) == (token, 4, uuid.RFC_4122)


async def test_the_database_holds_the_hint_and_a_digest_never_the_token(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    row = await db.fetchrow("SELECT user_sessions.*, user_sessions::text AS whole FROM user_sessions")
    assert row is not None
    assert re.fullmatch(re.escape(token[:8]) + r"\.[0-9a-f]{64}", row["session_token"])
    assert token not in row["whole"]
    assert token not in str(await db.fetch("SELECT u::text FROM users u"))
    assert token not in str(await db.fetch("SELECT e::text FROM auth_events e"))


async def test_a_started_session_has_all_of_its_row(
    stopped_app: MakeApp, stopped: StoppedClock, db: Database
) -> None:
    async with serving(stopped_app(session_expire_minutes=5, session_max_minutes=60)) as client:
        await register(client, **{"User-Agent": "Mozilla/5.0"})
    row = await db.fetchrow("SELECT * FROM user_sessions")
    assert row is not None
    now = datetime(2024, 1, 1, tzinfo=UTC)
    assert {key: value for key, value in row.items() if key != "session_token"} == {
        "id": 1,
        "user_id": nth_user(1),
        "is_active": True,
        "expires_at": now + timedelta(minutes=5),
        "created_at": now,
        "last_used_at": now,
        "ip_address": "127.0.0.1",
        "user_agent": "Mozilla/5.0",
        "ended_at": None,
        "end_reason": None,
        "authenticated_at": now,
        "absolute_expires_at": now + timedelta(minutes=60),
        "family_id": None,
        "replaced_by": None,
        "successor_nonce": None,
        "place": "127.0.0.1",
        "remembered": False,
        "handed_by": None,
        "methods": ["pwd"],
        "methods_at": None,
        "aal": 1,
        "impersonator_id": None,
        "impersonator_session": None,
    }


async def test_a_session_expires_no_later_than_its_absolute_end(
    stopped_app: MakeApp, stopped: StoppedClock
) -> None:
    async with serving(stopped_app(session_expire_minutes=120, session_max_minutes=60)) as client:
        signed_in = await register(client)
    assert signed_in["session_info"]["expires_at"] == "2024-01-01T01:00:00Z"


async def test_each_login_starts_a_session_beside_the_others(client: httpx.AsyncClient, db: Database) -> None:
    tokens = [
        (await register(client))["token"],
        (await login(client))["token"],
        (await login(client))["token"],
    ]
    for token in tokens:
        assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 3


async def test_register_and_login_are_on_the_trail(client: httpx.AsyncClient, db: Database) -> None:
    await register(client, **{"User-Agent": "curl/8"})
    await login(client, **{"User-Agent": "curl/9"})
    first: dict[str, Any] = {
        "user_id": nth_user(1),
        "ip_address": "127.0.0.1",
        "user_agent": "curl/8",
        "detail": {},
    }
    assert await events(db) == [
        first | {"action": "user.registered", "session_id": None},
        first | {"action": "session.started", "session_id": 1},
        first | {"action": "session.started", "session_id": 2, "user_agent": "curl/9"},
    ]


# --- The e-mail ---


@pytest.mark.parametrize("email", ["user@example.com", "USER@EXAMPLE.COM", " User@Example.com "])
async def test_an_email_that_is_taken_is_409_in_whatever_case(standing: Standing, email: str) -> None:
    before = len(await events(standing.db, "user.registration_refused"))
    response = await standing.client.post(REGISTER, json=GUIDE_REGISTER | {"email": email})
    assert_error(response, errors.EmailTaken)
    assert await standing.holds_one_user_and_session()
    *_, event = added = (await events(standing.db, "user.registration_refused"))[before:]
    assert len(added) == 1
    assert (event["user_id"], event["detail"]) == (
        None,
        {"reason": "email_taken", "email": "user@example.com"},
    )


async def test_an_email_is_stored_in_lower_case_and_signs_in_in_any(
    client: httpx.AsyncClient, db: Database
) -> None:
    signed_in = await register(client, email=" User@EXAMPLE.com")
    assert signed_in["user"]["email"] == "user@example.com"
    assert await db.fetchval("SELECT email FROM users") == "user@example.com"
    assert (await login(client, email="uSER@Example.com "))["user"]["id"] == signed_in["user"]["id"]


async def test_a_user_that_sql_added_with_capitals_signs_in(client: httpx.AsyncClient, db: Database) -> None:
    await register(client)
    await db.execute("UPDATE users SET email = 'User@Example.COM'")
    assert (await login(client))["user"]["id"] == nth_user(1)


async def test_a_name_is_trimmed_and_may_hold_any_script(client: httpx.AsyncClient, db: Database) -> None:
    signed_in = await register(client, name="  Zoë 山田 👩‍🚀  ")
    assert signed_in["user"]["name"] == "Zoë 山田 👩‍🚀"
    assert await db.fetchval("SELECT name FROM users") == "Zoë 山田 👩‍🚀"


async def test_of_many_who_register_one_email_at_once_one_does(stopped_app: MakeApp, db: Database) -> None:
    async with serving(stopped_app()) as one, serving(stopped_app()) as two:
        bodies = [GUIDE_REGISTER | {"email": email} for email in ("user@example.com", "User@Example.com")]
        answers = await asyncio.gather(
            *(client.post(REGISTER, json=body) for _ in range(5) for client in (one, two) for body in bodies)
        )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert await db.fetchval("SELECT count(*) FROM users") == 1
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 1
    assert len(await events(db, "user.registered")) == 1
    assert len(await events(db, "user.registration_refused")) == 19


# --- What a login refuses ---


async def refused_login(client: httpx.AsyncClient, email: str, password: str) -> tuple[bytes, dict[str, str]]:
    response = await client.post(LOGIN, json={"email": email, "password": password})
    assert_error(response, errors.InvalidCredentials)
    own = {"x-request-id"}
    return response.content, {k: v for k, v in response.headers.items() if k not in own}


async def test_unknown_wrong_disabled_and_passwordless_users_get_the_very_same_answer(
    client: httpx.AsyncClient, db: Database
) -> None:
    for name in ("wrong", "disabled", "passwordless"):
        await register(client, email=f"{name}@example.com")
    await db.execute("UPDATE users SET is_active = false WHERE email = 'disabled@example.com'")
    await db.execute("UPDATE users SET hashed_password = NULL WHERE email = 'passwordless@example.com'")
    answers = [
        await refused_login(client, "unknown@example.com", PASSWORD),
        await refused_login(client, "wrong@example.com", PASSWORD + "!"),
        await refused_login(client, "disabled@example.com", PASSWORD),
        await refused_login(client, "passwordless@example.com", PASSWORD),
    ]
    assert all(answer == answers[0] for answer in answers)
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 3


async def test_the_trail_knows_why_a_login_was_refused(client: httpx.AsyncClient, db: Database) -> None:
    await register(client)
    await refused_login(client, "unknown@example.com", PASSWORD)
    await refused_login(client, "User@example.com", "wrong password")
    await db.execute("UPDATE users SET is_active = false")
    await refused_login(client, "user@example.com", PASSWORD)
    assert [(e["user_id"], e["session_id"], e["detail"]) for e in await events(db, "login.failed")] == [
        (None, None, {"reason": "unknown_user", "email": "unknown@example.com"}),
        (nth_user(1), None, {"reason": "wrong_password", "email": "user@example.com"}),
        (nth_user(1), None, {"reason": "user_disabled", "email": "user@example.com"}),
    ]


async def test_no_event_holds_a_password(client: httpx.AsyncClient, db: Database) -> None:
    await register(client)
    await refused_login(client, "user@example.com", PASSWORD + "?")
    await client.post(REGISTER, json=GUIDE_REGISTER)
    assert PASSWORD not in str(await db.fetch("SELECT e::text FROM auth_events e"))


async def test_a_disabled_user_is_told_apart_only_by_the_right_password_on_the_trail(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(client)
    await db.execute("UPDATE users SET is_active = false")
    await refused_login(client, "user@example.com", "wrong password")
    assert [e["detail"]["reason"] for e in await events(db, "login.failed")] == ["wrong_password"]
