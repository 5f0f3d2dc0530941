"""The API's table of contents: everything asks for a session but what stands on a `public` router."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from gatepost.errors import GatepostError, MethodNotAllowed, NotFound, SecondFactorRequired
from gatepost.feature import Feature
from gatepost.http import browser, errors
from gatepost.http.api import (
    accounts,
    checks,
    events,
    factors,
    housekeeping,
    passwords,
    profiles,
    responses,
    sessions,
    user_ids,
)
from gatepost.http.api.admin import events as admin_events
from gatepost.http.api.admin import overview as admin_overview
from gatepost.http.api.admin import sessions as admin_sessions
from gatepost.http.api.admin import users as admin_users
from gatepost.http.api.feature import Api
from gatepost.http.api.requests import NewAccount, PerhapsNewAccount
from gatepost.http.as_get import Handshakes, Heads
from gatepost.http.cors import sharing
from gatepost.http.dependencies import edge_of
from gatepost.http.docs import docs_router
from gatepost.http.edge import Edge
from gatepost.http.embedding import Unembedded
from gatepost.http.hot import HotEndpoints, HotPaths
from gatepost.http.middleware import BodyGuard, RequestLog
from gatepost.services.own_fields import OwnFields

_ADMIN = (admin_overview, admin_users, admin_sessions, admin_events)
_CLOSED = (checks, profiles, sessions, passwords, factors, events, housekeeping, *_ADMIN)
_PUBLIC = (accounts,)


def create_api(edge: Edge, *, prefix: str) -> ASGIApp:
    """Return the API as an application of its own, to be mounted at `prefix`."""
    settings = edge.gate.settings
    api = FastAPI(
        title="Gatepost",
        summary="Authentication in your own PostgreSQL.",
        version="1",
        docs_url=None,
        redoc_url=None,
        root_path_in_servers=False,
        servers=[{"url": settings.root_path}] if settings.root_path else None,
        redirect_slashes=False,
        middleware=[
            Middleware(RequestLog, headers=edge.headers),
            Middleware(Heads),
            *sharing(edge),
            Middleware(Unembedded, edge=edge),
            Middleware(BodyGuard),
        ],
        exception_handlers={
            SecondFactorRequired: _on_step_due,
            GatepostError: errors.on_gatepost_error,  # type: ignore[dict-item]  # takes WebSockets too
            RequestValidationError: errors.on_validation_error,
            HTTPException: _on_http_exception,
        },
    )
    endpoints = HotEndpoints(edge)
    api.state.gatepost, api.state.gatepost_edge, api.state.gatepost_endpoints = edge.gate, edge, endpoints
    # The routes as they were made when their modules were loaded: including their routers would make each of
    # them anew, for every application, which takes longer than all the rest of a start.
    api.router.routes.extend(_routes(edge.gate.features))
    if settings.environment != "production":
        api.include_router(docs_router(edge, prefix=prefix))
    edge.document = _document(api, edge, prefix)
    return Handshakes(HotPaths(api, endpoints))


def _of(features: Iterable[Feature]) -> list[Api]:
    return [feature.api() for feature in features if feature.api is not None]


def _routes(features: Iterable[Feature]) -> Iterator[APIRoute]:
    theirs = _of(features)
    public = (*(noun.public for noun in _PUBLIC), *(router for api in theirs for router in api.public))
    closed = (*(noun.router for noun in _CLOSED), *(router for api in theirs for router in api.closed))
    for router in (*public, *closed):
        yield from (route for route in router.routes if isinstance(route, APIRoute))


def _documented(api: FastAPI) -> Iterator[APIRoute]:
    return (route for route in api.routes if isinstance(route, APIRoute) and route.include_in_schema)


async def _on_step_due(request: Request, error: Exception) -> Response:
    """Answer that one more step is due; a browser is given what answers it as a cookie."""
    if not isinstance(error, SecondFactorRequired):
        raise error
    response = errors.render(error)
    if error.by_cookie:
        browser.keep_challenge(response, edge_of(request.scope), error)
    return response


async def _on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses; a 405 names every method of its path, of whichever route it is.

    The framework names those of the first route alone (RFC 9110 §15.5.6 asks for all).
    """
    response = await errors.on_http_exception(request, error)
    if response.status_code == 405:
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        matching = [route for route in _documented(request.app) if route.path_regex.match(path)]
        # A path without parameters is not the one of which it could be an id, and a longer one is not what
        # takes slashes as well.
        longest = max((route.path.count("/") for route in matching), default=0)
        own = [route for route in matching if route.path == path]
        own = own or [route for route in matching if route.path.count("/") == longest]
        methods = {method for route in own for method in route.methods or ()}
        if "GET" in methods:
            methods.add("HEAD")
        if methods:
            response.headers["Allow"] = ", ".join(sorted(methods))
    return response


