"""`CurrentSession` in WebSocket routes, on the servers that people run, with a client that people use."""

import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import websockets
from fastapi import FastAPI, WebSocket
from starlette.types import Message
from tests.conftest import (
    PASSWORD,
    SECRET_KEY,
    AsApp,
    MakeSettings,
    bearer,
    login,
    register,
    scratch_database,
    serving,
)
from websockets import Origin
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gatepost import CurrentSession, Gatepost
from gatepost.errors import SessionRevoked

APP = """\
from fastapi import FastAPI, WebSocket
from gatepost import AdminSession, AuthMiddleware, CurrentSession, Gatepost
from gatepost.errors import SessionRevoked

auth = Gatepost()
notes = FastAPI(lifespan=auth.lifespan)
auth.install(notes)

@notes.websocket("/live")
async def live(websocket: WebSocket, session: CurrentSession) -> None:
    await websocket.accept()
    await websocket.send_text(session.user.email)
    await websocket.close()

@notes.websocket("/admins")
async def admins(websocket: WebSocket, session: AdminSession) -> None:
    await websocket.accept()

@notes.websocket("/ended")
async def ended(websocket: WebSocket, session: CurrentSession) -> None:
    await websocket.accept()
    raise SessionRevoked

async def guarded(scope, receive, send):
    session = scope["gatepost.session"]
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": session.user.name})
    await send({"type": "websocket.close", "code": 1000})

notes.mount("/guarded", AuthMiddleware(guarded, auth, required=True))
app = notes
"""

COMMANDS = {
    "uvicorn": ["-m", "uvicorn", "app:app", "--port", "{port}"],
    "granian": ["-m", "granian", "--interface", "asgi", "--port", "{port}", "app:app"],
}
READY = {"uvicorn": "Uvicorn running on", "granian": "Started worker-1"}


@dataclass(frozen=True)
class Live:
    """A server that runs: where, and a connection to its database."""

    address: str
    db: Any

    def socket(self, path: str, token: str | None) -> Any:
        headers = {} if token is None else bearer(token)
        return websockets.connect(f"ws://{self.address}{path}", additional_headers=headers)

    async def refusal(self, path: str, token: str | None) -> tuple[int, Any, str | None]:
        """Return the status, the code and the challenge with which a handshake is refused."""
        with pytest.raises(InvalidStatus) as refused:
            await self.socket(path, token).__aenter__()
        response = refused.value.response
        body = json.loads(bytes(response.body))
        assert body == {"data": None, "message": body["message"], "success": False, "error": body["error"]}
        return response.status_code, body["error"]["code"], response.headers.get("www-authenticate")

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://{self.address}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def server(name: str, directory: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run the application on a server of its own process; return where it listens."""
    port = free_port()
    command = [sys.executable, *(part.format(port=port) for part in COMMANDS[name])]
    process = subprocess.Popen(
        command, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if READY[name] in line:
                break
        else:
            pytest.fail("".join(said))
        # granian says that its worker has started a moment before it listens.
        while process.poll() is None and not listens(port):
            pass
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture(scope="module", params=list(COMMANDS))
async def live(
    request: pytest.FixtureRequest,
    server_dsn: str,
    template: str,
    as_app: AsApp,
    tmp_path_factory: pytest.TempPathFactory,
    anyio_backend: str,
) -> AsyncIterator[Live]:
    directory = tmp_path_factory.mktemp(request.param)
    (directory / "app.py").write_text(APP)
    async with scratch_database(server_dsn, template) as dsn:
        environment = {
            "DATABASE_URL": as_app(dsn),
            "SECRET_KEY": SECRET_KEY,
            "BCRYPT_ROUNDS": "4",
            "DATABASE_TIMEOUT_SECONDS": "30",
            "THROTTLE_ENABLED": "false",
            "PATH": "/usr/bin:/bin",
        }
        db = await asyncpg.connect(dsn)
        with server(request.param, directory, environment) as address:
            yield Live(address, db)
        await db.close()


async def test_a_good_token_opens_the_socket(live: Live) -> None:
    async with live.client() as client:
        token = (await register(client, "good@example.com", "Good"))["token"]
    async with live.socket("/live", token) as websocket:
        assert await websocket.recv() == "good@example.com"
    async with live.socket("/guarded/", token) as websocket:
        assert await websocket.recv() == "Good"


@pytest.mark.parametrize("path", ["/live", "/admins", "/guarded/"])
async def test_a_missing_or_bad_token_is_401_and_the_route_never_runs(live: Live, path: str) -> None:
    assert await live.refusal(path, None) == (401, "not_authenticated", "Bearer")
    challenge = 'Bearer error="invalid_token", error_description="invalid_session"'
    assert await live.refusal(path, "nonsense") == (401, "invalid_session", challenge)


async def test_a_socket_for_admins_is_403_for_others(live: Live) -> None:
    async with live.client() as client:
        token = (await register(client, "other@example.com"))["token"]
        assert await live.refusal("/admins", token) == (403, "admin_required", None)
        await live.db.execute("UPDATE users SET is_admin = true WHERE email = 'other@example.com'")
        async with live.socket("/admins", token):
            pass


async def test_a_logout_binds_the_next_handshake(live: Live) -> None:
    async with live.client() as client:
        await register(client, "gone@example.com")
        token = (await login(client, "gone@example.com"))["token"]
        async with live.socket("/live", token):
            pass
        await client.post("/api/auth/logout", headers=bearer(token))
    status, code, _ = await live.refusal("/live", token)
    assert (status, code) == (401, "session_revoked")


COPIED = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


async def test_a_proxy_that_copies_a_handshake_is_answered(live: Live) -> None:
    async with live.client() as client:
        token = (await register(client, "proxied@example.com"))["token"]
        for path, status in (("verify", 204), ("me", 200), ("sessions", 200), ("nowhere", 404)):
            response = await client.get(f"/api/auth/{path}", headers=COPIED | bearer(token))
            assert response.status_code == status
        verified = await client.get("/api/auth/verify", headers=COPIED | bearer(token))
        assert verified.headers["x-gatepost-email"] == "proxied@example.com"
        refused = await client.get("/api/auth/verify", headers=COPIED | bearer("nonsense"))
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_session")
        for upgrade in ("h2c", "TLS/1.0"):
            copied = {
                "Connection": "Upgrade, HTTP2-Settings",
                "Upgrade": upgrade,
                "HTTP2-Settings": "AAMAAABk",
            }
            response = await client.get("/api/auth/verify", headers=copied | bearer(token))
            assert response.status_code == 204, upgrade


async def test_a_browser_on_this_machine_opens_sockets_by_cookie(live: Live) -> None:
    port = live.address.rpartition(":")[2]
    who = {"email": "browser@example.com", "name": "N", "password": PASSWORD, "cookie": True}
    async with live.client() as client:
        cookies = (await client.post("/api/auth/register", json=who)).cookies
    assert set(cookies) == {f"gatepost-{port}", f"gatepost-{port}-device"}
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}

    def opening(host: str, origin: str) -> Any:
        place = f"ws://{host}:{port}/live"
        return websockets.connect(place, additional_headers=cookie, origin=Origin(origin), host="127.0.0.1")

    for host in ("127.0.0.1", "localhost"):
        async with opening(host, f"http://{host}:{port}") as opened:
            assert await opened.recv() == "browser@example.com"
        for other in ("http://localhost:1", "http://evil.example", f"https://{host}:{port}"):
            with pytest.raises(InvalidStatus) as refused:
                await opening(host, other)
            assert refused.value.response.status_code == 403


