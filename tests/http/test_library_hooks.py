"""Hooks inside the transaction of a registration."""

import json
import re
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from tests.conftest import PASSWORD, MakeSettings, bearer, execute, login, register, serving

from gatepost import Client, Gatepost, Session, User, UserId, ValidationFailed
from gatepost.errors import RegistrationClosed
from gatepost.gate import Gate

BODY: dict[str, Any] = {"email": "user@example.com", "name": "John Doe", "password": "securepassword123"}


@pytest.fixture
async def auth(make_settings: MakeSettings, owner_dsn: str) -> Gatepost:
    await execute(
        owner_dsn,
        "CREATE TABLE profiles (user_id integer REFERENCES users (id), motto text)",
        "GRANT INSERT ON profiles TO PUBLIC",
    )
    return Gatepost(make_settings())


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


# --- Signing in and out ---


async def test_a_hook_sees_every_sign_in(app: FastAPI, auth: Gatepost, db: Any) -> None:
    seen: list[tuple[str, int, str | None]] = []

    @auth.on_sign_in
    async def note(conn: Any, session: Session, client: Client) -> None:
        seen.append((session.user.email, session.id, client.ip_address))
        assert await conn.fetchval("SELECT is_active FROM user_sessions WHERE id = $1", session.id)
        assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE id = $1", session.id) == 0
        await conn.execute("INSERT INTO profiles VALUES ($1, 'here')", session.user.id)

    async with serving(app) as client:
        await register(client)
        await login(client)
        await auth.sessions.start(1, methods=["sms"], client=Client(ip_address="203.0.113.7"))
    assert seen == [
        ("user@example.com", 1, "127.0.0.1"),
        ("user@example.com", 2, "127.0.0.1"),
        ("user@example.com", 3, "203.0.113.7"),
    ]
    assert await counts(db) == {"users": 1, "user_sessions": 3, "profiles": 3}


@pytest.mark.parametrize(
    ("raised", "status", "code", "reason"),
    [
        (HTTPException(402, "Pay first"), 402, "payment_required", "HTTPException"),
        (RegistrationClosed("Not on Sundays"), 403, "registration_closed", "registration_closed"),
        (LookupError("no motto"), 500, "internal_error", "LookupError"),
    ],
)
async def test_a_hook_turns_away_who_signs_in(
    app: FastAPI, auth: Gatepost, db: Any, raised: Exception, status: int, code: str, reason: str
) -> None:
    async with serving(app) as client:
        token = (await register(client))["token"]

        @auth.on_sign_in
        async def refuse(conn: Any, session: Session, client: Client) -> None:
            await conn.execute("INSERT INTO profiles VALUES ($1, 'here')", session.user.id)
            raise raised

        body = {k: BODY[k] for k in ("email", "password")}
        refused = await client.post("/api/auth/login", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
        assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200
        again = await client.post("/api/auth/register", json={**BODY, "email": "other@example.com"})
        assert again.status_code == status
        with pytest.raises(type(raised)):
            await auth.sessions.start(1, methods=["sms"])
    assert await counts(db) == {"users": 1, "user_sessions": 1, "profiles": 0}
    told = await db.fetch("SELECT user_id, detail FROM auth_events WHERE action = 'login.failed'")
    expected = {"reason": reason, "hook": "on_sign_in", "email": "user@example.com"}
    assert [(each["user_id"], json.loads(each["detail"])) for each in told] == [(1, expected)] * 2


async def test_a_page_says_what_a_hook_raised(make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings())
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app, pages=True)

    @auth.on_sign_in
    async def refuse(conn: Any, session: Session, client: Client) -> None:
        raise HTTPException(402, "Pay <first>")

    async with serving(app) as client:
        page = await client.get("/auth/sign-up")
        token = re.findall(r'name="form_token" value="([^"]+)"', page.text)[0]
        answer = await client.post(
            "/auth/sign-up", data={**BODY, "form_token": token}, headers={"Sec-Fetch-Site": "same-origin"}
        )
    assert answer.status_code == 402
    assert "Pay &lt;first&gt;" in answer.text
    assert 'value="user@example.com"' in answer.text


@pytest.mark.parametrize(("path", "told"), [("logout", [1]), ("logout-all", [None]), ("logout-others", [])])
async def test_a_hook_sees_who_signs_out(
    app: FastAPI, auth: Gatepost, db: Any, path: str, told: list[int | None]
) -> None:
    seen: list[int | None] = []

    @auth.on_sign_out
    async def note(conn: Any, user: User, session_id: int | None) -> None:
        assert user.email == "user@example.com"
        seen.append(session_id)
        await conn.execute("INSERT INTO profiles VALUES ($1, 'gone')", user.id)

    async with serving(app) as client:
        token = (await register(client))["token"]
        await login(client)
        assert (await client.post(f"/api/auth/{path}", headers=bearer(token))).status_code == 200
    assert seen == told
    assert await db.fetchval("SELECT count(*) FROM profiles") == len(told)


@pytest.mark.parametrize("fault", ["raises", "slow"])
async def test_nothing_keeps_anybody_signed_in(
    make_settings: MakeSettings, auth: Gatepost, db: Any, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    auth = Gatepost(make_settings(hook_timeout_seconds=0.2))
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)

    @auth.on_sign_out
    async def faulty(conn: Any, user: User, session_id: int | None) -> None:
        await conn.execute("INSERT INTO profiles VALUES ($1, 'gone')", user.id)
        if fault == "slow":
            await conn.execute("SELECT pg_sleep(60)")
        raise HTTPException(403, "Stay")

    async with serving(app) as client:
        token = (await register(client))["token"]
        assert (await client.post("/api/auth/logout", headers=bearer(token))).status_code == 200
        assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 401
    assert await db.fetchval("SELECT count(*) FROM profiles") == 0
    assert "a hook failed, and its user is signed out all the same" in caplog.text


# --- The copy of one's data ---


async def test_hooks_add_the_applications_data_to_the_export(app: FastAPI, auth: Gatepost, db: Any) -> None:
    @auth.on_export("profile")
    async def profile(conn: Any, user: User) -> list[dict[str, Any]]:
        return [
            dict(row) for row in await conn.fetch("SELECT motto FROM profiles WHERE user_id = $1", user.id)
        ]

    @auth.on_export("score")
    async def score(conn: Any, user: User) -> int:
        return 7

    async with serving(app) as client:
        token = (await register(client))["token"]
        await db.execute("INSERT INTO profiles VALUES (1, 'none')")
        data = (await client.get("/api/auth/export", headers=bearer(token))).json()["data"]
    assert data["application"] == {"profile": [{"motto": "none"}], "score": 7}
    assert data["user"]["email"] == "user@example.com"


@pytest.mark.parametrize("answer", [LookupError("no motto"), object()])
async def test_an_export_that_a_hook_fails_is_no_half_one(
    app: FastAPI, auth: Gatepost, db: Any, answer: object
) -> None:
    @auth.on_export("profile")
    async def faulty(conn: Any, user: User) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with serving(app) as client:
        token = (await register(client))["token"]
        refused = await client.get("/api/auth/export", headers=bearer(token))
        assert (refused.status_code, refused.json()["error"]["code"]) == (500, "internal_error")
