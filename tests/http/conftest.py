"""What the tests of the HTTP contract share: the envelope held exactly, and looks into the database."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import AsApp, MakeSettings, register, scratch_database, serving, settings_for

from gatepost.app import create_app
from gatepost.errors import FreshSessionRequired, GatepostError

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
REQUEST_ID = re.compile(r"[0-9a-f]{16}[0-9a-f-]{2,32}")


def assert_headers(response: httpx.Response) -> None:
    """Hold what every answer carries, each header once."""
    names = [name for name, _ in response.headers.multi_items() if name != "set-cookie"]
    assert len(names) == len(set(names)), names
    assert response.headers["content-length"] == str(len(response.content))
    assert REQUEST_ID.fullmatch(response.headers["x-request-id"])
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"


def assert_success(response: httpx.Response, message: str, *, status: int = 200) -> Any:
    """Hold the envelope of a success and return its data."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert_headers(response)
    body = response.json()
    assert body == {"data": body["data"], "message": message, "success": True}
    return body["data"]


def assert_error(
    response: httpx.Response, kind: type[GatepostError], *, fields: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Hold the envelope of an error and return the whole of it."""
    assert (response.status_code, response.json()["error"]["code"]) == (kind.status, kind.code)
    assert response.headers["content-type"] == "application/json"
    assert_headers(response)
    body: dict[str, Any] = response.json()
    error: dict[str, Any] = {"code": kind.code} | ({} if fields is None else {"fields": fields})
    if kind is FreshSessionRequired:
        error["methods"] = ["password"]  # of whoever has no second factor
    assert body == {"data": None, "message": body["message"], "success": False, "error": error}
    assert body["message"]
    challenges = response.status_code == 401 or kind is FreshSessionRequired  # RFC 9470 §3
    assert ("www-authenticate" in response.headers) == challenges
    return body


def at(text: str) -> datetime:
    """Read a time of the contract."""
    assert TIME.fullmatch(text), text
    return datetime.fromisoformat(text)


async def events(db: Database, *actions: str) -> list[dict[str, Any]]:
    """Return the events of these actions, or of all but the schema's, in the order of their ids."""
    rows = await db.fetch(
        """
        SELECT action, user_id, session_id, ip_address, user_agent, detail FROM auth_events
        WHERE action = ANY($1::varchar[]) OR (cardinality($1::varchar[]) = 0 AND action <> 'schema.migrated')
        ORDER BY id
        """,
        list(actions),
    )
    return [dict(row) | {"detail": json.loads(row["detail"])} for row in rows]


async def until_waiting(db: Database, number: int) -> None:
    """Return once so many statements of this database wait for a lock."""
    waiting = """
        SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
    """
    async with asyncio.timeout(60):
        while await db.fetchval(waiting) < number:
            await db.execute("SELECT pg_stat_clear_snapshot()")  # a transaction looks once otherwise


def logged(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    """Return the lines of the log with this event; the test has set the level that it wants to see."""
    own = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [dict(line) for line in own if line["event"] == event]


class RawRequest:
    """A request as an ASGI server hands it over, with a body that has no end, and what was done with it.

    Attributes:
        read: bytes of the body that the application asked for.
        sent: the messages of the answer.
    """

    def __init__(self, path: str, *headers: tuple[bytes, bytes], method: str = "POST") -> None:
        self.read = 0
        self.sent: list[dict[str, Any]] = []
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": list(headers),
            "client": ("127.0.0.1", 1),
            "server": ("gatepost.test", 80),
        }

    async def receive(self) -> dict[str, Any]:
        self.read += 1024
        return {"type": "http.request", "body": b" " * 1024, "more_body": True}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])


class StoppedClock:
    """A clock that stands still until it is set or moved."""

    def __init__(self) -> None:
        self.now = datetime(2024, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def stopped() -> StoppedClock:
    return StoppedClock()


MakeApp = Callable[..., FastAPI]


@pytest.fixture
def stopped_app(make_settings: MakeSettings, stopped: StoppedClock) -> MakeApp:
    """Make applications, workers as it were, that share the stopped clock and the test's database."""

    def make(**overrides: Any) -> FastAPI:
        return create_app(make_settings(**overrides), clock=stopped)

    return make


@dataclass(frozen=True)
class Standing:
    """A server that several tests share, for requests that are refused and leave nothing behind.

    Attributes:
        client: speaks to it.
        db: a connection to its database.
        token: of its one user, `user@example.com`.
    """

    client: httpx.AsyncClient
    app: FastAPI
    db: Database
    token: str

    async def holds_one_user_and_session(self) -> bool:
        """Say whether the database holds what it held before."""
        return bool(
            await self.db.fetchval(
                """
                SELECT (SELECT count(*) FROM users) = 1 AND (SELECT count(*) FROM user_sessions) = 1
                    AND (SELECT bool_and(is_active) FROM user_sessions)
                """
            )
        )


@pytest.fixture(scope="module")
async def standing(
    server_dsn: str,
    template: str,
    as_app: AsApp,
    tmp_path_factory: pytest.TempPathFactory,
    anyio_backend: str,
) -> AsyncIterator[Standing]:
    home = tmp_path_factory.mktemp("home")
    async with scratch_database(server_dsn, template) as dsn:
        app = create_app(settings_for(as_app(dsn), home))
        async with serving(app) as client:
            token = (await register(client))["token"]
            db = await asyncpg.connect(dsn)
            yield Standing(client, app, db, token)
            await db.close()
