"""Real servers and what may befall them: no database, one that dies, bodies without end, being stopped."""

import asyncio
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import httpx
import pytest
from tests.conftest import PASSWORD, bearer
from tests.failures.conftest import HANDFUL, MortalServer, until
from tests.failures.processes import (
    GATEPOST,
    SERVERS,
    ServerProcess,
    settings_for_process,
    started,
)
from tests.http.conftest import assert_error, until_waiting

from gatepost import errors

EMAIL = "user@example.com"


def sign_up(client: httpx.Client) -> str:
    body = {"email": EMAIL, "name": "John Doe", "password": PASSWORD}
    response = client.post("/api/auth/register", json=body)
    assert response.status_code == 201, response.text
    return str(response.json()["data"]["token"])


# --- The database ---


def test_a_server_waits_for_its_database_serves_and_outlives_it(
    mortal: MortalServer, mortal_dsn: str, tmp_path: Path
) -> None:
    mortal.stop()
    with started(GATEPOST, settings_for_process(mortal_dsn, tmp_path / "home"), tmp_path / "run") as server:
        server.wait_for(re.compile(r"Waiting for the database, retrying in [\d.]+ s: "))
        mortal.start()
        server.ready()
        with server.client() as client:
            token = sign_up(client)
            mortal.kill()
            refused = [*ask(client, token), *ask(client, token)]
            mortal.start()
            back = [client.get("/api/auth/me", headers=bearer(token)) for _ in range(HANDFUL + 1)]
            mortal.kill()
            refused += ask(client, token)
            until(lambda: all_written(server, refused, back))
            worker = server.workers()[0]
            os.kill(worker, signal.SIGKILL)
        until(lambda: worker not in server.workers())
        until(server.accepts)  # the one that comes after it
        with server.client() as client:
            refused += ask(client, token)
            mortal.start()
            back += [client.get("/api/auth/me", headers=bearer(token)) for _ in range(HANDFUL + 1)]
        until(lambda: all_written(server, refused, back))  # an answer may come before its line
        server.tell()
        assert server.ended() == 0
    for answer in refused:
        assert_error(answer, errors.Unavailable)
    assert back[-1].status_code == 200
    logged = {line["request_id"]: line["status"] for line in server.lines if line["event"] == "request"}
    for answer in (*refused, *back):
        assert logged[answer.headers["x-request-id"]] == answer.status_code
    assert "Traceback" not in server.written


def all_written(server: ServerProcess, *answers: list[httpx.Response]) -> bool:
    """Say whether the server has logged each of these requests; it answers before it does."""
    return all(answer.headers["x-request-id"] in server.written for each in answers for answer in each)


def ask(client: httpx.Client, token: str) -> list[httpx.Response]:
    return [
        client.get("/api/auth/me", headers=bearer(token)),
        client.post("/api/auth/refresh", headers=bearer(token)),
        client.get("/api/auth/sessions", headers=bearer(token)),
        client.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD}),
    ]


# --- Being stopped ---


@pytest.mark.parametrize("arguments", SERVERS.values(), ids=SERVERS)
async def test_a_server_that_is_stopped_answers_what_is_under_way_and_writes_what_is_written_behind(
    dsn: str, db: "asyncpg.Connection[asyncpg.Record]", tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    settings = settings_for_process(
        dsn, tmp_path / "home", DATABASE_TIMEOUT_SECONDS="50", SESSION_TOUCH_SECONDS="0"
    )
    with started(arguments, settings, tmp_path / "run") as server, ThreadPoolExecutor(1) as thread:
        await asyncio.to_thread(server.ready)
        with server.client() as client:
            token = await asyncio.to_thread(sign_up, client)
            assert (
                await asyncio.to_thread(client.get, "/api/auth/me", headers=bearer(token))
            ).status_code == 200
        before = await db.fetchval("SELECT last_used_at FROM user_sessions")

        def login() -> httpx.Response:
            with server.client() as client:
                return client.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD})

        async with db.transaction():
            await db.execute("SELECT FROM users FOR UPDATE")
            under_way = thread.submit(login)
            await until_waiting(db, 1)
            assert await db.fetchval("SELECT last_used_at FROM user_sessions") == before
            server.tell(signal.SIGTERM)
            await asyncio.to_thread(until, lambda: not server.accepts())
            assert not under_way.done()
        answered = await asyncio.wrap_future(under_way)
        assert answered.status_code == 200, answered.text
        assert await asyncio.to_thread(server.ended) in {0, -signal.SIGTERM}
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 2
    assert await db.fetchval("SELECT last_used_at FROM user_sessions ORDER BY id LIMIT 1") > before
    assert "Traceback" not in server.written


