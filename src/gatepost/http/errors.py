"""Errors on HTTP: what stands around them."""

import http
from collections.abc import Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketState

from gatepost.errors import (
    GatepostError,
    InternalError,
    MalformedJson,
    MethodNotAllowed,
    NotFound,
    ValidationFailed,
)
from gatepost.http.envelope import encode, error_body
from gatepost.log import get_logger
from gatepost.services.field_problems import described
from gatepost.texts import Text

log = get_logger("gatepost.http")


def render(error: GatepostError) -> Response:
    """Return the answer that an error has."""
    fields = (
        {name: str(text) for name, text in error.fields.items()}
        if isinstance(error, ValidationFailed)
        else None
    )
    hint = {} if error.hint is None else {"hint": error.hint}
    return Response(
        encode(error_body(error.code, error.message, fields, {**error.details, **hint})),
        status_code=error.status,
        headers=dict(error.headers),
        media_type="application/json",
    )


async def on_gatepost_error(connection: Request | WebSocket, error: Exception) -> Response | None:
    """Answer an error of ours; a WebSocket that is not yet accepted is refused with the same answer."""
    if not isinstance(error, GatepostError):
        raise error
    if isinstance(connection, WebSocket):
        await _deny(connection, error)
        return None
    return render(error)


async def _deny(websocket: WebSocket, error: GatepostError) -> None:
    accepted = websocket.application_state is not WebSocketState.CONNECTING
    if not accepted and "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(render(error))
    elif websocket.application_state in {WebSocketState.CONNECTING, WebSocketState.CONNECTED}:
        # No status of ours can be sent: 1013 is "try again later", 1011 a fault of ours, 1008 "policy
        # violation" (RFC 6455 §7.4.1 and IANA's registry). Before it is accepted the server makes it a 403.
        status = error.status
        await websocket.close({503: 1013, 500: 1011}.get(status, 1008), error.code)


async def on_validation_error(request: Request, error: Exception) -> Response:
    """Answer what FastAPI found wrong with a request."""
    if not isinstance(error, RequestValidationError):
        raise error
    problems = error.errors()
    if any(problem["type"] == "json_invalid" for problem in problems) or await _lacks_body(request, problems):
        return render(MalformedJson())
    fields: dict[str, Text] = {}
    for problem in problems:
        place = [str(part) for part in problem["loc"][1:]] or [str(problem["loc"][0])]
        fields.setdefault(".".join(place), described(problem))
    return render(ValidationFailed(fields))


async def _lacks_body(request: Request, problems: Sequence[Any]) -> bool:
    """Say whether a body was wanted and nothing came: no JSON document, which FastAPI takes for null."""
    return any(problem["loc"] == ("body",) for problem in problems) and not await request.body()


def as_raised(error: HTTPException) -> GatepostError:
    """Return what a hook of the application raised as its routes do, for where errors of ours are told."""
    code = http.HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    attributes = {"code": code, "status": error.status_code, "headers": dict(error.headers or {})}
    kind: type[GatepostError] = type("Raised", (GatepostError,), attributes)
    return kind(str(error.detail))


async def on_http_exception(_: Request, error: Exception) -> Response:
    """Answer what the framework itself refuses: no such route, no such method, a body it can't read."""
    if not isinstance(error, HTTPException):
        raise error
    known: dict[int, GatepostError] = {
        400: MalformedJson(),
        404: NotFound(),
        405: MethodNotAllowed(),
    }
    ours = known.get(error.status_code)
    if ours is None:
        return render(as_raised(error))
    response = render(ours)
    response.headers.update(error.headers or {})
    return response


def last_resort(_: Scope) -> Response:
    """Return the answer of a fault of ours; the log has the rest."""
    return render(InternalError())
