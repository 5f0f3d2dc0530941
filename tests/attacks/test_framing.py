"""Requests that two parsers would cut in different places, and bodies made to cost: on real sockets."""

import json
import re
import socket
from collections.abc import AsyncIterator

import pytest
from tests.conftest import PASSWORD, AsApp, scratch_database
from tests.failures.processes import GATEPOST, SERVERS, UVICORN, ServerProcess, settings_for_process, started

BODY = json.dumps({"email": "user@example.com", "name": "John Doe", "password": PASSWORD}).encode()
JSON = b"Content-Type: application/json\r\n"
SMUGGLED = b"POST /api/auth/register HTTP/1.1\r\nHost: x\r\n" + JSON


@pytest.fixture(scope="module", params=[GATEPOST, (*UVICORN, "--no-access-log")], ids=list(SERVERS))
async def server(
    request: pytest.FixtureRequest,
    server_dsn: str,
    template: str,
    as_app: AsApp,
    tmp_path_factory: pytest.TempPathFactory,
    anyio_backend: str,
) -> AsyncIterator[ServerProcess]:
    home = tmp_path_factory.mktemp("home")
    async with scratch_database(server_dsn, template) as dsn:
        environment = settings_for_process(as_app(dsn), home, WORKERS="1")
        with started(request.param, environment, tmp_path_factory.mktemp("server")) as process:
            process.ready()
            yield process


def exchange(server: ServerProcess, *parts: bytes, close: bool = True) -> list[int]:
    """Send bytes as they are and return the statuses of the answers until the server closes or is silent."""
    with server.connect() as connection:
        try:
            for part in parts:
                connection.sendall(part)
            if close:
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has refused and closed already
        return [int(status) for status in re.findall(rb"HTTP/1\.[01] ([0-9]{3})", _all(connection))]


def _all(connection: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := connection.recv(65_536):
            received += chunk
    except OSError:
        pass
    return received


def is_alive(server: ServerProcess) -> bool:
    """Say whether a server answers as it should, and holds no user that was smuggled in."""
    with server.client() as client:
        body = {"email": "user@example.com", "password": PASSWORD}
        return [
            client.get("/api/auth/me").status_code,
            client.post("/api/auth/login", json=body).status_code,
        ] == [401, 401]


def post(*headers: bytes, body: bytes = BODY, path: bytes = b"/api/auth/register") -> bytes:
    head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + JSON
    return head + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


LENGTH = b"Content-Length: %d" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked"


READ_IN_TWO_WAYS = (
    (LENGTH, b"Content-Length: 5"),
    (b"Content-Length: 5", LENGTH),
    (b"Content-Length: +%d" % len(BODY),),
    (b"Content-Length: -1",),
    (b"Content-Length: 0x10",),
    (b"Content-Length: %d, %d" % (len(BODY), len(BODY) + 1),),
    (b"Content-Length: 99999999999999999999999",),
    (b"Content-Length : %d" % len(BODY),),
    (b"Transfer-Encoding: chunked, identity",),
    (b"Transfer-Encoding: xchunked",),
)


def test_a_length_that_can_be_read_in_two_ways_registers_nobody(server: ServerProcess) -> None:
    answered = {headers: exchange(server, post(*headers)) for headers in READ_IN_TWO_WAYS}
    assert {
        headers: statuses
        for headers, statuses in answered.items()
        if len(statuses) > 1 or any(status < 400 for status in statuses)
    } == {}
    assert is_alive(server)


def test_a_length_beside_chunks_hides_no_second_request(server: ServerProcess) -> None:
    """CL.TE and TE.CL: what is left over after one reading must not be taken for a request."""
    hidden = SMUGGLED + LENGTH + b"\r\n\r\n" + BODY
    for headers, body in (
        ((CHUNKED, b"Content-Length: %d" % (5 + len(hidden))), b"0\r\n\r\n" + hidden),
        ((b"Content-Length: 4", CHUNKED), b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)),
    ):
        statuses = exchange(server, post(*headers, body=body))
        assert 201 not in statuses
        assert len(statuses) <= 1, statuses
    assert is_alive(server)


