"""uvicorn, which has ideas of its own about who the client is."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import uvicorn
from tests.conftest import MakeSettings, register

from gatepost.app import create_app


@asynccontextmanager
async def running(app: Any, http: Any, listener: socket.socket | None = None) -> AsyncIterator[str]:
    listener = listener or socket.create_server(("127.0.0.1", 0))
    allowed = "*" if listener.family == socket.AF_UNIX else None  # as uvicorn's documentation has it
    config = uvicorn.Config(
        app,
        http=http,
        log_config=None,
        lifespan="on",
        forwarded_allow_ips=allowed,
    )
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.wait([serving], timeout=0.01)
    yield "http://server" if allowed else f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    await serving


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize("forged", ["6.6.6.6", "6.6.6.6:1234", "127.0.0.1, 6.6.6.6"])
async def test_a_forwarded_header_that_uvicorn_believes_is_not_believed_here(
    http: str, forged: str, make_settings: MakeSettings, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async with (
        running(create_app(make_settings()), http) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        await register(client, **{"X-Forwarded-For": forged})
    assert await db.fetchval("SELECT ip_address FROM user_sessions") == "127.0.0.1"


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_a_trusted_proxy_is_believed_under_uvicorn_too(
    http: str, make_settings: MakeSettings, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    settings = make_settings(trusted_proxies="127.0.0.1")
    async with running(create_app(settings), http) as url, httpx.AsyncClient(base_url=url) as client:
        await register(client, **{"X-Forwarded-For": "203.0.113.9"})
    assert await db.fetchval("SELECT ip_address FROM user_sessions") == "203.0.113.9"


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_at_a_unix_socket_the_header_counts_where_unix_is_trusted(
    http: str, make_settings: MakeSettings, db: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path
) -> None:
    kinds = {
        "unix": "203.0.113.9",
        "unix, 127.0.0.1": "203.0.113.9",
        "127.0.0.1, ::1": None,
        "": None,  # uvicorn, which is told to believe everybody, would take the client's own word: 6.6.6.6
    }
    for number, (trusted, expected) in enumerate(kinds.items()):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(tmp_path / f"{number}.sock"))
        app = create_app(make_settings(trusted_proxies=trusted))
        transport = httpx.AsyncHTTPTransport(uds=str(tmp_path / f"{number}.sock"))
        async with (
            running(app, http, listener) as url,
            httpx.AsyncClient(base_url=url, transport=transport) as client,
        ):
            email = f"{number}@example.com"
            await register(client, email, **{"X-Forwarded-For": "6.6.6.6, 203.0.113.9"})
        assert (
            await db.fetchval("SELECT max(ip_address) FROM user_sessions WHERE user_id = $1", number + 1)
            == expected
        )
