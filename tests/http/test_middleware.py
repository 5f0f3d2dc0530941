"""The outermost layers by themselves, around applications that do what ours never do."""

from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from tests.conftest import bearer
from tests.http.conftest import RawRequest, Standing, logged

from gatepost.http import errors as handlers
from gatepost.http.middleware import BodyGuard, RequestLog

HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


async def test_a_fault_in_half_an_answer_is_logged_once_however_many_layers_there_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def halting(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        raise ZeroDivisionError

    request = RawRequest("/", method="GET")
    with pytest.raises(ZeroDivisionError):
        await RequestLog(RequestLog(halting, HEADERS), HEADERS)(request.scope, request.receive, request.send)
    assert len(logged(caplog, "unhandled fault")) == 1
    assert [name for name, _ in request.sent[0]["headers"]].count(b"x-request-id") == 1


async def test_a_header_of_the_applications_own_is_left_as_it_is() -> None:
    async def caching(_scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"cache-control", b"public")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    request = RawRequest("/", method="GET")
    await RequestLog(caching, HEADERS)(request.scope, request.receive, request.send)
    headers = dict(request.sent[0]["headers"])
    assert len(headers) == len(request.sent[0]["headers"]) == 3
    assert headers[b"cache-control"] == b"public"


async def test_what_is_no_http_passes() -> None:
    seen = []

    async def noting(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    request = RawRequest("/")
    for layer in (RequestLog(noting, HEADERS), BodyGuard(noting)):
        await layer(request.scope | {"type": "websocket"}, request.receive, request.send)
    assert seen == ["websocket", "websocket"]


async def test_after_its_body_an_application_still_learns_that_the_client_has_gone() -> None:
    messages = [
        {"type": "http.request", "body": b"[1,", "more_body": True},
        {"type": "http.request", "body": b"2]", "more_body": False},
        {"type": "http.disconnect"},
    ]
    received = []

    async def listening(_scope: Any, receive: Any, _send: Any) -> None:
        received.extend([await receive(), await receive()])

    async def receive() -> Any:
        return messages.pop(0)

    request = RawRequest("/", (b"content-type", b"application/json"))
    await BodyGuard(listening)(request.scope, receive, request.send)
    assert received == [
        {"type": "http.request", "body": b"[1,2]", "more_body": False},
        {"type": "http.disconnect"},
    ]


async def test_a_session_check_that_passed_leaves_no_line_at_info(
    standing: Standing, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="gatepost.http")
    for path in ("me", "verify"):
        assert (await standing.client.get(f"/api/auth/{path}", headers=bearer(standing.token))).is_success
    assert logged(caplog, "request") == []


@pytest.mark.parametrize(
    "handler", [handlers.on_gatepost_error, handlers.on_validation_error, handlers.on_http_exception]
)
async def test_a_handler_passes_on_what_is_not_its_own(handler: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        await handler(Request(RawRequest("/").scope), ZeroDivisionError())


async def test_a_problem_with_the_whole_of_a_request_is_told_of_its_place() -> None:
    problems = [{"type": "value_error", "loc": ("query",), "msg": "not this way"}]
    response = await handlers.on_validation_error(
        Request(RawRequest("/").scope), RequestValidationError(problems)
    )
    assert b'"fields":{"query":"not this way"}' in bytes(response.body)


async def test_an_exception_of_the_framework_keeps_its_headers() -> None:
    refusal = HTTPException(405, headers={"Allow": "GET"})
    response = await handlers.on_http_exception(Request(RawRequest("/").scope), refusal)
    assert (response.status_code, response.headers["allow"]) == (405, "GET")
