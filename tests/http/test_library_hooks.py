"""Hooks inside the transaction of a registration."""

import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from tests.conftest import PASSWORD, MakeSettings, bearer, execute, register, serving

from gatepost import Client, Gatepost, User, UserId, ValidationFailed
from gatepost.gate import Gate

BODY: dict[str, Any] = {"email": "user@example.com", "name": "John Doe", "password": "securepassword123"}


@pytest.fixture
async def auth(make_settings: MakeSettings, owner_dsn: str) -> Gatepost:
    await execute(
        owner_dsn,
        "CREATE TABLE profiles (user_id integer REFERENCES users (id), motto text)",
        "GRANT INSERT ON profiles TO PUBLIC",
    )
    return Gatepost(make_settings(database_timeout_seconds=30))


@pytest.fixture
def app(auth: Gatepost) -> FastAPI:
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    return app


async def counts(db: Any) -> dict[str, int]:
    """Return how many rows each table holds."""
    return {
        table: await db.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - names of tables
        for table in ("users", "user_sessions", "profiles")
    }


async def attempt(app: FastAPI) -> httpx.Response:
    async with serving(app) as client:
        return await client.post("/api/auth/register", json=BODY)


async def test_a_hook_writes_in_the_transaction_of_the_registration(
    app: FastAPI, auth: Gatepost, db: Any
) -> None:
    seen: list[tuple[User, int]] = []

    @auth.on_register
    async def profile(conn: Any, user: User) -> None:
        await conn.execute("INSERT INTO profiles VALUES ($1, 'none')", user.id)
        # Another connection sees nothing of it yet.
        seen.append((user, await db.fetchval("SELECT count(*) FROM users")))

    async with serving(app) as client:
        data = await register(client)
    [(user, visible)] = seen
    assert (user.id, user.email, visible) == (data["user"]["id"], "user@example.com", 0)
    assert await db.fetchval("SELECT user_id FROM profiles") == user.id


