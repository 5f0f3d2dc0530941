"""Several hosts and what stands before them: silence costs its share of the deadline, and all go one way."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from tests.conftest import MakeSettings, a_hurry, bearer, login, register, serving
from tests.failures.conftest import PATIENCE, eventually
from tests.failures.proxies import Proxy, proxied, through
from tests.http.conftest import assert_error

from gatepost import errors
from gatepost.app import create_app
from gatepost.db import migrate, pool, prepared
from gatepost.db.listener import listening
from gatepost.db.migrations import connect as connecting
from gatepost.db.pool import Database
from gatepost.gate import Gate
from gatepost.terminal.connection import connected

SHARED_SECONDS = 4.0
"""A deadline of which two hosts have half each: one that says nothing is waited for that long."""


@pytest.fixture
async def first(dsn: str) -> AsyncIterator[Proxy]:
    async with proxied(dsn) as proxy:
        yield proxy


@pytest.fixture
async def second(dsn: str) -> AsyncIterator[Proxy]:
    async with proxied(dsn) as proxy:
        yield proxy


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what waits for silence do so for a moment."""
    monkeypatch.setattr(pool, "CONNECT_SECONDS", SHARED_SECONDS)
    monkeypatch.setattr(connecting, "CONNECT_TIMEOUT", SHARED_SECONDS)


def app_of(make_settings: MakeSettings, url: str) -> Any:
    return create_app(make_settings(database_url=url, database_timeout_seconds=SHARED_SECONDS))


# --- A host that says nothing ---


async def test_the_second_host_is_reached_when_the_first_says_nothing(
    make_settings: MakeSettings, dsn: str, first: Proxy, second: Proxy
) -> None:
    first.silent = True
    async with serving(app_of(make_settings, through(dsn, f"{first.place},{second.place}"))) as client:
        token = (await register(client))["token"]
        for path in ("me", "sessions", "events"):
            assert (await client.get(f"/api/auth/{path}", headers=bearer(token))).status_code == 200
        assert len(await asyncio.gather(*(login(client) for _ in range(5)))) == 5
    assert not first.asked
    assert second.asked


@pytest.mark.parametrize("sslmode", ["prefer", "allow"])
async def test_silence_at_the_handshake_of_tls_is_silence_too(
    make_settings: MakeSettings, dsn: str, first: Proxy, second: Proxy, sslmode: str
) -> None:
    first.silent = True
    url = through(dsn, f"{first.place},{second.place}", sslmode=sslmode)
    async with serving(app_of(make_settings, url)) as client:
        await register(client)


