"""The pages' table of contents."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Scope

from gatepost.errors import InternalError, MethodNotAllowed, NotFound
from gatepost.http.dependencies import CurrentSessionScheme, FreshAdminSessionScheme
from gatepost.http.edge import Edge
from gatepost.http.middleware import BodyGuard, RequestLog
from gatepost.http.pages import account, confirm, devices, sign_in, sign_out, sign_up
from gatepost.http.pages.admin import invitations, overview, user, users
from gatepost.http.pages.forms import MEDIA_TYPE
from gatepost.http.pages.page import Page, error_page
from gatepost.http.pages.site import Site
from gatepost.http.pages.visit import Visit

PAGES = (
    Page(path="/sign-in", show=sign_in.show, submit=sign_in.submit),
    Page(path="/sign-up", show=sign_up.show, submit=sign_up.submit),
    Page(path="/sign-out", show=sign_out.show, submit=sign_out.submit, who=CurrentSessionScheme),
    Page(path="/confirm", show=confirm.show, submit=confirm.submit, who=CurrentSessionScheme),
    Page(path="/account", show=account.show, submit=account.submit, who=CurrentSessionScheme),
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
        found = site.assets.get(request.path_params["path"])
        if found is None:
            raise HTTPException(404)
        content, media_type = found
        return Response(
            content,
            media_type=media_type,
            headers={"Cache-Control": "public, max-age=31536000, immutable"},
        )

    async def on_http_exception(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code == 405:
            response = error_page(Visit(site, request), MethodNotAllowed())
            response.headers["Allow"] = (error.headers or {}).get("Allow", "GET")
            return response
        return error_page(Visit(site, request), NotFound())

    def fault(scope: Scope) -> ASGIApp:
        return error_page(Visit(site, Request(scope)), InternalError())

    pages = Starlette(
        routes=[
            Route("/", home),
            Route("/assets/{path:path}", asset),
            *(page.route(site) for page in PAGES),
        ],
        middleware=[
            Middleware(RequestLog, headers=edge.headers, fault=fault),
            Middleware(BodyGuard, media_type=MEDIA_TYPE),
        ],
        exception_handlers={HTTPException: on_http_exception},
    )
    pages.router.redirect_slashes = False
    return pages
