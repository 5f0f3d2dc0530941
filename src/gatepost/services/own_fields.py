"""What an application asks for at registration, besides e-mail, name and password."""

import traceback
from collections.abc import Iterator, Mapping

from pydantic import AliasChoices, AliasPath, BaseModel, RootModel, ValidationError
from pydantic.fields import FieldInfo

from gatepost.errors import HookFailed
from gatepost.services.field_problems import described
from gatepost.texts import Text

TAKEN = frozenset(
    {
        "email",
        "name",
        "password",
        "cookie",
        "remember",
        "invitation",
        "form_token",
        "next",
        "token",
        "code",
        "challenge",
        "credential",
        "followed",
    }
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
        names: that may be sent.
        fields: of the model, by the name that the document has for each.

    Raises:
        ValueError: a field has a name that Gatepost has taken, or there are none.
    """

    def __init__(self, model: type[BaseModel] | None) -> None:
        self.model = model
        if model is not None and issubclass(model, RootModel):
            raise ValueError("registration: a RootModel has no fields: use a BaseModel with one for each")
        by_name, declared = False, {}
        if model is not None:
            config, declared = model.model_config, model.model_fields
            by_name = bool(config.get("populate_by_name") or config.get("validate_by_name"))
        called = {name: list(_names(name, field, by_name=by_name)) for name, field in declared.items()}
        self.names = frozenset(each for names in called.values() for each in names)
        self.fields = {names[0]: declared[name] for name, names in called.items()}
        if taken := sorted(self.names & TAKEN):
            raise ValueError(f"registration: Gatepost has a field {taken[0]!r} of its own: use another name")

    def read(self, given: Mapping[str, object]) -> tuple[BaseModel | None, dict[str, Text]]:
        """Return what was sent as the model has it, and what is wrong with which field.

        What is sent without a model is passed over: the body of a registration may hold more.

        Raises:
            HookFailed: a validator raised something that is no answer.
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
                problems.setdefault(".".join(map(str, each["loc"])) or _WHOLE, described(each))
            return None, problems
        except Exception as error:
            # Its own words may quote what was sent, which no log is to have.
            place = traceback.extract_tb(error.__traceback__)[-1]
            raise HookFailed(
                f"registration: a validator raised {type(error).__name__}, no ValueError, in {place.name}"
                f" ({place.filename}:{place.lineno})"
            ) from None
        return fields, problems


def _is_storable(value: object) -> bool:
    """Say whether PostgreSQL has a place for every character of a value, which a hook is going to store."""
    parts = [value]  # no calls of calls: a value may be nested deeper than those may be
    while parts:
        part = parts.pop()
        if isinstance(part, str):
            if any(each == "\0" or "\ud800" <= each <= "\udfff" for each in part):
                return False
        elif isinstance(part, Mapping):
            parts += [*part.keys(), *part.values()]
        elif isinstance(part, list):
            parts += part
    return True


def _names(name: str, field: FieldInfo, *, by_name: bool) -> Iterator[str]:
    """Yield what a field may be called where it is sent, beginning with what the document calls it."""
    alias = field.validation_alias
    for each in alias.choices if isinstance(alias, AliasChoices) else (alias,):
        if each is not None:
            yield str(each.path[0]) if isinstance(each, AliasPath) else each
    if alias is None or by_name:
        yield name
