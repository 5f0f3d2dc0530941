"""The pages' table of contents."""

from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Scope

from gatepost.errors import (
    EmailTaken,
    GatepostError,
    InternalError,
    InvalidCredentials,
    MethodNotAllowed,
    NotFound,
)
from gatepost.http.dependencies import (
    AdminSessionScheme,
    CurrentSessionScheme,
    FreshAdminSessionScheme,
    FreshSessionScheme,
)
from gatepost.http.edge import Edge
from gatepost.http.errors import last_resort
from gatepost.http.middleware import BodyGuard, RequestLog
from gatepost.http.pages import (
    account,
    activity,
    confirm,
    delete,
    devices,
    email,
    export,
    password,
    setup,
    sign_in,
    sign_out,
    sign_up,
)
from gatepost.http.pages.admin import end_sessions, events, invitations, overview, sessions, user, users
from gatepost.http.pages.assets import SVG_POLICY, Assets
from gatepost.http.pages.forms import MEDIA_TYPE
from gatepost.http.pages.page import Page, error_page, refused
from gatepost.http.pages.site import Site
from gatepost.http.pages.visit import Visit
from gatepost.log import get_logger

log = get_logger("gatepost.http")

PAGES = (
    Page(path="/sign-in", show=sign_in.show, submit=sign_in.submit),
    Page(path="/sign-up", show=sign_up.show, submit=sign_up.submit, fields={EmailTaken: "email"}),
    Page(path="/setup", show=setup.show, submit=setup.submit, fields={EmailTaken: "email"}),
    Page(path="/sign-out", show=sign_out.show, submit=sign_out.submit),
    Page(
        path="/confirm",
        show=confirm.show,
        submit=confirm.submit,
        who=CurrentSessionScheme,
        fields={InvalidCredentials: "password"},
    ),
    Page(path="/account", show=account.show, submit=account.submit, who=CurrentSessionScheme),
    Page(
        path="/account/password",
        show=password.show,
        submit=password.submit,
        who=CurrentSessionScheme,
        fields={InvalidCredentials: "current"},
    ),
    Page(
        path="/account/email",
        show=email.show,
        submit=email.submit,
        who=CurrentSessionScheme,
        fields={InvalidCredentials: "password", EmailTaken: "email"},
    ),
    Page(path="/account/export", show=export.show, submit=export.submit, who=FreshSessionScheme),
    Page(
        path="/account/delete",
        show=delete.show,
        submit=delete.submit,
        who=FreshSessionScheme,
        fields={InvalidCredentials: "password"},
    ),
    Page(path="/activity", show=activity.show, who=CurrentSessionScheme),
    Page(path="/devices", show=devices.show, submit=devices.submit, who=CurrentSessionScheme),
    Page(path="/admin", show=overview.show, who=FreshAdminSessionScheme),
    Page(path="/admin/users", show=users.show, who=FreshAdminSessionScheme),
    Page(path="/admin/users/{id}", show=user.show, submit=user.submit, who=FreshAdminSessionScheme),
    Page(
        path="/admin/invitations",
        show=invitations.show,
        submit=invitations.submit,
        who=FreshAdminSessionScheme,
    ),
    Page(path="/admin/sessions", show=sessions.show, submit=sessions.submit, who=FreshAdminSessionScheme),
    Page(
        path="/admin/sessions/end",
        show=end_sessions.show,
        submit=end_sessions.submit,
        who=FreshAdminSessionScheme,
    ),
    Page(path="/admin/events", show=events.show, who=FreshAdminSessionScheme),
    Page(path="/admin/events/export", show=events.show, submit=events.export, who=FreshAdminSessionScheme),
    # As the API's stream: what began on a page goes on when the session is no longer fresh.
    Page(path="/admin/events/live", show=events.live, who=AdminSessionScheme),
)


def create_pages(edge: Edge) -> ASGIApp:
    """Return the pages as an application of its own, to be mounted.

    Raises:
        SettingsError: the logo or a template of TEMPLATES_DIR can't be used.
    """
    site = Site(edge)
    site.check_templates()

    async def home(request: Request) -> Response:
        visit = Visit(site, request)
        return visit.redirect(visit.url("/account"))

    async def asset(request: Request) -> Response:
        return _asset(site.assets, request.path_params["path"])

    async def on_http_exception(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code == 405:
            response = error_page(Visit(site, request), MethodNotAllowed())
            response.headers["Allow"] = (error.headers or {}).get("Allow", "GET")
            return response
        return error_page(Visit(site, request), NotFound())

    def refuse(scope: Scope, error: GatepostError) -> ASGIApp:
        return error_page(Visit(site, Request(scope)), error)

    async def on_gatepost_error(request: Request, error: Exception) -> Response:
        # Of an answer that refuses when it is to begin, as a live stream does.
        return refused(Visit(site, request), cast("GatepostError", error))

    def fault(scope: Scope) -> ASGIApp:
        try:
            return refuse(scope, InternalError())
        except Exception:
            # One's own templates stand in the way of every page: of this one too.
            log.exception("the page of a fault can't be shown")
            return last_resort(scope)

    pages = Starlette(
        routes=[
            Route("/", home),
            Route("/assets/{path:path}", asset),
            *(page.route(site) for page in PAGES),
        ],
        middleware=[
            Middleware(RequestLog, headers=edge.headers, fault=fault),
            Middleware(BodyGuard, media_type=MEDIA_TYPE, refuse=refuse),
        ],
        exception_handlers={HTTPException: on_http_exception, GatepostError: on_gatepost_error},
    )
    pages.router.redirect_slashes = False
    return pages


def _asset(assets: Assets, path: str) -> Response:
    found = assets.get(path)
    if found is None:
        raise HTTPException(404)
    content, media_type = found
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    if media_type == "image/svg+xml":
        headers["Content-Security-Policy"] = SVG_POLICY
    return Response(content, media_type=media_type, headers=headers)
