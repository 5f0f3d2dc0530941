"""Forms as browsers send them: read exactly, and only if they are ours."""

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import parse_qsl

from starlette.requests import Request

from gatepost.errors import ValidationFailed
from gatepost.models.bounds import FORM_FIELDS_MAX
from gatepost.texts import Text

MEDIA_TYPE = b"application/x-www-form-urlencoded"

TOKEN = "form_token"  # noqa: S105 - the name of a field
"""The field that holds the form's token."""

PASSWORDS = frozenset({"password", "new_password", "current", "new"})
"""The fields that hold a password: no page shows or keeps what was typed into them."""

Form = Mapping[str, str]
"""Name of a field → what was typed; a field that a form may lack is asked for with `get`."""


async def read_form(request: Request) -> Form:
    """Return what a form was sent with.

    Raises:
        ValidationFailed: it is not in UTF-8, has very many fields, or one of them twice (ASVS 15.3.7).
    """
    body = await request.body()
    if not body:
        return MappingProxyType({})
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=FORM_FIELDS_MAX,
        )
    except ValueError:
        raise ValidationFailed({}, Text("error.validation_failed.form")) from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValidationFailed({}, Text("error.validation_failed.form"))
    return MappingProxyType(fields)