async def test_a_refusal_after_the_socket_is_open_closes_it_with_1008(live: Live) -> None:
    async with live.client() as client:
        token = (await register(client, "late@example.com"))["token"]
    async with live.socket("/ended", token) as websocket:
        with pytest.raises(ConnectionClosed) as closed:
            await websocket.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "session_revoked")


# --- What a server is told ---


async def told(auth: Gatepost, path: str, **scope: Any) -> list[Message]:
    """Return what an application tells a server about a handshake."""
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    sent: list[Message] = []

    @app.websocket("/live")
    async def live(websocket: WebSocket, session: CurrentSession) -> None:
        await websocket.accept()

    @app.websocket("/ended")
    async def ended(websocket: WebSocket) -> None:
        await websocket.accept()
        raise SessionRevoked

    @app.websocket("/closed")
    async def closed(websocket: WebSocket) -> None:
        await websocket.close()
        raise SessionRevoked

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    handshake = {"type": "websocket", "path": path, "headers": [], "query_string": b"", "subprotocols": []}
    async with serving(app):
        await app(handshake | scope, receive, send)
    return sent


@pytest.fixture
def auth(make_settings: MakeSettings) -> Gatepost:
    return Gatepost(make_settings())


DENIES: dict[str, Any] = {"extensions": {"websocket.http.response": {}}}
CLOSE = {"type": "websocket.close", "code": 1008}


async def test_one_that_can_deny_denies(auth: Gatepost) -> None:
    start, _ = await told(auth, "/live", **DENIES)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)


async def test_one_that_cannot_deny_closes_before_it_accepts(auth: Gatepost) -> None:
    assert await told(auth, "/live") == [CLOSE | {"reason": "not_authenticated"}]


@pytest.mark.parametrize("scope", [DENIES, {}])
async def test_a_socket_that_is_open_is_closed(auth: Gatepost, scope: dict[str, Any]) -> None:
    accepted, close = await told(auth, "/ended", **scope)
    assert (accepted["type"], close) == ("websocket.accept", CLOSE | {"reason": "session_revoked"})


@pytest.mark.parametrize("scope", [DENIES, {}])
async def test_a_socket_that_is_closed_is_left_alone(auth: Gatepost, scope: dict[str, Any]) -> None:
    assert await told(auth, "/closed", **scope) == [{"type": "websocket.close", "code": 1000, "reason": ""}]
