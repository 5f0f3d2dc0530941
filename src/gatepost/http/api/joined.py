"""One OpenAPI document for an application and the API in it."""

from collections.abc import Callable
from typing import Any, TypeAlias

from fastapi import FastAPI

Document: TypeAlias = dict[str, Any]

_REFERENCE = "#/components/schemas/"


def join(app: FastAPI, api: Callable[[], Document]) -> None:
    """Have the document of an application hold the API's operations as well.

    Args:
        app: the application.
        api: returns the API's document, its paths as callers of the application see them.
    """
    generate = app.openapi

    def openapi() -> Document:
        if app.openapi_schema is None:
            app.openapi_schema = joined(generate(), api())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI documents this way of extending it


def joined(own: Document, ours: Document) -> Document:
    """Return the document of both; what is the application's keeps its names."""
    theirs = own.get("components", {}).get("schemas", {})
    schemas = ours["components"]["schemas"]
    taken = {name for name, schema in schemas.items() if theirs.get(name, schema) != schema}
    paths, schemas = _renamed([ours["paths"], schemas], {name: f"Gatepost{name}" for name in taken})
    components = {
        kind: own.get("components", {}).get(kind, {}) | ours["components"].get(kind, {})
        for kind in {*own.get("components", {}), *ours["components"]} - {"schemas"}
    }
    components["schemas"] = theirs | {
        f"Gatepost{name}" if name in taken else name: schema for name, schema in schemas.items()
    }
    return {**own, "paths": paths | own["paths"], "components": components}


def _renamed(part: Any, names: dict[str, str]) -> Any:  # noqa: ANN401 - any piece of JSON
    """Return a piece of a document whose references name schemas as they are called now."""
    match part:
        case {"$ref": str(reference)} if reference.removeprefix(_REFERENCE) in names:
            return {**part, "$ref": _REFERENCE + names[reference.removeprefix(_REFERENCE)]}
        case dict():
            return {key: _renamed(value, names) for key, value in part.items()}
        case list():
            return [_renamed(value, names) for value in part]
    return part
