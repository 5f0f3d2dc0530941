"""`gatepost.testing`, which tests of applications begin with."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import asyncpg
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from gatepost import AuthMiddleware, CurrentSession, Gatepost, Settings, User
from gatepost.errors import DatabaseNotMigrated, DatabaseUnreachable
from gatepost.testing import PASSWORD, SoftAuthenticator, isolated, running, signed_in, temporary_database


@pytest.fixture
def database(server_dsn: str) -> Iterator[str]:
    with temporary_database(server_dsn) as url:
        yield url


@pytest.fixture
def auth() -> Gatepost:
    """One with the settings of an application, of which the database is not for tests."""
    return Gatepost(
        Settings(
            database_url="postgresql://nobody@127.0.0.1:1/production",
            session_expire_minutes=45,
            database_timeout_seconds=30,
        )
    )


@pytest.fixture
def app(auth: Gatepost) -> FastAPI:
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)

    @app.get("/notes")
    async def notes(session: CurrentSession) -> dict[str, Any]:
        return {"owner": session.user.email, "is_admin": session.user.is_admin}

    return app


async def exists(server: str, database: str) -> bool:
    conn = await asyncpg.connect(server)
    try:
        name = database.partition("?")[0].rpartition("/")[2]
        return bool(await conn.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", name))
    finally:
        await conn.close()


async def test_a_temporary_database_has_the_schema_and_is_gone_afterwards(server_dsn: str) -> None:
    with temporary_database(server_dsn) as url:
        conn = await asyncpg.connect(url)  # left open, as by a test that failed
        assert await conn.fetchval("SELECT count(*) FROM user_sessions") == 0
        assert await exists(server_dsn, url)
    assert not await exists(server_dsn, url)
    conn.terminate()


async def test_a_temporary_database_is_gone_after_a_failure_too(server_dsn: str) -> None:
    with pytest.raises(LookupError), temporary_database(server_dsn) as url:
        raise LookupError
    assert not await exists(server_dsn, url)


async def test_without_a_server_an_embedded_one_is_started_and_ended() -> None:
    with temporary_database() as url:
        conn = await asyncpg.connect(url)
        assert await conn.fetchval("SELECT count(*) FROM users") == 0
        with temporary_database(url) as second:
            assert second != url
        await conn.close()
    with pytest.raises(OSError):  # noqa: PT011 - whichever way the socket is missing
        await asyncpg.connect(url)


async def test_a_user_is_signed_in_for_real(app: FastAPI, auth: Gatepost, database: str) -> None:
    async with signed_in(app, auth, database, email="alice@example.com") as alice:
        assert (await alice.get("/notes")).json() == {"owner": "alice@example.com", "is_admin": False}
        conn = await asyncpg.connect(database)
        assert await conn.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 1
        await conn.close()
        await alice.post("/api/auth/logout")
        assert (await alice.get("/notes")).status_code == 401
    assert not auth.is_open


async def test_an_admin_is_one(app: FastAPI, auth: Gatepost, database: str) -> None:
    async with signed_in(app, auth, database, is_admin=True) as admin:
        assert (await admin.get("/notes")).json() == {"owner": "user@example.com", "is_admin": True}


async def test_an_administrator_needs_the_factor_first_where_they_need_one(database: str) -> None:
    auth = Gatepost(Settings(mfa_required="admins"))
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    async with running(app, auth, database) as site:
        with pytest.raises(RuntimeError, match="Set up a second factor first"):
            await site.sign_in("alice@example.com", is_admin=True)
        authenticator = await site.enrol(await site.sign_in("bob@example.com"))
        bob = await site.sign_in("bob@example.com", is_admin=True, authenticator=authenticator)
        assert (await bob.get("/api/auth/admin/users")).status_code == 200


async def test_several_users_at_once_and_again(app: FastAPI, auth: Gatepost, database: str) -> None:
    async with running(app, auth, database) as site:
        alice = await site.sign_in("Alice@example.com", name="Alice")
        bob = await site.sign_in("bob@example.com", is_admin=True)
        assert (await alice.get("/api/auth/me")).json()["data"]["user"]["name"] == "Alice"
        assert (await bob.get("/notes")).json()["is_admin"] is True
        assert (await site.anonymous.get("/notes")).status_code == 401
    # Another test, on the same database: they are there and sign in.
    async with running(app, auth, database) as site:
        again = await site.sign_in("alice@example.com", is_admin=True)
        assert (await again.get("/notes")).json() == {"owner": "alice@example.com", "is_admin": True}
        assert (await (await site.sign_in("bob@example.com")).get("/notes")).json()["is_admin"] is False
        assert (await again.get("/api/auth/sessions")).json()["data"]["total_active_sessions"] == 2


async def test_a_user_has_a_second_factor_and_is_asked_for_it(
    app: FastAPI, auth: Gatepost, database: str
) -> None:
    async with running(app, auth, database) as site:
        alice = await site.sign_in("alice@example.com")
        authenticator = await site.enrol(alice)
        assert (await alice.get("/notes")).status_code == 200
        with pytest.raises(RuntimeError, match="second_factor_required"):
            await site.sign_in("alice@example.com")
        for _ in range(4):  # faster than codes change
            again = await site.sign_in("alice@example.com", authenticator=authenticator)
        assert (await again.get("/api/auth/me")).json()["data"]["session_info"]["aal"] == 2


async def test_a_user_has_a_passkey_and_signs_in_with_nothing_else(
    app: FastAPI, auth: Gatepost, database: str
) -> None:
    async with running(app, auth, database) as site:
        authenticator = await site.enrol_passkey(await site.sign_in("alice@example.com"))
        again = await site.sign_in_by_passkey(authenticator)
        assert (await again.get("/notes")).json()["owner"] == "alice@example.com"
        assert (await again.get("/api/auth/me")).json()["data"]["session_info"]["aal"] == 2
        with pytest.raises(LookupError, match="no passkey"):
            await site.sign_in_by_passkey(SoftAuthenticator(authenticator.origin))
        with pytest.raises(RuntimeError, match="second_factor_required"):
            await site.sign_in("alice@example.com")


async def test_what_the_endpoint_refuses_is_told(app: FastAPI, auth: Gatepost, database: str) -> None:
    @auth.on_register
    async def nobody(conn: Any, user: User) -> None:
        raise LookupError("not today")

    async with running(app, auth, database) as site:
        with pytest.raises(RuntimeError, match=r"/api/auth/register answered 500: .*internal_error"):
            await site.sign_in()
        with pytest.raises(RuntimeError, match=r"answered 422: .*password") as refused:
            await site.sign_in(password="short")
    assert PASSWORD not in str(refused.value)


async def test_the_settings_are_the_applications_but_for_what_tests_need(
    auth: Gatepost, database: str
) -> None:
    former = auth.settings
    with isolated(auth, database) as settings:
        assert auth.settings is settings
        assert settings.database_url is not None
        assert settings.database_url.get_secret_value() == database
        assert (settings.session_expire_minutes, settings.bcrypt_rounds) == (45, 4)
        assert settings.environment == "test"
    assert auth.settings is former


async def test_one_that_is_open_is_not_isolated(app: FastAPI, auth: Gatepost, database: str) -> None:
    async with running(app, auth, database):
        with pytest.raises(RuntimeError, match="open already"), isolated(auth, database):
            pass


async def test_the_state_of_the_lifespan_reaches_requests(auth: Gatepost, database: str) -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        async with auth.lifespan(app):
            yield {"colour": "green"}

    app = FastAPI(lifespan=lifespan)
    auth.install(app)

    @app.get("/colour")
    async def colour(request: Request) -> str:
        return str(request.state.colour)

    async with signed_in(app, auth, database) as client:
        assert (await client.get("/colour")).json() == "green"


async def test_an_application_that_is_wrapped_runs_too(auth: Gatepost, database: str) -> None:
    inner = Starlette()
    auth.install(inner)
    async with signed_in(AuthMiddleware(inner, auth), auth, database) as client:
        assert (await client.get("/api/auth/me")).status_code == 200


async def test_an_application_that_does_not_open_it_is_told_so(auth: Gatepost, database: str) -> None:
    with pytest.raises(RuntimeError, match="pass it `lifespan="):
        async with running(FastAPI(), auth, database):
            pass


async def test_what_fails_at_the_start_is_raised_as_it_is(
    app: FastAPI, auth: Gatepost, empty_dsn: str
) -> None:
    with pytest.raises(DatabaseNotMigrated):
        async with running(app, auth, empty_dsn):
            pass
    with pytest.raises(DatabaseUnreachable), temporary_database("postgresql://nobody@127.0.0.1:1/none"):
        pass


async def test_a_start_that_is_refused_in_words_is_told_in_them(auth: Gatepost, empty_dsn: str) -> None:
    with pytest.raises(RuntimeError, match="run `gatepost migrate`"):
        async with running(AuthMiddleware(FastAPI(), auth), auth, empty_dsn):
            pass


async def test_an_application_that_ends_at_the_start_is_told_of(auth: Gatepost, database: str) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        return

    with pytest.raises(RuntimeError, match="lifespan ended at its startup"):
        async with running(app, auth, database):
            pass


async def test_httpx_is_asked_for_where_it_is_missing(
    app: FastAPI, auth: Gatepost, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(RuntimeError, match="pip install httpx"):
        async with running(app, auth, database):
            pass


class Fields(BaseModel):
    company: str


@pytest.mark.parametrize("registration", ["open", "invite", "closed"])
async def test_users_have_the_fields_that_the_application_asks_for_whoever_may_register(
    database: str, registration: Literal["open", "invite", "closed"]
) -> None:
    auth = Gatepost(Settings(registration=registration), registration=Fields)
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    seen: list[Any] = []

    @auth.on_register
    async def see(conn: Any, user: User, fields: Fields | None) -> None:
        seen.append(fields)

    async with running(app, auth, database) as site:
        for _ in range(2):
            client = await site.sign_in("ada@example.com", fields={"company": "Acme"})
            assert (await client.get("/api/auth/me")).json()["data"]["user"]["email"] == "ada@example.com"
        with pytest.raises((RuntimeError, ValidationError), match="company"):
            await site.sign_in("b@example.com")
    assert seen == [Fields(company="Acme")]


async def test_the_database_is_laid_out_as_the_settings_of_the_application_say(server_dsn: str) -> None:
    with temporary_database(server_dsn, schema="auth", user_id_type="uuid") as url:
        conn = await asyncpg.connect(url)
        found = await conn.fetchrow(
            "SELECT table_schema, data_type FROM information_schema.columns"
            " WHERE table_name = 'users' AND column_name = 'id'"
        )
        await conn.close()
    assert found is not None
    assert tuple(found) == ("auth", "uuid")


def test_a_table_that_is_there_before_is_adopted(server_dsn: str) -> None:
    async def make(url: str) -> None:
        conn = await asyncpg.connect(url)
        await conn.execute("CREATE TABLE users (id serial PRIMARY KEY, email text UNIQUE, phone text)")
        await conn.close()

    async def columns(url: str) -> set[str]:
        conn = await asyncpg.connect(url)
        rows = await conn.fetch("SELECT attname FROM pg_attribute WHERE attrelid = 'users'::regclass")
        await conn.close()
        return {row["attname"] for row in rows}

    with temporary_database(server_dsn, before=lambda url: asyncio.run(make(url))) as url:
        assert {"phone", "credentials_stamp"} <= asyncio.run(columns(url))
