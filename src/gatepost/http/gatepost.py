"""`Gatepost`: what a user's application opens, installs and asks."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.types import Scope

from gatepost.errors import GatepostError
from gatepost.gate import Gate
from gatepost.http.api.routes import create_api
from gatepost.http.client import ClientResolver
from gatepost.http.dependencies import CurrentSessionScheme
from gatepost.http.errors import on_gatepost_error
from gatepost.models import Client, User
from gatepost.services.clock import Clock, database_clock
from gatepost.settings import Settings

Hook = TypeVar("Hook", bound=Callable[[Any, User], Awaitable[None]])


class Gatepost(Gate):
    """Authentication for an ASGI application.

        auth = Gatepost()
        app = FastAPI(lifespan=auth.lifespan)
        auth.install(app)

    Args:
        settings: how to work; the environment and `.env` decide where none are given.
        prefix: where the API stands.
        clock: what time it is; the database's clock where none is given.

    Attributes:
        current_session: a dependency as `CurrentSession` is, of this very instance, for an application
            that has several: `Annotated[Session, Depends(staff.current_session)]`.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        prefix: str = "/api/auth",
        clock: Clock = database_clock,
    ) -> None:
        super().__init__(settings, clock=clock)
        if not prefix.startswith("/") or prefix.endswith("/"):
            raise ValueError("prefix must begin with a slash and not end with one, as /api/auth does")
        self.prefix = prefix
        self.clients = ClientResolver(self.settings.trusted_proxies)
        self.current_session = CurrentSessionScheme(self)
        self._register_hooks: list[Callable[[Any, User], Awaitable[None]]] = []

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """Be open while the application runs: `FastAPI(lifespan=auth.lifespan)`.

        Inside a lifespan of your own: `async with auth.lifespan(app): yield`.
        """
        await self.open()
        self.accounts.run_on_register(self._register_hooks)
        try:
            yield
        finally:
            await self.close()

    def install(self, app: Starlette) -> None:
        """Put the API on an application at `prefix`, and make `CurrentSession` work in its routes.

        The API is mounted as an application of its own: its errors and limits stay its own.
        """
        app.mount(self.prefix, create_api(self, prefix=self.prefix, clients=self.clients))
        if not hasattr(app.state, "gatepost"):
            # The first one installed is the one that a plain `CurrentSession` means.
            app.state.gatepost, app.state.gatepost_clients = self, self.clients
        app.add_exception_handler(GatepostError, on_gatepost_error)  # type: ignore[arg-type]  # takes WebSockets too

    def on_register(self, hook: Hook) -> Hook:
        """Have `hook(conn, user)` called inside the transaction of every registration.

        It writes on `conn`, the transaction's connection; if it raises, nothing was registered. It has
        the same deadline as every statement of a request, `DATABASE_TIMEOUT_SECONDS`.
        """
        self._register_hooks.append(hook)
        return hook

    def client_of(self, scope: Scope) -> Client:
        """Return who is at the other end of an ASGI scope."""
        return self.clients.client_of(scope)