def test_lines_that_end_in_a_bare_newline_are_refused_or_end_there_for_all(server: ServerProcess) -> None:
    """RFC 9112 §2.2 lets a recipient take a newline alone for the end of a line, as nginx does in front.

    Either way everything behind the empty line is a request of its own, and nothing is in between.
    """
    first = b"GET /api/auth/me HTTP/1.1\r\nHost: x\r\nX: y\n\n"
    second = b"GET /api/auth/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert exchange(server, first + second, close=False) in ([400], [401, 401])
    assert is_alive(server)


def test_header_names_that_are_none_are_refused(server: ServerProcess) -> None:
    for name in (b"X\0Y", b"X Y", b"X\x0bY", b"(", b""):
        statuses = exchange(server, b"GET /api/auth/me HTTP/1.1\r\nHost: x\r\n" + name + b": y\r\n\r\n")
        assert all(400 <= status < 500 for status in statuses), (name, statuses)
    assert is_alive(server)


def test_who_sends_headers_without_end_is_cut_off(server: ServerProcess) -> None:
    statuses = exchange(
        server, b"GET /api/auth/me HTTP/1.1\r\n", *[b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(2000)]
    )
    assert all(status in {400, 413, 431} for status in statuses), statuses
    assert is_alive(server)


def test_who_sends_slowly_holds_nobody_up(server: ServerProcess) -> None:
    slow = [server.connect() for _ in range(200)]
    try:
        for connection in slow:
            connection.sendall(b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Le")
        assert is_alive(server)
    finally:
        for connection in slow:
            connection.close()
    assert is_alive(server)


MADE_TO_COST = (
    b"[" * 60_000,
    b'{"a":' * 10_000,
    b"{" + b",".join(b'"k%d":0' % n for n in range(9_000)) + b"}",
    b'{"email": ' + b"9" * 60_000 + b"}",
    b'{"password": "\xff\xfe"}',
    '{"password": "x"}'.encode("utf-16"),
    b"\xef\xbb\xbf{}",
    b'{"password": "\\ud800"}',
    b'{"email": "a@example.com", "email": "b@example.com", "name": "x", "password": "\\u0000"}',
    b'{"email": "' + b"a@" * 30_000 + b'"}',
    b"NaN",
    b'{"email": 1e999}',
)


@pytest.mark.parametrize("path", [b"/api/auth/register", b"/api/auth/login"])
def test_a_body_made_to_cost_or_to_be_read_in_two_ways_is_refused(server: ServerProcess, path: bytes) -> None:
    for body in MADE_TO_COST:
        statuses = exchange(
            server, post(b"Content-Length: %d" % len(body), body=body, path=path), close=False
        )
        assert len(statuses) == 1, (body[:40], statuses)
        assert statuses[0] in {400, 413, 422}, (body[:40], statuses)
    assert is_alive(server)


def test_a_token_in_the_url_is_nobodys(server: ServerProcess) -> None:
    with server.client() as client:
        token = client.post(
            "/api/auth/register", json={"email": "url@example.com", "name": "U", "password": PASSWORD}
        ).json()["data"]["token"]
        for name in ("token", "access_token", "session_token", "authorization"):
            assert client.get("/api/auth/me", params={name: token}).status_code == 401
        login = client.get("/api/auth/login", params={"email": "url@example.com", "password": PASSWORD})
        assert login.status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "/%2f%2fevil.example",
        "/api/auth/me/..%2f",
        "/api/auth/me;x",
        "/api/auth/me/",
        "/API/auth/me",
        "/api//auth/me",
        "/api/auth/%6de%00",
    ],
)
def test_a_strange_path_lets_nobody_through(server: ServerProcess, path: str) -> None:
    """Forward-auth that fails open on a strange URI (Authelia CVE-2021-32637)."""
    for method in (b"GET", b"HEAD", b"POST"):
        statuses = exchange(
            server,
            method + b" " + path.encode() + b" HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        )
        assert all(status >= 400 for status in statuses), statuses
