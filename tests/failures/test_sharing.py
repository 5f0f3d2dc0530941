"""Few connections and many who want them: session checks come first, and nobody holds all for long."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import asyncpg
import httpx
import pytest
from tests.conftest import PASSWORD, SCHEMAS, MakeSettings, Role, bearer, execute, login, register, serving
from tests.failures.conftest import PATIENCE, connected, eventually
from tests.http.conftest import assert_error, until_waiting
from tests.walking import walked

from gatepost import deadline, errors
from gatepost.app import create_app
from gatepost.db import connections
from gatepost.db.grants import render_grants
from gatepost.library import Gatepost

LIMIT = 4


@pytest.fixture
def limited(server_dsn: str) -> Iterator[Role]:
    """A role that the server gives few connections."""
    role = Role(name=f"limited_{uuid4().hex[:12]}", password=uuid4().hex)
    create = f"CREATE ROLE {role.name} LOGIN PASSWORD '{role.password}' CONNECTION LIMIT {LIMIT}"
    asyncio.run(execute(server_dsn, create))
    yield role
    asyncio.run(execute(server_dsn, f"DROP ROLE {role.name}"))


@pytest.fixture
async def limited_dsn(limited: Role, owner_dsn: str) -> AsyncIterator[str]:
    await execute(owner_dsn, render_grants(limited.name, SCHEMAS))
    yield limited.on(owner_dsn)
    await execute(owner_dsn, f"DROP OWNED BY {limited.name}")


async def held_by(role: Role, dsn: str) -> list[int]:
    """Return the server's processes for a role, the eldest first."""
    async with connected(dsn) as admin:
        rows = await admin.fetch(
            "SELECT pid FROM pg_stat_activity WHERE usename = $1 ORDER BY backend_start", role.name
        )
    return [row["pid"] for row in rows]


async def test_a_server_that_gives_few_connections_is_made_do_with(
    make_settings: MakeSettings, limited: Role, limited_dsn: str, owner_dsn: str
) -> None:
    app = create_app(make_settings(database_url=limited_dsn, database_pool_size=10))
    async with serving(app) as client:
        token = (await register(client))["token"]
        assert len(await asyncio.gather(*(login(client) for _ in range(30)))) == 30
        assert len(await held_by(limited, owner_dsn)) == LIMIT
        for path in ("me", "sessions", "me"):
            assert (await client.get(f"/api/auth/{path}", headers=bearer(token))).status_code == 200


async def test_session_checks_that_lost_their_connection_are_given_one_of_the_others(
    make_settings: MakeSettings, limited: Role, limited_dsn: str, owner_dsn: str
) -> None:
    app = create_app(make_settings(database_url=limited_dsn, database_pool_size=10))
    async with serving(app) as client, connected(owner_dsn) as owner:
        token = (await register(client))["token"]
        await asyncio.gather(*(login(client) for _ in range(10)))
        _, checks, *_ = await held_by(limited, owner_dsn)  # the first looked whether the tables are there
        assert await owner.fetchval("SELECT pg_terminate_backend($1, 10000)", checks)
        async with connected(limited_dsn):  # another program is quicker
            assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200
            assert (await client.get("/api/auth/sessions", headers=bearer(token))).status_code == 200


async def test_connections_that_nobody_needs_are_given_back(
    make_settings: MakeSettings,
    limited: Role,
    limited_dsn: str,
    owner_dsn: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "IDLE_SECONDS", 0.05)
    async with serving(create_app(make_settings(database_url=limited_dsn))) as client:
        await register(client)
        await asyncio.gather(*(login(client) for _ in range(10)))

        async def settled() -> bool:
            return len(await held_by(limited, owner_dsn)) == 1  # that of the session checks

        await eventually(settled)


async def test_who_waits_for_one_users_row_leaves_connections_for_others(
    make_settings: MakeSettings, db: "asyncpg.Connection[asyncpg.Record]", owner_dsn: str
) -> None:
    app = create_app(make_settings(database_pool_size=4, database_timeout_seconds=60))
    async with serving(app) as client:
        gate: Gatepost = app.state.gatepost
        gate.database._opened()._hold = 0.1
        tokens = [(await register(client))["token"], *[(await login(client))["token"] for _ in range(3)]]
        await register(client, "other@example.com")
        async with connected(owner_dsn) as holder, holder.transaction():
            await holder.execute("SELECT FROM users WHERE email = 'user@example.com' FOR UPDATE")
            asked = [
                *(("POST", "refresh", bearer(token), None) for token in tokens),
                *(("POST", "logout-all", bearer(token), None) for token in tokens),
                *(
                    ("POST", "login", {}, {"email": "user@example.com", "password": PASSWORD})
                    for _ in range(6)
                ),
            ]
            waiting = [
                asyncio.create_task(client.request(method, f"/api/auth/{path}", headers=headers, json=body))
                for method, path, headers, body in asked
            ]
            await until_waiting(db, 2)
            for _ in range(3):
                async with asyncio.timeout(PATIENCE):
                    await login(client, "other@example.com")
            assert not all(task.done() for task in waiting)
        answers = await asyncio.gather(*waiting)
        for answer in answers:
            if answer.status_code == 503:
                assert_error(answer, errors.Unavailable)
        assert 500 not in {answer.status_code for answer in answers}
        assert 503 in {answer.status_code for answer in answers}


class Ticking:
    """A clock on which everything takes a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1.0
        return self.now


@walked(
    ("method", "path", "body", "served"),
    [
        ("GET", "me", None, True),
        ("POST", "logout", None, True),
        ("POST", "refresh", None, True),
        ("POST", "login", {"email": "user@example.com", "password": PASSWORD}, True),
        ("POST", "password", {"current": PASSWORD, "new": "another secure password"}, False),
        ("POST", "email", {"email": "new@example.com", "password": PASSWORD}, False),
        ("DELETE", "me", {"password": PASSWORD}, False),
        ("POST", "cleanup", None, True),
    ],
)
async def test_a_request_has_one_deadline_however_often_it_asks_the_database(
    make_settings: MakeSettings,
    db: "asyncpg.Connection[asyncpg.Record]",
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    body: dict[str, str] | None,
    served: bool,
) -> None:
    app = create_app(make_settings(throttle_enabled=True, database_timeout_seconds=1.5))
    async with serving(app) as client:
        token = (await register(client))["token"]
        await db.execute("UPDATE users SET is_admin = true")
        monkeypatch.setattr(deadline, "time", Ticking())
        answer: httpx.Response = await client.request(
            method, f"/api/auth/{path}", headers=bearer(token), json=body
        )
        monkeypatch.undo()
        if served:
            assert answer.is_success, answer.text
        else:
            assert_error(answer, errors.Unavailable)
        # The next one has its own.
        assert (
            await client.get("/api/auth/events", headers=bearer((await login(client))["token"]))
        ).is_success
