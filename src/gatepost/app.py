"""The stand-alone application, assembled here and nowhere else."""

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse

from gatepost.http.errors import on_http_exception
from gatepost.http.gatepost import Gatepost
from gatepost.http.middleware import RequestLog
from gatepost.services.clock import Clock, database_clock
from gatepost.settings import Settings


def create_app(settings: Settings | None = None, *, clock: Clock = database_clock) -> FastAPI:
    """Return the application that `gatepost serve` runs; nothing is opened before its lifespan begins."""
    auth = Gatepost(settings, clock=clock)
    app = FastAPI(
        lifespan=auth.lifespan,
        openapi_url=None,
        redirect_slashes=False,
        middleware=[Middleware(RequestLog)],
        exception_handlers={HTTPException: on_http_exception},
    )
    auth.install(app)
    if auth.settings.environment != "production":

        @app.get("/")
        async def home(_: Request) -> RedirectResponse:
            return RedirectResponse(f"{auth.prefix}/docs")

    return app