async def test_a_hook_that_raises_leaves_nothing_but_the_refusal(
    app: FastAPI, auth: Gatepost, db: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @auth.on_register
    async def profile(conn: Any, user: User) -> None:
        await conn.execute("INSERT INTO profiles VALUES ($1, 'none')", user.id)

    @auth.on_register
    async def faulty(conn: Any, user: User) -> None:
        raise LookupError("no motto")

    response = await attempt(app)
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")
    assert "no motto" in caplog.text
    assert "no motto" not in response.text
    assert await counts(db) == {"users": 0, "user_sessions": 0, "profiles": 0}
    events = await db.fetch("SELECT action, detail FROM auth_events WHERE action <> 'schema.migrated'")
    assert [event["action"] for event in events] == ["user.registration_refused"]
    assert json.loads(events[0]["detail"]) == {"reason": "LookupError", "email": "user@example.com"}


async def test_a_statement_that_fails_in_a_hook_leaves_nothing(app: FastAPI, auth: Gatepost, db: Any) -> None:
    @auth.on_register
    async def profile(conn: Any, user: User) -> None:
        await conn.execute("INSERT INTO profiles VALUES ($1, 'none')", 2)

    assert (await attempt(app)).status_code == 500
    assert await counts(db) == {"users": 0, "user_sessions": 0, "profiles": 0}


async def test_a_hook_refuses_in_its_own_words(app: FastAPI, auth: Gatepost, db: Any) -> None:
    @auth.on_register
    async def colleagues_only(conn: Any, user: User) -> None:
        raise ValidationFailed({"email": "Only addresses of example.org may register"})

    response = await attempt(app)
    assert response.status_code == 422
    assert response.json()["error"]["fields"] == {"email": "Only addresses of example.org may register"}
    assert await counts(db) == {"users": 0, "user_sessions": 0, "profiles": 0}


async def test_a_hook_refuses_as_a_route_would(app: FastAPI, auth: Gatepost, db: Any) -> None:
    @auth.on_register
    async def invited_only(conn: Any, user: User) -> None:
        raise HTTPException(403, "Registration is by invitation")

    response = await attempt(app)
    assert (response.status_code, response.json()["message"]) == (403, "Registration is by invitation")
    assert response.json()["success"] is False
    assert await counts(db) == {"users": 0, "user_sessions": 0, "profiles": 0}


async def test_a_hook_that_takes_too_long_is_503_and_leaves_nothing(
    make_settings: MakeSettings, auth: Gatepost, db: Any
) -> None:
    hasty = Gatepost(make_settings(database_timeout_seconds=0.5))
    app = FastAPI(lifespan=hasty.lifespan)
    hasty.install(app)

    @hasty.on_register
    async def slow(conn: Any, user: User) -> None:
        await conn.execute("SELECT pg_sleep(60)")

    response = await attempt(app)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")
    assert await counts(db) == {"users": 0, "user_sessions": 0, "profiles": 0}


async def test_hooks_run_in_order_and_for_users_made_in_code_too(auth: Gatepost) -> None:
    ran: list[str] = []

    @auth.on_register
    async def first(conn: Any, user: User) -> None:
        ran.append(f"first {user.email}")

    async with auth:

        @auth.on_register
        async def second(conn: Any, user: User) -> None:
            ran.append(f"second {user.email}")

        await auth.administration.create(**BODY, is_admin=False, client=Client())
    assert ran == ["first user@example.com", "second user@example.com"]


async def test_the_commands_know_no_hooks(auth: Gatepost) -> None:
    @auth.on_register
    async def refuse(conn: Any, user: User) -> None:
        raise AssertionError("called by a command")

    async with Gate(auth.settings) as gate:
        user = await gate.administration.create(**BODY, is_admin=True, client=Client())
    assert user.is_admin


async def test_a_login_runs_no_hook(app: FastAPI, auth: Gatepost) -> None:
    ran: list[str] = []

    @auth.on_register
    async def note(conn: Any, user: User) -> None:
        ran.append(user.email)

    async with serving(app) as client:
        await register(client)
        await client.post("/api/auth/login", json={k: BODY[k] for k in ("email", "password")})
    assert ran == ["user@example.com"]


# --- A change of the e-mail ---


async def change_email(client: httpx.AsyncClient, token: str, email: str) -> httpx.Response:
    body = {"email": email, "password": PASSWORD}
    return await client.post("/api/auth/email", json=body, headers=bearer(token))


async def test_a_hook_has_a_say_in_a_change_of_the_e_mail(app: FastAPI, auth: Gatepost, db: Any) -> None:
    seen: list[tuple[UserId, str]] = []

    @auth.on_register
    @auth.on_email_change
    async def colleagues_only(conn: Any, user: User) -> None:
        seen.append((user.id, user.email))
        assert await conn.fetchval("SELECT email FROM users") == user.email
        if not user.email.endswith("@example.com"):
            raise ValidationFailed({"email": "Use your address at example.com"})

    async with serving(app) as client:
        token = (await register(client))["token"]
        refused = await change_email(client, token, "ceo@example.org")
        assert refused.status_code == 422
        assert refused.json()["error"]["fields"] == {"email": "Use your address at example.com"}
        assert await db.fetchval("SELECT email FROM users") == "user@example.com"
        assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1
        assert (await change_email(client, token, "other@example.com")).status_code == 200
    assert seen == [(1, "user@example.com"), (1, "ceo@example.org"), (1, "other@example.com")]


async def test_what_a_hook_of_an_e_mail_wrote_goes_with_what_it_raises(
    app: FastAPI, auth: Gatepost, db: Any
) -> None:
    @auth.on_email_change
    async def faulty(conn: Any, user: User) -> None:
        await conn.execute("INSERT INTO profiles VALUES ($1, 'none')", user.id)
        raise HTTPException(403, "Ask the office to change it")

    async with serving(app) as client:
        token = (await register(client))["token"]
        refused = await change_email(client, token, "other@example.com")
        assert refused.status_code == 403
        assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200
    assert await db.fetchval("SELECT count(*) FROM profiles") == 0
    assert await db.fetchval("SELECT email FROM users") == "user@example.com"