def _document(api: FastAPI, edge: Edge, prefix: str) -> Callable[[], dict[str, Any]]:
    """Have the OpenAPI document name the paths as callers see them, and users' ids in the type they have.

    Returns:
        What returns it, once the Gatepost is open.
    """
    generate = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            document = generate()
            _restore_examples(api, document)
            _add_errors(edge.gate.features, document)
            _name_codes(document)
            _add_own_fields(edge.gate.own_fields, document)
            document["paths"] = {prefix + path: item for path, item in document["paths"].items()}
            api.openapi_schema = user_ids.describe(document, edge.gate.user_ids)
        return api.openapi_schema or {}

    api.openapi = openapi  # type: ignore[method-assign]  # FastAPI documents this way of extending it
    return openapi


def _restore_examples(api: FastAPI, document: dict[str, Any]) -> None:
    """Put the examples back as they were written: FastAPI leaves out what is null in them."""
    for route in _documented(api):
        for method in route.methods or ():
            documented = document["paths"][route.path_format][method.lower()]["responses"]
            for status, response in route.responses.items():
                for media_type, content in response.get("content", {}).items():
                    documented[str(status)]["content"][media_type].update(content)


def _name_codes(document: dict[str, Any]) -> None:
    """Have the document name every code that some operation may answer with."""
    answers = [
        answer
        for item in document["paths"].values()
        for operation in item.values()
        for answer in operation["responses"].values()
    ]
    codes = {code for answer in answers for code in _examples(answer)} | {
        NotFound.code,
        MethodNotAllowed.code,
    }
    document["components"]["schemas"]["ErrorInfo"]["properties"]["code"]["enum"] = sorted(codes)


def _add_own_fields(own: OwnFields, document: dict[str, Any]) -> None:
    """Have what makes an account show what the application asks for, and nothing else be accepted."""
    if own.model is None:
        return
    asked = own.model.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = document["components"]["schemas"]
    schemas |= {name: schema for name, schema in asked.get("$defs", {}).items() if name not in schemas}
    always = {each.__name__ for each in NewAccount.__subclasses__()}
    for name in schemas.keys() & (always | {each.__name__ for each in PerhapsNewAccount.__subclasses__()}):
        body = schemas[name]
        body["properties"] |= asked.get("properties", {})
        if name in always:
            body["required"] = [*body["required"], *asked.get("required", [])]
        body["additionalProperties"] = own.model.model_config.get("extra") == "allow"


def _examples(answer: dict[str, Any]) -> Iterable[str]:
    examples: dict[str, Any] = answer.get("content", {}).get("application/json", {}).get("examples", {})
    return examples


def _add_errors(features: Iterable[Feature], document: dict[str, Any]) -> None:
    """Add what operations may also answer with, because of features."""
    more = [api.errors for api in _of(features)]
    for item in document["paths"].values():
        for operation in item.values():
            for errors_of in more:
                responses.add(operation["responses"], errors_of.get(operation["operationId"], ()))
