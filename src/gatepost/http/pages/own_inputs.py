"""The inputs of a sign-up form for what the application asks for at registration, read from its model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic.fields import FieldInfo

from gatepost.http.pages.forms import Form
from gatepost.services.own_fields import TAKEN, OwnFields

_STRINGS = {
    "date": "date",
    "date-time": "datetime-local",
    "email": "email",
    "password": "password",
    "time": "time",
    "uri": "url",
}
"""Format of a string in JSON Schema → type of its input; any other is text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnInput:
    """One input of the form.

    Attributes:
        name, label, hint: of the field, its title and its description.
        kind: `checkbox`, `choice`, or the type of an `<input>`.
        required: the form can't be sent without it.
        value: what it begins with.
        options: of a choice.
        attributes: bounds, as HTML has them.
    """

    name: str
    label: str
    hint: str | None
    kind: str
    required: bool
    value: str | bool | None
    options: Sequence[str] = ()
    attributes: Mapping[str, object] = field(default_factory=dict)


def own_inputs(own: OwnFields) -> tuple[list[OwnInput], list[str]]:
    """Return the inputs, and the names of required fields that no plain input can hold, such as lists."""
    if own.model is None:
        return [], []
    document = own.model.model_json_schema()
    definitions = document.get("$defs", {})
    # One that refers to itself is among its definitions.
    properties = _plain(document, definitions)["properties"]
    schemas = {name: _plain(each, definitions) for name, each in properties.items()}
    inputs, without = [], []
    for name, declared in own.fields.items():
        made = _input(name, declared, schemas.get(name, {}))
        if made is not None:
            inputs.append(made)
        elif declared.is_required():
            without.append(name)
    return inputs, without


def filled_in(inputs: Sequence[OwnInput], own: Mapping[str, object]) -> list[OwnInput]:
    """Return inputs that begin with what was given for them before."""
    return [replace(each, value=_shown(own[each.name])) if each.name in own else each for each in inputs]


def _shown(value: object) -> str | bool | None:
    return value if isinstance(value, bool) or value is None else str(value)


def typed_fields(inputs: Sequence[OwnInput], form: Form) -> dict[str, object]:
    """Return what was typed for these fields, and for those that a template of one's own asks for.

    What was left empty was not sent. A browser sends nothing for a box that is not ticked: that is a no.
    """
    own: dict[str, object] = {name: value for name, value in form.items() if name not in TAKEN and value}
    for each in inputs:
        if each.kind == "checkbox" and (each.name in form or not each.required):
            own[each.name] = each.name in form
    return own


def _plain(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema without its references, and without null where that is one of two things allowed."""
    if "$ref" in schema:
        named = definitions[schema["$ref"].rpartition("/")[2]]
        return _plain({**named, **{key: each for key, each in schema.items() if key != "$ref"}}, definitions)
    allowed = [_plain(each, definitions) for each in schema.get("anyOf", ())]
    allowed = [each for each in allowed if each.get("type") != "null"]
    # A Decimal may be a number or a string.
    chosen = next((each for each in allowed if each.get("type") == "number"), None)
    if chosen is None and len(allowed) == 1:
        chosen = allowed[0]
    return schema if chosen is None else {**schema, **chosen}


def _input(name: str, declared: FieldInfo, schema: Mapping[str, Any]) -> OwnInput | None:
    kind, options = _kind(schema)
    if kind is None:
        return None
    default = schema.get("default")
    return OwnInput(
        name=name,
        label=declared.title or name.replace("_", " ").capitalize(),
        hint=declared.description,
        kind=kind,
        required=_must_be_given(kind, schema, declared),
        value=default is True if kind == "checkbox" else None if default is None else str(default),
        options=options,
        attributes={} if kind in {"checkbox", "choice"} else _bounds(schema, kind),
    )


def _must_be_given(kind: str, schema: Mapping[str, Any], declared: FieldInfo) -> bool:
    if kind == "checkbox":
        return schema.get("const") is True  # to any other, no is an answer as well
    return declared.is_required() or (kind == "choice" and schema.get("default") is not None)


def _kind(schema: Mapping[str, Any]) -> tuple[str | None, Sequence[str]]:
    if schema.get("type") == "boolean" and schema.get("const", True) is True:
        return "checkbox", ()
    if options := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return "choice", [str(option) for option in options]
    match schema.get("type"):
        case "integer" | "number":
            return "number", ()
        case "string":
            return _STRINGS.get(schema.get("format", ""), "text"), ()
    return None, ()


def _bounds(schema: Mapping[str, Any], kind: str) -> dict[str, object]:
    if kind != "number":
        return {"minlength": schema.get("minLength"), "maxlength": schema.get("maxLength")}
    is_whole = schema["type"] == "integer"
    beyond = 1 if is_whole else 0  # HTML has no bound that is itself excluded
    least, most = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    return {
        "min": schema.get("minimum") if least is None else least + beyond,
        "max": schema.get("maximum") if most is None else most - beyond,
        "step": schema.get("multipleOf", 1 if is_whole else "any"),
    }