async def test_an_address_of_a_name_that_says_nothing_leaves_time_for_the_next(
    make_settings: MakeSettings, dsn: str, second: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(second.place.partition(":")[2])
    async with proxied(dsn, host="127.0.0.2", port=port) as silent:
        silent.silent = True

        async def resolve(host: object, port: int, **_: object) -> list[Any]:
            assert host == "database.test"
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", port)) for n in (2, 1)]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
        async with serving(app_of(make_settings, through(dsn, f"database.test:{port}"))) as client:
            await register(client)


async def test_every_way_to_the_database_gets_past_a_silent_host(
    make_settings: MakeSettings, dsn: str, owner_dsn: str, first: Proxy, second: Proxy, hurried: None
) -> None:
    first.silent = True
    url = through(dsn, f"{first.place},{second.place}")
    assert (await migrate.migrate(through(owner_dsn, f"{first.place},{second.place}"))).before == migrate.HEAD
    assert not await migrate.ensure_database(url)
    async with connected(url) as conn:
        assert await conn.fetchval("SELECT 1") == 1
    database = Database(url, size=2, timeout=SHARED_SECONDS)
    await database.open()
    async with listening(database) as bell:
        await bell.keep()
    await database.close()
    gate = Gate(make_settings(database_url=url, database_timeout_seconds=SHARED_SECONDS))
    await gate.open(background=False, patient=True)
    await gate.close()


async def test_a_host_has_no_more_time_than_the_url_gives_it(dsn: str, first: Proxy, second: Proxy) -> None:
    first.silent = True
    url = through(dsn, f"{first.place},{second.place}", connect_timeout="1")
    database = Database(url, size=1, timeout=PATIENCE * 4)
    async with asyncio.timeout(PATIENCE):
        await database.open()
    await database.close()


async def test_what_each_host_said_that_tells_most_is_told(
    make_settings: MakeSettings, dsn: str, first: Proxy, second: Proxy
) -> None:
    first.silent = True
    nowhere = through(dsn, f"{first.place},{second.place}").replace(dsn_path(dsn), "/nowhere")
    gate = Gate(
        make_settings(
            database_url=nowhere, database_timeout_seconds=SHARED_SECONDS, database_start_seconds=60
        )
    )
    with pytest.raises(errors.DatabaseUnreachable, match='"nowhere" does not exist'):
        await gate.open()


def dsn_path(dsn: str) -> str:
    return httpx.URL(dsn.replace("postgresql", "http", 1)).path


# --- Two servers ---


async def test_session_checks_follow_the_writes_to_another_server(
    make_settings: MakeSettings, dsn: str, first: Proxy, second: Proxy
) -> None:
    url = through(dsn, f"{first.place},{second.place}")
    async with serving(app_of(make_settings, url)) as client:
        token = (await register(client))["token"]
        await register(client, "other@example.com")
        assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200
        first.silent = True  # for new connections; the old ones go on

        async def left() -> bool:
            # More than there are connections.
            await asyncio.gather(*(login(client, "other@example.com") for _ in range(3)))
            asked = first.asked
            for path in ("me", "sessions"):
                assert (await client.get(f"/api/auth/{path}", headers=bearer(token))).status_code == 200
            return first.asked == asked

        await eventually(left)
        assert second.asked


async def test_session_checks_find_out_by_themselves_where_writes_are_taken(
    make_settings: MakeSettings, dsn: str, first: Proxy, second: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = through(dsn, f"{first.place},{second.place}")
    async with serving(app_of(make_settings, url)) as client:
        token = (await register(client))["token"]
        monkeypatch.setattr(prepared, "RENEW_SECONDS", 0.0)  # every connection is old
        app_statement(client)._renew_at = 0.0
        first.silent = True
        for path in ("me", "sessions"):
            assert (await client.get(f"/api/auth/{path}", headers=bearer(token))).status_code == 200
        asked = first.asked
        assert second.asked
        for path in ("me", "sessions"):
            assert (await client.get(f"/api/auth/{path}", headers=bearer(token))).status_code == 200
        assert first.asked == asked


def app_statement(client: httpx.AsyncClient) -> prepared.Prepared:
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    gate: Any = transport.app.state.gatepost  # type: ignore[attr-defined]  # Starlette's
    statement = gate.session_tokens._lookups._statement
    assert isinstance(statement, prepared.Prepared)
    return statement


async def test_a_host_that_takes_no_writes_is_passed_over_while_another_does(
    make_settings: MakeSettings, dsn: str, owner_dsn: str, first: Proxy, second: Proxy, server_dsn: str
) -> None:
    name = dsn_path(owner_dsn).strip("/")
    admin = await asyncpg.connect(server_dsn)
    try:
        await admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        url = through(dsn, f"{first.place},{second.place}")
        only = Database(url, size=1, timeout=PATIENCE)
        await only.open()  # nothing better is there
        await only.close()
        strict = Database(f"{url}&target_session_attrs=read-write", size=1, timeout=PATIENCE)
        with pytest.raises(errors.DatabaseUnreachable, match="takes writes"):
            await strict.open()
    finally:
        await admin.close()
    assert first.asked
    assert second.asked


# --- A firewall that forgets ---


@pytest.mark.parametrize("met_by", ["me", "sessions"])
async def test_connections_that_a_firewall_forgot_cost_one_request_and_not_one_each(
    make_settings: MakeSettings, dsn: str, first: Proxy, met_by: str
) -> None:
    app = create_app(make_settings(database_url=through(dsn, first.place), database_pool_size=4))
    async with serving(app) as client:
        token = (await register(client))["token"]
        await asyncio.gather(*(login(client) for _ in range(8)))
        first.forget()
        with a_hurry(app):
            refused = await client.get(f"/api/auth/{met_by}", headers=bearer(token))
        assert_error(refused, errors.Unavailable)
        for path in ("me", "sessions", "me", "events", "sessions"):
            assert (await client.get(f"/api/auth/{path}", headers=bearer(token))).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, {"SO_KEEPALIVE": 1, "TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}),
        (
            {
                "keepalives_idle": "7",
                "keepalives_interval": "2",
                "keepalives_count": "9",
                "tcp_user_timeout": "4000",
            },
            {"TCP_KEEPIDLE": 7, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 9, "TCP_USER_TIMEOUT": 4000},
        ),
        ({"keepalives": "0"}, {"SO_KEEPALIVE": 0}),
    ],
    ids=["by itself", "as the URL says", "not at all"],
)
async def test_the_kernel_looks_after_idle_connections(
    dsn: str, first: Proxy, parameters: dict[str, str], expected: dict[str, int]
) -> None:
    database = Database(through(dsn, first.place, **parameters), size=1, timeout=PATIENCE)
    await database.open()
    async with database.connection() as conn:
        raw = conn._transport.get_extra_info("socket")  # type: ignore[attr-defined]  # the driver's
        found = {
            name: raw.getsockopt(
                socket.SOL_SOCKET if name.startswith("SO_") else socket.IPPROTO_TCP, getattr(socket, name)
            )
            for name in expected
        }
    await database.close()
    assert found == expected
