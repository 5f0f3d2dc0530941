"""`gatepost serve`: started as people start it, asked over the network, stopped by signals."""

import asyncio
import errno
import json
import os
import signal
import socket
import ssl
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from tests.cli.conftest import (
    PATIENCE,
    Command,
    Database,
    Environment,
    Serving,
    run_process,
    serving,
)
from tests.conftest import PASSWORD, MakeSettings, bearer, execute
from tests.maker import on_database
from tests.walking import walked

from gatepost.cli.listening import CannotListen, Listening, find_address
from gatepost.cli.serve import Found, announced

HERE = Path(__file__).parent
SPAWNED = """
import multiprocessing
from gatepost.cli import main

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    main(["serve", "--port", "0", "--json"])
"""
USER = {"email": "ada@example.com", "name": "Ada", "password": PASSWORD}


async def call(
    server: Serving, method: str, path: str, token: str = "", **body: str
) -> tuple[int, dict[str, Any]]:
    """Send one request and return status and body."""
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as client:
        headers = bearer(token) if token else {}
        answer = await client.request(method, f"/api/auth{path}", headers=headers, json=body or None)
    return answer.status_code, answer.json()


COPIED = [
    {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "x",
    },
    {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "12"},
    {"Connection": "Upgrade", "Upgrade": "websocket"},
    {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"},
    {"Connection": "Upgrade", "Upgrade": "TLS/1.0"},
    {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="},
]


async def verifies_whatever_a_proxy_copies(server: Serving, token: str) -> None:
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as client:
        for copied in COPIED:
            for method, status in (("GET", 204), ("HEAD", 204), ("POST", 405)):
                answer = await client.request(
                    method, "/api/auth/verify", headers=bearer(token) | copied, json=None
                )
                assert answer.status_code == status, (method, copied)
            refused = await client.get("/api/auth/verify", headers=bearer("x") | copied)
            assert refused.json()["error"]["code"] == "invalid_session"


async def speaks_http_1_alone(server: Serving) -> None:
    """A connection that has begun HTTP/2 may be silent for ever."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.port))
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        assert await reader.read(1) == b"", "HTTP/2 would be greeted"
    writer.close()


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/cwd").is_symlink() and os.path.exists(f"/proc/{pid}/cwd")  # noqa: PTH110 - a zombie has none


async def gone(*pids: int) -> None:
    """Return once these processes have ended."""
    async with asyncio.timeout(PATIENCE):
        while any(is_alive(pid) for pid in pids):  # noqa: ASYNC110 - it is the system that is watched
            await asyncio.sleep(0.01)


async def accepting(server: Serving) -> None:
    """Return once a worker accepts connections."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", int(server.port))
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return


def postmaster(home: Path) -> int | None:
    """Return the process id of the embedded server, None where it does not run."""
    file = home / "pgdata" / "postmaster.pid"
    return int(file.read_text("ascii").splitlines()[0]) if file.exists() else None


# --- On the embedded database ---


async def test_from_nothing_to_a_first_user_and_back_again(outside: Environment, tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with serving(outside, "--port", "0", cwd=tmp_path) as server:
        assert server.started == {
            "version": "0.1.0",
            "url": f"http://localhost:{server.port}",
            "database": f"embedded in {home}",
            "postgresql": server.started["postgresql"],
            "docs": f"{server.url}/api/auth/docs",
            "has_admin": False,
            "setup_url": server.started["setup_url"],
            "mail_url": None,
        }
        status, registered = await call(server, "POST", "/register", **USER)
        assert status == 201
        await verifies_whatever_a_proxy_copies(server, registered["data"]["token"])
        await speaks_http_1_alone(server)
        pid = postmaster(home)
        assert pid is not None
        # Another process that uses the database, and is through with it, leaves it running.
        promoted = await run_process(outside, "users", "promote", USER["email"], "--json", cwd=tmp_path)
        assert promoted.json["user"]["is_admin"] is True
        assert postmaster(home) == pid
        ended = await server.stop(signal.SIGINT, all_of_it=True)
    assert (ended.code, ended.out) == (0, "")
    assert "Traceback" not in ended.err
    assert "Unexpected exit" not in ended.err
    await gone(pid)
    assert postmaster(home) is None
    async with serving(outside, "--port", "0", cwd=tmp_path) as server:
        assert server.started["has_admin"] is True
        status, me = await call(server, "GET", "/me", registered["data"]["token"])
        assert (status, me["data"]["user"]["email"]) == (200, USER["email"])
        assert (await server.stop(signal.SIGTERM)).code == 0
    assert postmaster(home) is None


async def test_the_last_lines_say_all_that_a_newcomer_needs(outside: Environment, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gatepost", "serve", "--port", "0"),
        env=outside,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            lines = [(await process.stdout.readline()).decode() for _ in range(5)]
            # It is said when it is so, not before.
            port = int(lines[1].rpartition(":")[2])
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            os.killpg(process.pid, signal.SIGHUP)  # as a terminal does that is closed
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    version = lines[2].split()[2]
    token = lines[4].partition("?token=")[2].partition(" ")[0]
    assert len(token) == 43
    assert token.encode() not in err
    assert lines == [
        "Gatepost 0.1.0 is ready. Press Ctrl-C to stop.\n",
        f"  Listening    http://localhost:{port}\n",
        f"  Database     PostgreSQL {version} embedded in {tmp_path / 'home'}\n",
        f"  API docs     http://localhost:{port}/api/auth/docs\n",
        f"  First admin  http://localhost:{port}/auth/setup?token={token} (once, within 24 hours)\n",
    ]
    assert (process.returncode, out) == (0, b"")
    assert err.endswith(b"Stopped.\n")
    assert b"Traceback" not in err
    assert b"Unexpected exit" not in err


async def test_a_template_folder_that_is_missing_is_one_line(outside: Environment, tmp_path: Path) -> None:
    environment = outside | {"TEMPLATES_DIR": "/nosuch"}
    refused = await run_process(environment, "serve", "--port", "0", "--workers", "2", cwd=tmp_path)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == "Error: TEMPLATES_DIR: /nosuch is not a directory\n"


async def test_a_killed_server_starts_again_with_nothing_lost(outside: Environment, tmp_path: Path) -> None:
    async with serving(outside, "--port", "0", "--workers", "2", cwd=tmp_path) as server:
        _, registered = await call(server, "POST", "/register", **USER)
        workers = server.workers()
        assert len(workers) == 2
        await server.stop(signal.SIGKILL)
        # At the same port, which the orphans may still be about to let go of.
        async with serving(outside, "--port", server.port, cwd=tmp_path) as again:
            assert again.url == server.url
            assert (await call(again, "GET", "/me", registered["data"]["token"]))[0] == 200
            await gone(*workers)
            pid = postmaster(tmp_path / "home")
            os.kill(again.workers()[0], signal.SIGKILL)
            await again.stop(signal.SIGKILL)
    assert pid is not None
    async with serving(outside, "--port", "0", cwd=tmp_path) as third:
        assert (await call(third, "GET", "/me", registered["data"]["token"]))[0] == 200
        assert (await third.stop(signal.SIGINT)).code == 0
    await gone(pid)
    assert postmaster(tmp_path / "home") is None


async def test_a_port_in_use_is_one_line_and_nothing_is_started(outside: Environment, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = await run_process(outside, "serve", "--port", port, cwd=tmp_path)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == (
        f"Error: Port {port} of 127.0.0.1 is in use: stop what uses it, or choose another with --port\n"
    )
    assert not (tmp_path / "home").exists()


async def test_two_servers_do_not_share_a_port(outside: Environment, dsn: str, tmp_path: Path) -> None:
    environment = outside | {"DATABASE_URL": dsn}
    async with serving(environment, "--port", "0", cwd=tmp_path) as server:
        refused = await run_process(environment, "serve", "--port", server.port, "--json", cwd=tmp_path)
        assert refused.failed("cannot_listen").startswith(f"Port {server.port} of 127.0.0.1 is in use")


# --- On a database of one's own ---


async def test_in_development_a_database_is_made_and_migrated(
    outside: Environment, server_dsn: str, anyio_backend: str, tmp_path: Path
) -> None:
    name = f"gatepost_{uuid4().hex[:12]}"
    dsn = on_database(server_dsn, name)
    try:
        async with serving(outside | {"DATABASE_URL": dsn}, "--port", "0", cwd=tmp_path) as server:
            assert server.started["database"].endswith(f"/{name}")
            assert (await call(server, "POST", "/register", **USER))[0] == 201
            ended = await server.stop(signal.SIGINT)
        assert ended.err.startswith("Created and migrated ")
        conn = await asyncpg.connect(dsn)
        assert await conn.fetchval("SELECT email FROM users") == USER["email"]
        await conn.close()
    finally:
        await execute(server_dsn, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


async def test_in_production_migrating_is_not_the_servers_to_do(
    outside: Environment, empty_dsn: str, tmp_path: Path
) -> None:
    environment = outside | {
        "DATABASE_URL": empty_dsn,
        "ENVIRONMENT": "production",
        "BCRYPT_ROUNDS": "12",
        "SECRET_KEY": uuid4().hex,
    }
    refused = await run_process(environment, "serve", "--port", "0", cwd=tmp_path)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == "Error: The database is not migrated: run `gatepost migrate`\n"
    conn = await asyncpg.connect(empty_dsn)
    assert await conn.fetchval("SELECT to_regclass('users')") is None
    await conn.close()
    assert (await run_process(environment, "migrate", cwd=tmp_path)).code == 0
    async with serving(environment, "--port", "0", cwd=tmp_path) as server:
        assert server.started["docs"] is None
        assert (await call(server, "GET", "/docs"))[0] == 404


async def test_a_database_that_is_away_is_waited_for_and_then_given_up(
    outside: Environment, tmp_path: Path
) -> None:
    environment = outside | {
        "DATABASE_URL": "postgresql://ada:not-shown@127.0.0.1:1/gatepost",
        "DATABASE_START_SECONDS": "0.5",
    }
    for kind in ("development", "production"):
        more = {"ENVIRONMENT": kind, "BCRYPT_ROUNDS": "12", "SECRET_KEY": uuid4().hex}
        refused = await run_process(environment | more, "serve", "--port", "0", cwd=tmp_path)
        *waits, last = refused.err.splitlines()
        assert (refused.code, refused.out) == (1, "")
        assert len(waits) >= 2
        assert all(line.startswith("Waiting for the database, retrying in ") for line in waits)
        assert last.startswith("Error: Cannot connect to the database: ")
        assert "not-shown" not in refused.err


async def test_a_database_that_comes_later_is_found(
    outside: Environment, server_dsn: str, anyio_backend: str, tmp_path: Path
) -> None:
    name = f"gatepost_{uuid4().hex[:12]}"
    await execute(server_dsn, f"CREATE DATABASE {name} ALLOW_CONNECTIONS false")
    environment = outside | {"DATABASE_URL": on_database(server_dsn, name), "DATABASE_START_SECONDS": "60"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gatepost", "serve", "--port", "0", "--json"),
        env=environment,
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE):
            assert b"Waiting for the database" in await process.stderr.readline()
            await execute(server_dsn, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            assert b'"url"' in await process.stdout.readline()
    finally:
        process.terminate()
        await process.communicate()
        await execute(server_dsn, f"DROP DATABASE {name} WITH (FORCE)")
    assert process.returncode == 0


# --- How it serves and stops ---


async def test_a_stop_lets_requests_end_and_writes_what_is_behind(
    outside: Environment, dsn: str, db: Database, tmp_path: Path
) -> None:
    environment = outside | {
        "DATABASE_URL": dsn,
        "DATABASE_TIMEOUT_SECONDS": "60",
        "SESSION_TOUCH_SECONDS": "0",
    }
    async with serving(environment, "--port", "0", cwd=tmp_path) as server:
        _, registered = await call(server, "POST", "/register", **USER)
        before = await db.fetchval("SELECT last_used_at FROM user_sessions")
        assert (await call(server, "GET", "/me", registered["data"]["token"]))[0] == 200
        transaction = db.transaction()
        await transaction.start()
        await db.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        body = USER | {"email": "bob@example.com"}
        under_way = asyncio.create_task(call(server, "POST", "/register", **body))
        waiting = """
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event = 'relation'
        """
        async with asyncio.timeout(PATIENCE):
            while not await db.fetchval(waiting):  # noqa: ASYNC110 - it is PostgreSQL that is watched
                await asyncio.sleep(0)
            stopping = asyncio.create_task(server.stop(signal.SIGTERM))
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", int(server.port))
                except ConnectionRefusedError:
                    break
                writer.close()
            assert not under_way.done()
            await transaction.commit()
            status, _ = await under_way
            ended = await stopping
    assert (status, ended.code) == (201, 0)
    assert await db.fetchval("SELECT count(*) FROM users") == 2
    assert await db.fetchval("SELECT last_used_at FROM user_sessions WHERE id = 1") > before


async def test_every_worker_answers_and_a_lost_one_is_replaced(
    outside: Environment, dsn: str, db: Database, tmp_path: Path
) -> None:
    async with serving(
        outside | {"DATABASE_URL": dsn}, "--port", "0", "--workers", "2", cwd=tmp_path
    ) as server:
        workers = server.workers()
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        async with asyncio.timeout(PATIENCE):
            while len(set(server.workers()) - set(workers)) < 1:  # noqa: ASYNC110 - it is the system that is watched
                await asyncio.sleep(0.01)
            await accepting(server)
        assert (await call(server, "POST", "/register", **USER))[0] == 201
        ended = await server.stop(signal.SIGINT)
    assert ended.code == 0
    assert "Unexpected exit from worker-1" in ended.err
    assert await db.fetchval("SELECT count(*) FROM users") == 1


async def test_workers_may_be_started_afresh_instead_of_forked(
    outside: Environment, dsn: str, tmp_path: Path
) -> None:
    script = tmp_path / "spawned.py"
    await asyncio.to_thread(script.write_text, SPAWNED)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script)),
        env=outside | {"DATABASE_URL": dsn, "WORKERS": "2"},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            server = Serving(process=process, started=json.loads(await process.stdout.readline()))
            assert (await call(server, "POST", "/register", **USER))[0] == 201
            ended = await server.stop(signal.SIGTERM)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (ended.code, ended.out) == (0, "")


async def test_tls(outside: Environment, dsn: str, tmp_path: Path) -> None:
    files = ("--tls-cert", str(HERE / "certificate.pem"), "--tls-key", str(HERE / "key.pem"))
    async with serving(outside | {"DATABASE_URL": dsn}, "--port", "0", *files, cwd=tmp_path) as server:
        assert server.url == f"https://localhost:{server.port}"
        trust = ssl.create_default_context(cafile=HERE / "certificate.pem")
        async with httpx.AsyncClient(verify=trust) as client:
            assert (await client.get(f"{server.url}/api/auth/me")).status_code == 401
            signed_in = await client.post(f"{server.url}/api/auth/register", json=USER | {"cookie": True})
            assert set(signed_in.cookies) == {"__Host-gatepost", "__Host-gatepost-device"}
            assert all("; Secure" in each for each in signed_in.headers.get_list("set-cookie"))
            own = {"Origin": server.url}
            assert (await client.post(f"{server.url}/api/auth/logout", headers=own)).status_code == 200
        ended = await server.stop(signal.SIGINT)
    assert ended.code == 0
    assert "Traceback" not in ended.err


@walked(
    ("options", "code", "told"),
    [
        (["--tls-cert", "certificate.pem"], 2, "Use --tls-cert and --tls-key together"),
        (["--tls-key", "key.pem"], 2, "Use --tls-cert and --tls-key together"),
        (["--tls-cert", "none.pem", "--tls-key", "key.pem"], 1, "none.pem can't be read: No such file"),
        (["--tls-cert", "key.pem", "--tls-key", "key.pem"], 1, "The certificate and key can't be used"),
        (["--host", "no.such.host.invalid"], 1, "no.such.host.invalid is not an address of this machine"),
        (["--host", "192.0.2.1"], 1, "192.0.2.1 is not an address of this machine"),
        (["--reload"], 1, "--reload needs watchfiles: pip install watchfiles"),
    ],
)
async def test_what_cannot_be_is_one_line(
    gatepost: Command,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    code: int,
    told: str,
) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("signal.signal", lambda *_: None)  # this is no main thread
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    options = [str(HERE / option) if option.endswith("key.pem") else option for option in options]
    refused = await gatepost("serve", "--port", "0", *options)
    (line,) = refused.err.splitlines()
    assert (refused.code, refused.out) == (code, "")
    assert line.startswith(f"Error: {told}")
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (
            errno.EACCES,
            "Port 80 needs privileges that this account lacks: choose one above 1023 with --port",
        ),
        (errno.ENOBUFS, "Cannot listen at 127.0.0.1, port 80: No buffer space available"),
    ],
)
def test_what_the_system_refuses_is_told(monkeypatch: pytest.MonkeyPatch, fault: int, told: str) -> None:
    def refuse(*_: object) -> None:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(CannotListen) as refused:
        find_address("127.0.0.1", 80, tls=False)
    assert refused.value.message.startswith(told)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("0.0.0.0", "http://localhost:80"),  # noqa: S104 - read, not bound
        ("::", "http://localhost:80"),
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("::1", "http://[::1]:80"),
        ("10.0.0.1", "http://10.0.0.1:80"),
    ],
)
def test_the_url_is_one_that_can_be_opened(address: str, url: str) -> None:
    assert Listening(address=address, port=80, tls=False).url == url


