"""What the OpenAPI document says of an operation's answers: the success with its example, every error."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from gatepost import errors
from gatepost.errors import GatepostError
from gatepost.http.api.schemas import PendingEmailData
from gatepost.http.envelope import (
    ChallengeErrorEnvelope,
    Envelope,
    ErrorEnvelope,
    ValidationErrorEnvelope,
    error_body,
)
from gatepost.security import policy
from gatepost.texts import Text

Kinds: TypeAlias = tuple[type[GatepostError], ...]

PRESENTED: Kinds = (
    errors.NotAuthenticated,
    errors.InvalidSession,
    errors.SessionExpired,
    errors.SessionRevoked,
    errors.SessionReplaced,
    errors.CrossOriginRefused,
)
"""Errors of every operation that asks for a session."""

ADMIN: Kinds = (*PRESENTED, errors.AdminRequired, errors.FreshSessionRequired)
"""Errors of every operation of administrators: MFA_REQUIRED may ask them for a second factor."""

UNWANTED_BODY: Kinds = (errors.BodyTooLarge, errors.BodyTooSlow, errors.UnsupportedMediaType)
"""Errors of every operation that takes no body and may be sent one all the same."""

BODY: Kinds = (errors.MalformedJson, *UNWANTED_BODY, errors.ValidationFailed)
"""Errors of every operation that takes a body."""

NEW_PASSWORD: Kinds = (errors.PasswordTooCommon, errors.PasswordIsContext)
"""Errors of every operation that takes a password which somebody wants to have, besides `BODY`."""

USERS_ROW: Kinds = (errors.Conflict, errors.RejectedByDatabase)
"""Errors of every operation that writes to `users`, where the application may have rules of its own."""

STEP_DUE: Kinds = (errors.SecondFactorRequired, errors.FactorEnrolmentRequired)
"""Errors of every operation that signs in: one more step is due."""

ALWAYS: Kinds = (errors.Unavailable, errors.InternalError)
"""Errors of every operation."""

_OF_FIELD: dict[type[GatepostError], Text] = {
    errors.PasswordTooCommon: policy.TOO_COMMON,
    errors.PasswordIsContext: policy.IS_CONTEXT,
    errors.Conflict: Text("field.conflict"),
    errors.RejectedByDatabase: Text("field.rejected"),
}
_CHALLENGE = {
    "challenge": "vTq1f0mYx8sJb3nWc5RzKd7Lh2Pg9EuAi4Xo6QyNk0M",
    "methods": ["totp"],
    "expires_at": "2024-01-01T00:05:00Z",
}
_DETAILS: dict[type[GatepostError], Mapping[str, object]] = {
    errors.SecondFactorRequired: _CHALLENGE,
    errors.FactorEnrolmentRequired: _CHALLENGE,
    errors.FreshSessionRequired: {"methods": ["password", "totp"]},
}
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
    fields: Mapping[str, Text | str] | None = None,
    details: Mapping[type[GatepostError], Mapping[str, object]] | None = None,
    empty: bool = False,
) -> dict[int | str, dict[str, Any]]:
    """Return `responses=` of an operation.

    Args:
        data: the example of the success.
        message: its sentence.
        kinds: the errors it may answer with, besides `ALWAYS`.
        status: of the success; a 204 has no body.
        empty: nor has this success.
        headers: of the success: name → what it holds.
        fields: the example of what `validation_failed` says; errors of a new password name the same fields.
        details: the examples of what errors of a feature say besides their code.
    """
    succeeded: dict[str, Any] = {"description": message}
    if status != 204 and not empty:
        example = {"data": data, "message": message, "success": True}
        succeeded["content"] = {"application/json": {"example": example}}
    if headers is not None:
        text = {"type": "string"}
        succeeded["headers"] = {
            name: {"description": holds, "schema": text} for name, holds in headers.items()
        }
    documented: dict[int | str, dict[str, Any]] = {status: succeeded}
    for kind in (*kinds, *ALWAYS):
        code = kind.status
        entry = documented.setdefault(
            code,
            {
                "model": ValidationErrorEnvelope if code == 422 else ErrorEnvelope,
                "description": "",
                "content": {"application/json": {"examples": {}}},
                **({"headers": _HEADERS[code]} if code in _HEADERS else {}),
            },
        )
        _add(kind, entry, fields or {}, _DETAILS | dict(details or {}))
    return documented


def pending_email(message: str) -> dict[int | str, dict[str, Any]]:
    """Return the answer of an operation that waits for a mailbox to answer, besides its `responses`."""
    data = {"pending_email": "new.address@example.com"}
    example = {"data": data, "message": message, "success": True}
    return {
        202: {
            "model": Envelope[PendingEmailData],
            "description": message,
            "content": {"application/json": {"example": example}},
        }
    }


def add(documented: dict[str, Any], kinds: Kinds) -> None:
    """Add errors to the responses of an operation, as the OpenAPI document has them."""
    for kind in kinds:
        code = kind.status
        entry = documented.setdefault(
            str(code),
            {
                "content": {
                    "application/json": {
                        "schema": {"$ref": f"#/components/schemas/{ErrorEnvelope.__name__}"},
                        "examples": {},
                    }
                },
                **({"headers": _HEADERS[code]} if code in _HEADERS else {}),
            },
        )
        _add(kind, entry, {}, _DETAILS)


def _add(
    kind: type[GatepostError],
    entry: dict[str, Any],
    fields: Mapping[str, Text | str],
    details: Mapping[type[GatepostError], Mapping[str, object]],
) -> None:
    if kind in _DETAILS:
        entry["model"] = ChallengeErrorEnvelope
    examples = entry["content"]["application/json"]["examples"]
    examples[kind.code] = {
        "summary": str(kind.standard()),
        "value": error_body(kind.code, str(kind.standard()), _fields(kind, fields), details.get(kind)),
    }
    entry["description"] = " or ".join(examples)


def _fields(kind: type[GatepostError], fields: Mapping[str, Text | str]) -> dict[str, str] | None:
    """Return the example of an error's `fields`; None where it has none."""
    if not issubclass(kind, errors.ValidationFailed):
        return None
    if issubclass(kind, errors.Conflict | errors.RejectedByDatabase):
        fields = {name: accepted for name, accepted in fields.items() if name in {"email", "name"}}
    return {name: str(_OF_FIELD.get(kind, accepted)) for name, accepted in fields.items()}
