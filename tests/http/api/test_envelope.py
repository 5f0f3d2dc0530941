"""What stands around every answer: the envelope, the headers, the request id and the line in the log."""

from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from tests.conftest import MakeSettings, bearer, register, serving
from tests.http.conftest import Database, RawRequest, Standing, assert_error, assert_headers, logged

from gatepost import errors
from gatepost.library import Gatepost

# --- No such thing ---


@pytest.mark.parametrize(
    "path", ["/api/auth", "/api/auth/", "/api/auth/nothing", "/api/auth/me/", "/elsewhere", "/api/authx"]
)
async def test_an_unknown_path_is_404_in_the_envelope(standing: Standing, path: str) -> None:
    assert_error(await standing.client.get(path), errors.NotFound)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "register", "POST"),
        ("PUT", "login", "POST"),
        ("POST", "me", "DELETE, GET, HEAD, PATCH"),
        ("OPTIONS", "me", "DELETE, GET, HEAD, PATCH"),
        ("PATCH", "sessions/1", "DELETE"),
        ("DELETE", "sessions", "GET, HEAD"),
        ("PUT", "admin/addresses/203.0.113.0/24", "GET, HEAD"),
        ("PUT", "admin/addresses/203.0.113.0/24/end-sessions", "POST"),
    ],
)
async def test_another_method_is_405_and_says_which_one_is_allowed(
    standing: Standing, method: str, path: str, allowed: str
) -> None:
    response = await standing.client.request(method, f"/api/auth/{path}", headers=bearer(standing.token))
    assert_error(response, errors.MethodNotAllowed)
    assert response.headers["allow"] == allowed


async def test_what_the_framework_refuses_otherwise_is_in_the_envelope_as_well(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    @app.get("/gone")
    async def gone() -> None:
        raise HTTPException(410, "it was here once", headers={"X-Since": "yesterday"})

    response = await client.get("/gone")
    assert response.status_code == 410
    assert response.headers["x-since"] == "yesterday"
    assert_headers(response)
    assert response.json() == {
        "data": None,
        "message": "it was here once",
        "success": False,
        "error": {"code": "gone"},
    }


# --- Faults of ours ---


def break_me(gate: Gatepost, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(_: str) -> None:
        raise error

    monkeypatch.setattr(gate.session_tokens, "resolve", resolve)


async def test_a_fault_of_ours_is_500_in_the_envelope_and_tells_nothing(
    client: httpx.AsyncClient, gate: Gatepost, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_me(gate, ZeroDivisionError("a secret of the machine room"), monkeypatch)
    response = await client.get("/api/auth/me", headers=bearer("x"))
    assert_error(response, errors.InternalError)
    assert "secret" not in response.text
    assert "Traceback" not in response.text


async def test_a_fault_of_ours_is_logged_once_with_the_request_id_of_the_answer(
    client: httpx.AsyncClient,
    gate: Gatepost,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    break_me(gate, ZeroDivisionError(), monkeypatch)
    response = await client.get("/api/auth/me", headers=bearer("x"))
    (fault,) = logged(caplog, "unhandled fault")
    assert (fault["level"], fault["method"], fault["path"]) == ("error", "GET", "/api/auth/me")
    assert "ZeroDivisionError" in fault["exception"]
    assert fault["request_id"] == response.headers["x-request-id"]


async def test_a_fault_does_not_reach_the_server(
    app: FastAPI, client: httpx.AsyncClient, gate: Gatepost, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_me(gate, ZeroDivisionError(), monkeypatch)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://gatepost.test") as strict:
        assert (await strict.get("/api/auth/me", headers=bearer("x"))).status_code == 500


async def test_a_fault_in_an_installed_api_is_500_in_the_envelope_as_well(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = Gatepost(make_settings())
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    async with serving(app) as client:
        break_me(auth, ZeroDivisionError(), monkeypatch)
        assert_error(await client.get("/api/auth/me", headers=bearer("x")), errors.InternalError)


async def test_half_an_answer_is_logged_and_not_continued_by_another(
    app: FastAPI, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    async def halting(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ZeroDivisionError

    app.mount("/halting", halting)
    request = RawRequest("/halting/", method="GET")
    with pytest.raises(ZeroDivisionError):
        await app(request.scope, request.receive, request.send)
    assert [message["type"] for message in request.sent] == ["http.response.start", "http.response.body"]
    assert len(logged(caplog, "unhandled fault")) == 1


# --- When the database is away ---


async def test_an_absent_database_is_503_with_retry_after_and_no_401(
    client: httpx.AsyncClient, db: Database, server_dsn: str
) -> None:
    token = (await register(client))["token"]
    name = await db.fetchval("SELECT current_database()")
    admin = await asyncpg.connect(server_dsn)
    try:
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        await admin.execute(f"ALTER DATABASE {name} RENAME TO {name}_away")
        for method, path in [("GET", "me"), ("GET", "sessions"), ("POST", "refresh"), ("POST", "logout")]:
            response = await client.request(method, f"/api/auth/{path}", headers=bearer(token))
            assert_error(response, errors.Unavailable)
            assert int(response.headers["retry-after"]) >= 1
        await admin.execute(f"ALTER DATABASE {name}_away RENAME TO {name}")
    finally:
        await admin.close()
    assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200


# --- The request id, and the line that a request leaves in the log ---


async def test_a_request_id_of_the_clients_own_is_not_believed(standing: Standing) -> None:
    response = await standing.client.get("/api/auth/me", headers={"X-Request-ID": "f" * 32})
    assert response.headers["x-request-id"] != "f" * 32


@pytest.mark.parametrize(
    ("path", "signed_in", "status", "level"),
    [
        ("/api/auth/me", True, 200, "debug"),
        ("/api/auth/sessions", True, 200, "info"),
        ("/api/auth/me", False, 401, "info"),
        ("/elsewhere", False, 404, "info"),
    ],
)
async def test_a_request_leaves_one_line_a_session_check_that_passed_at_debug_only(
    standing: Standing,
    caplog: pytest.LogCaptureFixture,
    path: str,
    signed_in: bool,
    status: int,
    level: str,
) -> None:
    caplog.set_level("DEBUG", logger="gatepost.http")
    headers = bearer(standing.token) if signed_in else {}
    response = await standing.client.get(path, headers=headers)
    (line,) = logged(caplog, "request")
    assert line.pop("timestamp")
    assert line.pop("ms") >= 0
    assert line == {
        "event": "request",
        "logger": "gatepost.http",
        "level": level,
        "request_id": response.headers["x-request-id"],
        "method": "GET",
        "path": path,
        "status": status,
    }