def test_a_port_that_is_let_go_of_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("gatepost.cli.listening.time.sleep", lambda _: taken.close())
        found = find_address("127.0.0.1", port, tls=True)
    assert found == Listening(address="127.0.0.1", port=port, tls=True)


def test_localhost_is_named_and_no_other_program_may_be_at_its_other_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = find_address("localhost", 0, tls=False)
    assert found == Listening(address="127.0.0.1", port=found.port, tls=False, is_named=True)
    assert found.url == f"http://localhost:{found.port}"
    monkeypatch.setattr("gatepost.cli.listening.ORPHAN_SECONDS", 0)
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen) as refused:
            find_address("localhost", port, tls=False)
    assert refused.value.message.startswith(f"Port {port} of ::1 is in use")


@pytest.mark.parametrize("missing", ["127.0.0.1", "::1"])
def test_a_machine_may_have_one_of_the_addresses_of_localhost(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    bind = socket.socket.bind

    def refuse(one: socket.socket, place: tuple[str, int]) -> None:
        if place[0] == missing:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        bind(one, place)

    monkeypatch.setattr(socket.socket, "bind", refuse)
    found = find_address("localhost", 0, tls=True)
    assert (found.address == missing, found.url) == (False, f"https://localhost:{found.port}")


@pytest.mark.parametrize(
    ("given", "address", "named"),
    [
        ({}, "127.0.0.1", None),
        ({"host": "0.0.0.0"}, "0.0.0.0", "set PUBLIC_URL to the origin that browsers open"),  # noqa: S104
        ({"host": "192.168.1.20"}, "192.168.1.20", "works after PUBLIC_URL=http://192.168.1.20:8000"),
        ({"host": "192.168.1.20", "public_url": "http://192.168.1.20:8000"}, "192.168.1.20", None),
    ],
)
def test_a_server_for_other_machines_says_that_browsers_there_need_public_url(
    make_settings: MakeSettings, given: dict[str, str], address: str, named: str | None
) -> None:
    settings = make_settings(environment="development", **given)
    found = Found(version="18.6", has_admin=True, announced=[])
    listening = Listening(address=address, port=8000, tls=False)

    said = announced(settings, listening, found, as_json=False)

    assert ("Other hosts" in said) == (named is not None)
    assert named is None or named in said