# --- Bodies ---


@pytest.mark.parametrize("arguments", SERVERS.values(), ids=SERVERS)
async def test_a_body_over_the_limit_is_answered_before_it_is_there(
    dsn: str, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    settings = settings_for_process(dsn, tmp_path / "home")
    with started(arguments, settings, tmp_path / "run") as server:
        await asyncio.to_thread(server.ready)
        for headers, sent in (
            (b"Content-Length: 10000000\r\n", b""),
            (b"Content-Length: 10000000\r\nExpect: 100-continue\r\n", b""),
            (b"Content-Length: 65537\r\n", b""),
            (b"Transfer-Encoding: chunked\r\n", b"10000\r\n" + b" " * 65536 + b"\r\n1\r\n"),
        ):
            for path in (b"login", b"register", b"refresh", b"cleanup", b"nowhere"):
                await asyncio.to_thread(assert_too_large, server, path, headers, sent)
        assert await asyncio.to_thread(server.accepts)


def assert_too_large(server: ServerProcess, path: bytes, headers: bytes, sent: bytes) -> None:
    """Hold that a request is answered although its body never ends."""
    head = b"POST /api/auth/%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s\r\n"
    with server.connect() as connection:
        connection.sendall(head % (path, headers) + sent)
        if sent:
            connection.sendall(b" ")
        answer = b""
        while not answer.endswith(b"}}"):
            read = connection.recv(65536)
            assert read, answer
            answer += read
    assert answer.startswith(b"HTTP/1.1 413 "), answer
    assert b'"code":"body_too_large"' in answer
    assert b"x-request-id: " in answer.lower()


# --- Settings ---


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        (
            {
                "ENVIRONMENT": "staging",
                "SESSION_EXPIRE_MINUTES": "525601",
                "DATABASE_URL": "mysql://root:hunter2hunter2@localhost/app",
                "SECRET_KEY": "hunter2hunter2",
                "PORT": "http",
            },
            ["DATABASE_URL", "ENVIRONMENT", "PORT", "SESSION_EXPIRE_MINUTES"],
        ),
        (
            {"DEBUG": "True", "SECRET_KEY": "hunter2" * 4, "BCRYPT_ROUNDS": "4"},
            ["BCRYPT_ROUNDS", "DEBUG", "SECRET_KEY"],
        ),
        ({"SECRET_KEY": "your-very-long-random-secret-key-here"}, ["SECRET_KEY"]),
    ],
    ids=["forms", "production", "example's key"],
)
def test_every_mistake_in_the_settings_is_one_line_and_nothing_is_started(
    tmp_path: Path, settings: dict[str, str], lines: list[str]
) -> None:
    environment = settings_for_process("postgresql://localhost:1/app", tmp_path / "home", **settings)
    with started(("-m", "gatepost", "serve"), environment, tmp_path / "run") as server:
        assert server.ended() == 1
    told = server.written.splitlines()
    assert sorted(re.findall(r"^Error: (\w+): \S", server.written, re.MULTILINE)) == lines
    assert len(told) == len(lines), told
    assert "hunter2" not in server.written
