"""What the OpenAPI document says of an operation's answers: the success with its example, every error."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from gatepost import errors
from gatepost.errors import GatepostError
from gatepost.http.envelope import ErrorEnvelope, ValidationErrorEnvelope, error_body
from gatepost.http.errors import STATUS

Kinds: TypeAlias = tuple[type[GatepostError], ...]

PRESENTED: Kinds = (
    errors.NotAuthenticated,
    errors.InvalidSession,
    errors.SessionExpired,
    errors.SessionRevoked,
    errors.SessionReplaced,
)
"""Errors of every operation that asks for a session."""

UNSAFE: Kinds = (errors.CrossOriginRefused,)
"""Errors of every such operation that changes something."""

UNWANTED_BODY: Kinds = (errors.BodyTooLarge, errors.UnsupportedMediaType)
"""Errors of every operation that takes no body and may be sent one all the same."""

BODY: Kinds = (errors.MalformedJson, *UNWANTED_BODY, errors.ValidationFailed)
"""Errors of every operation that takes a body."""

ALWAYS: Kinds = (errors.Unavailable, errors.InternalError)
"""Errors of every operation."""

_HEADERS = {
    401: {"WWW-Authenticate": {"description": "The challenge (RFC 6750 §3).", "schema": {"type": "string"}}},
    429: {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}},
    503: {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}},
}


def responses(
    data: object,
    message: str,
    *kinds: type[GatepostError],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    fields: Mapping[str, str] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """Return `responses=` of an operation.

    Args:
        data: the example of the success.
        message: its sentence.
        kinds: the errors it may answer with, besides `ALWAYS`.
        status: of the success; a 204 has no body.
        headers: of the success: name → what it holds.
        fields: the example of what `validation_failed` says.
    """
    succeeded: dict[str, Any] = {"description": message}
    if status != 204:
        example = {"data": data, "message": message, "success": True}
        succeeded["content"] = {"application/json": {"example": example}}
    if headers is not None:
        text = {"type": "string"}
        succeeded["headers"] = {
            name: {"description": holds, "schema": text} for name, holds in headers.items()
        }
    documented: dict[int | str, dict[str, Any]] = {status: succeeded}
    for kind in (*kinds, *ALWAYS):
        code = STATUS[kind.code]
        entry = documented.setdefault(
            code,
            {
                "model": ValidationErrorEnvelope if code == 422 else ErrorEnvelope,
                "description": "",
                "content": {"application/json": {"examples": {}}},
                **({"headers": _HEADERS[code]} if code in _HEADERS else {}),
            },
        )
        told = dict(fields or {}) if kind is errors.ValidationFailed else None
        entry["content"]["application/json"]["examples"][kind.code] = {
            "summary": kind.message,
            "value": error_body(kind.code, kind.message, told),
        }
        entry["description"] = " or ".join(entry["content"]["application/json"]["examples"])
    return documented
