"""How every answer looks: `{"data", "message", "success"}`, errors with `error.code` besides."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

encode = msgspec.json.encode

Data = TypeVar("Data")


class Envelope(BaseModel, Generic[Data]):
    """What a successful answer has around its data."""

    model_config = ConfigDict(frozen=True)

    data: Data
    message: str
    success: Literal[True]


class ErrorInfo(BaseModel):
    """What a program reads of an error: its stable `code`; `hint` is for developers, in development only."""

    code: str
    hint: str | None = None


class ErrorEnvelope(BaseModel):
    """Every error there is looks like this."""

    data: None
    message: str
    success: Literal[False]
    error: ErrorInfo


class ChallengeInfo(ErrorInfo):
    """What a program reads where a sign-in may wait for one more step; a cookie may hold the challenge."""

    challenge: str | None = None
    methods: list[str] | None = None
    expires_at: datetime | None = None


class ChallengeErrorEnvelope(ErrorEnvelope):
    """The errors of a sign-in, one of which is that one more step is due."""

    error: ChallengeInfo


class ValidationErrorInfo(ErrorInfo):
    """What a program reads of an error about fields: also, for each that does not fit, what does."""

    code: Literal["validation_failed", "password_too_common", "password_is_context", "rejected_by_database"]
    fields: dict[str, str]


class ValidationErrorEnvelope(ErrorEnvelope):
    """The errors that say more than their code."""

    error: ValidationErrorInfo


def success(data: object, message: str, *, status: int = 200) -> Response:
    """Return the answer that carries `data`."""
    body = encode({"data": data, "message": message, "success": True})
    return Response(body, status_code=status, media_type="application/json")


def error_body(
    code: str,
    message: str,
    fields: dict[str, str] | None = None,
    details: Mapping[str, object] | None = None,
) -> dict[str, Any]:
    """Return the body of an error."""
    error: dict[str, Any] = {"code": code, **(details or {})}
    if fields is not None:
        error["fields"] = fields
    return {"data": None, "message": message, "success": False, "error": error}
