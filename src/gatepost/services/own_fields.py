"""What an application asks for at registration, besides e-mail, name and password."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel, ValidationError

from gatepost.texts import Text

TAKEN = frozenset(
    {"email", "name", "password", "cookie", "remember", "invitation", "form_token", "next", "token"}
)
"""Fields of registration and of its form that are Gatepost's."""

_WHOLE = "registration"
"""What a rule about several fields is told under."""


class OwnFields:
    """Reads these fields into the model that the application gave; without one there are none.

    Args:
        model: has a field for each.

    Attributes:
        model: as given.
        names: of the fields, as they are sent.

    Raises:
        ValueError: a field has a name that Gatepost has taken.
    """

    def __init__(self, model: type[BaseModel] | None) -> None:
        self.model = model
        self.names = frozenset(() if model is None else _names(model))
        if taken := sorted(self.names & TAKEN):
            raise ValueError(f"registration: Gatepost has a field {taken[0]!r} of its own: use another name")

    def read(self, given: Mapping[str, object]) -> tuple[BaseModel | None, dict[str, Text]]:
        """Return what was sent as the model has it, and what is wrong with which field.

        What is sent without a model is passed over: the body of a registration may hold more.
        """
        if self.model is None:
            return None, {}
        problems = {}
        if self.model.model_config.get("extra") != "allow":
            problems = {name: Text("field.unknown") for name in given if name not in self.names}
        problems |= {name: Text("field.rejected") for name, value in given.items() if not _is_storable(value)}
        try:
            fields = self.model.model_validate({k: v for k, v in given.items() if k not in problems})
        except ValidationError as error:
            for each in error.errors(include_url=False, include_input=False):
                problems.setdefault(".".join(map(str, each["loc"])) or _WHOLE, _told(each))
            return None, problems
        return fields, problems


def _is_storable(value: object) -> bool:
    """Say whether PostgreSQL has a place for every character of a value, which a hook is going to store."""
    if isinstance(value, str):
        return not any(each == "\0" or "\ud800" <= each <= "\udfff" for each in value)
    if isinstance(value, Mapping):
        return all(_is_storable(part) for pair in value.items() for part in pair)
    return all(map(_is_storable, value)) if isinstance(value, list) else True


def _names(model: type[BaseModel]) -> Iterator[str]:
    """Yield what the fields of a model may be called where they are sent."""
    config = model.model_config
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        if alias is None or by_name:
            yield name
        for each in alias.choices if isinstance(alias, AliasChoices) else (alias,):
            if each is not None:
                yield str(each.path[0]) if isinstance(each, AliasPath) else each


def _told(problem: Any) -> Text:  # noqa: ANN401 - pydantic's details of an error
    """Return what pydantic found as a sentence; rules of the application speak for themselves."""
    if problem["type"] == "missing":
        return Text("field.required")
    raised = problem.get("ctx", {}).get("error")
    return Text.verbatim(str(raised) if isinstance(raised, ValueError) else problem["msg"])
