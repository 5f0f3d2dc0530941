"""Bodies that never end: answered after a while, and the connection is let go."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from tests.conftest import MakeSettings
from tests.http.conftest import RawRequest, Standing
from tests.http.test_uvicorn import running

from gatepost.app import create_app
from gatepost.http import middleware
from gatepost.library import Gatepost

JSON = (b"content-type", b"application/json")
FORM = (b"content-type", b"application/x-www-form-urlencoded")


class Endless(RawRequest):
    """A request that begins with these parts of a body, and never ends."""

    def __init__(self, path: str, *headers: tuple[bytes, bytes], parts: tuple[bytes, ...] = ()) -> None:
        super().__init__(path, *headers)
        self.parts = list(parts)

    async def receive(self) -> dict[str, Any]:
        await asyncio.sleep(0)
        if not self.parts:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": self.parts.pop(0), "more_body": True}


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BODY_SECONDS", 0)


@pytest.mark.parametrize("parts", [(), (b"{",), (b'{"email": ', b'"a@', b""), (b"",) * 100_000])
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/auth/login", JSON),
        ("/api/auth/register", JSON),
        ("/api/auth/refresh", JSON),
        ("/api/auth/logout", JSON),
        ("/api/auth/nowhere", JSON),
        ("/auth/sign-in", FORM),
        ("/auth/nowhere", FORM),
    ],
)
async def test_a_body_that_does_not_end_is_408(
    standing: Standing, path: str, kind: tuple[bytes, bytes], parts: tuple[bytes, ...]
) -> None:
    request = Endless(path, kind, parts=parts)
    await standing.app(request.scope, request.receive, request.send)
    headers = dict(request.sent[0]["headers"])
    assert (request.status, headers[b"connection"]) == (408, b"close")
    body = b"".join(part.get("body", b"") for part in request.sent[1:])
    assert (b'"code":"body_too_slow"' in body) == path.startswith("/api/")
    assert await standing.holds_one_user_and_session()


async def test_one_that_is_there_in_time_is_read(standing: Standing) -> None:
    request = RawRequest("/api/auth/login", JSON)
    messages = iter([{"type": "http.request", "body": b"{}", "more_body": False}])

    async def receive() -> Any:
        return next(messages)

    await standing.app(request.scope, receive, request.send)
    assert request.status == 422


async def test_over_http_2_the_header_is_left_out(standing: Standing) -> None:
    request = Endless("/api/auth/login", JSON)
    request.scope["http_version"] = "2"
    await standing.app(request.scope, request.receive, request.send)
    assert (request.status, b"connection" in dict(request.sent[0]["headers"])) == (408, False)


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_the_server_closes_the_connection(http: str, make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings())
    mine = FastAPI(lifespan=auth.lifespan)
    auth.install(mine)
    for app in (create_app(make_settings()), mine):
        async with running(app, http) as url, asyncio.timeout(60):
            for head, body in ((b"Content-Length: 10", b"{"), (b"Transfer-Encoding: chunked", b"1\r\n{\r\n")):
                reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
                start = b"POST /api/auth/login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                writer.write(start + head + b"\r\n\r\n" + body)
                answer = await reader.read()  # to the end of the connection
                assert answer.startswith(b"HTTP/1.1 408 ")
                assert answer.endswith(b"}}")
                writer.close()
