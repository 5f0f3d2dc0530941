"""Users' ids in requests and answers: numbers or strings, by the type that the database has.

Which one is known once the database is: so what OpenAPI says of them is put in when somebody asks for it.
"""

from typing import Annotated, Any, TypeAlias
from uuid import UUID

from fastapi import Depends, Path, Query
from pydantic import StrictInt, StrictStr, WithJsonSchema

from gatepost.errors import NotFound, ValidationFailed
from gatepost.http.dependencies import CurrentGate
from gatepost.models import UserId, UserIdType
from gatepost.models.bounds import USER_ID_MAX

_MARK = {"format": "gatepost-user-id"}
_REFERENCE = {"$ref": "#/components/schemas/UserId"}
_BESIDE = ("description", "default")
_STRINGS = {UserIdType.UUID: "a UUID", UserIdType.TEXT: f"a text of up to {USER_ID_MAX} characters"}
_UUID_7 = UUID("017f22e2-79b0-7cc3-98c4-dc0c0c07398f")

ShownUserId: TypeAlias = Annotated[UserId, WithJsonSchema(_MARK)]
"""An id in an answer."""

GivenUserId: TypeAlias = Annotated[StrictInt | StrictStr, WithJsonSchema(_MARK)]
"""An id in a body; `parsed` reads it."""


_Text: TypeAlias = Annotated[str, WithJsonSchema(_MARK)]


class ExampleUserId(int):
    """An id in an example, which is shown in the type that ids have."""


def parsed(given: int | str | None, ids: UserIdType, field: str) -> UserId | None:
    """Return the id that a body names, if any.

    Raises:
        ValidationFailed: it can be none.
    """
    if given is None:
        return None
    is_of_type = isinstance(given, int) == (ids.highest is not None)
    return _accepted(ids.parse(str(given)) if is_of_type else None, ids, field)


def _accepted(found: UserId | None, ids: UserIdType, field: str) -> UserId:
    if found is not None:
        return found
    if ids.highest is not None:
        raise ValidationFailed({field: f"Enter the ID of a user, a number up to {ids.highest}"})
    raise ValidationFailed({field: f"Enter the ID of a user, {_STRINGS[ids]}"})


async def _of_path(
    gate: CurrentGate,
    text: Annotated[_Text, Path(alias="id", description="Of the user.")],
) -> UserId:
    ids = gate.user_ids
    found = ids.parse(text)
    if found is None and ids.highest is not None and UserIdType.BIGINT.parse(text) is not None:
        raise NotFound  # a number, but none that the column holds
    return _accepted(found, ids, "id")


async def _of_query(
    gate: CurrentGate,
    text: Annotated[_Text | None, Query(alias="user", description="Of the user with this id.")] = None,
) -> UserId | None:
    return None if text is None else _accepted(gate.user_ids.parse(text), gate.user_ids, "user")


async def _of_query_by(
    gate: CurrentGate,
    text: Annotated[
        _Text | None, Query(alias="by", description="Done by the administrator with this id.")
    ] = None,
) -> UserId | None:
    return None if text is None else _accepted(gate.user_ids.parse(text), gate.user_ids, "by")


PathUserId: TypeAlias = Annotated[UserId, Depends(_of_path)]
"""The `id` in a path. A route names it after whom it asks for: who may not ask learns nothing of ids."""

QueryUserId: TypeAlias = Annotated[UserId | None, Depends(_of_query)]
"""The parameter `user` of a query."""

QueryActorId: TypeAlias = Annotated[UserId | None, Depends(_of_query_by)]
"""The parameter `by` of a query."""


def describe(document: dict[str, Any], ids: UserIdType) -> dict[str, Any]:
    """Return an OpenAPI document with a schema `UserId`, and examples, of the type that ids have."""
    described: dict[str, Any] = with_examples(document, ids)
    described["components"]["schemas"]["UserId"] = {
        "title": "UserId",
        "description": "Id of a user, of the type that the column users.id has.",
        **_shape(ids),
    }
    return described


def with_examples(part: Any, ids: UserIdType) -> Any:  # noqa: ANN401 - a part of a JSON document
    """Return a part of a document with the ids in its examples of this type."""
    if isinstance(part, ExampleUserId):
        return _example(part, ids)
    if isinstance(part, list):
        return [with_examples(each, ids) for each in part]
    if not isinstance(part, dict):
        return part
    if _is_id(part):
        return {name: each for name, each in part.items() if name in _BESIDE} | _REFERENCE
    if any(_is_id(choice) for choice in part.get("anyOf", ())) and "examples" in part:
        part = part | {"examples": [_example(each, ids) for each in part["examples"]]}
    return {name: with_examples(each, ids) for name, each in part.items()}


def _is_id(schema: Any) -> bool:  # noqa: ANN401 - as `with_examples`
    return isinstance(schema, dict) and schema.get("format") == _MARK["format"]


def _shape(ids: UserIdType) -> dict[str, Any]:
    if ids is UserIdType.UUID:
        return {"type": "string", "format": "uuid"}
    if ids is UserIdType.TEXT:
        return {"type": "string", "minLength": 1, "maxLength": USER_ID_MAX}
    return {"type": "integer", "minimum": 1, "maximum": ids.highest}


def _example(number: int, ids: UserIdType) -> int | str:
    """Return an id: of a UUID the one that RFC 9562 has as its example of version 7, counted on."""
    return int(number) if ids.highest is not None else str(UUID(int=_UUID_7.int + number - 1))
