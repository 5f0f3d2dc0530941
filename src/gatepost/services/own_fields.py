"""What an application asks for at registration, besides e-mail, name and password."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

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
        fields: Mapping[str, Any] = {} if model is None else model.model_fields
        self.names = frozenset(field.alias or name for name, field in fields.items())
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
        try:
            fields = self.model.model_validate({k: v for k, v in given.items() if k not in problems})
        except ValidationError as error:
            for each in error.errors(include_url=False, include_input=False):
                problems.setdefault(".".join(map(str, each["loc"])) or _WHOLE, _told(each))
            return None, problems
        return fields, problems


def _told(problem: Any) -> Text:  # noqa: ANN401 - pydantic's details of an error
    """Return what pydantic found as a sentence; rules of the application speak for themselves."""
    if problem["type"] == "missing":
        return Text("field.required")
    raised = problem.get("ctx", {}).get("error")
    return Text.verbatim(str(raised) if isinstance(raised, ValueError) else problem["msg"])
