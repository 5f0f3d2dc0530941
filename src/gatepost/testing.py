"""For tests of an application that uses Gatepost: real sign-ins on a real PostgreSQL, nothing overridden.

    @pytest.fixture(scope="session")
    def database() -> Iterator[str]:
        with temporary_database() as url:
            yield url

    @pytest.fixture
    async def alice(database: str) -> AsyncIterator[httpx.AsyncClient]:
        async with signed_in(app, auth, database, email="alice@example.com") as client:
            yield client

Works with any test runner that gives tests an asyncio event loop. Needs httpx: `pip install httpx`.
"""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatepost.db import migrate
from gatepost.db.embedded import EmbeddedServer
from gatepost.db.migrations.connect import connect
from gatepost.errors import EmailTaken, RegistrationClosed
from gatepost.feature import Feature, schemas_of
from gatepost.features import FEATURES
from gatepost.features.passkeys.settings import PasskeySettings
from gatepost.features.passkeys.soft_authenticator import SoftAuthenticator
from gatepost.features.totp.codes import PERIOD, code_at
from gatepost.library import Gatepost
from gatepost.models import Client, UserIdType
from gatepost.settings import Settings
from gatepost.settings.feature import settings_of

if TYPE_CHECKING:
    import httpx

__all__ = [
    "PASSWORD",
    "Authenticator",
    "OnDatabase",
    "Site",
    "SoftAuthenticator",
    "isolated",
    "running",
    "signed_in",
    "temporary_database",
]

T = TypeVar("T")

OnDatabase: TypeAlias = Callable[[str], AbstractAsyncContextManager[object]]
"""Is given a database's URL, and has the application's own engine work on it for a while."""

NO_FIELDS: Mapping[str, object] = MappingProxyType({})

PASSWORD = "what tests sign in with, nobody else"  # noqa: S105 - for tests
"""The password of whom `signed_in` and `Site.sign_in` sign in, unless they are told another."""


@contextmanager
def temporary_database(
    server: str | None = None,
    *,
    features: tuple[Feature, ...] = FEATURES,
    schema: str | None = None,
    user_id_type: UserIdType | str = UserIdType.INTEGER,
    before: Callable[[str], object] | None = None,
) -> Iterator[str]:
    """Yield the URL of a new database with Gatepost's schema, which is gone afterwards.

    Args:
        server: URL of any database of the PostgreSQL to make it on, with a role that may; without one an
            embedded PostgreSQL is started in a temporary directory, which takes a second or two.
        features: those that the application has.
        schema: where the tables are, as in DATABASE_SCHEMA.
        user_id_type: of `users.id`, as in USER_ID_TYPE.
        before: called with the URL before Gatepost's tables are made: for an application whose own table of
            users is adopted.

    Raises:
        SetupError: it can't be made; the message says why.
    """
    with ExitStack() as stack:
        if server is None:
            home = stack.enter_context(TemporaryDirectory(prefix="gatepost-"))
            embedded = stack.enter_context(EmbeddedServer.start(Path(home), durable=False))
            server = embedded.dsn("postgres")
        name = f"gatepost_test_{uuid4().hex[:12]}"
        url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        stack.callback(lambda: _finish(_drop(server, name)))
        if schema is not None:
            url += f"{'&' if urlsplit(url).query else '?'}search_path={schema}"
        _finish(migrate.ensure_database(url))
        if before is not None:
            _apart(before, url)
        ids = UserIdType(user_id_type)
        _finish(migrate.migrate(url, ids, features=schemas_of(features), schema=schema))
        yield url


async def _drop(server: str, name: str) -> None:
    conn = await connect(server)
    try:
        await conn.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await conn.close()


def _finish(work: Coroutine[Any, Any, object]) -> None:
    _apart(asyncio.run, work)


def _apart(work: Callable[[T], object], argument: T) -> None:
    # In a thread, because there may be an event loop in this one, which can't be run within itself.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(work, argument).result()


@contextmanager
def isolated(auth: Gatepost, database: str) -> Iterator[Settings]:
    """Have a Gatepost use another database, a key of its own and cheap password hashes for a while.

    Attempts are not limited, unless its settings say so by name: tests register and sign in often, and all
    from one address. Its other settings stay as they are. `running` and `signed_in` do this by themselves.

    Args:
        auth: not open yet.
        database: URL, as `temporary_database` yields it.
    """
    if auth.is_open:
        raise RuntimeError("This Gatepost is open already: isolate it before its application starts")
    former = auth.settings
    given = {name: getattr(former, name) for name in former.model_fields_set}
    instead = {
        "database_url": database,
        "database_schema": None,  # the URL names it
        "secret_key": secrets.token_urlsafe(48),
        "environment": "test",
        "bcrypt_rounds": 4,
        "cleanup_interval_seconds": 0,
    }
    auth.settings = settings_of(auth.features).load(
        env_file=None, **({"throttle_enabled": False} | given | instead)
    )
    try:
        yield auth.settings
    finally:
        auth.settings = former


class Authenticator:
    """An authenticator app with recovery codes, of a user whom `Site.enrol` had set one up.

    Attributes:
        recovery_codes: those that are left.
    """

    def __init__(self, secret: str) -> None:
        self._secret = base64.b32decode(secret)
        self._used = 0
        self.recovery_codes: list[str] = []

    def code(self) -> str | None:
        """Return a code that is good and was not used yet; None where the next one is still to come."""
        step = int(datetime.now(UTC).timestamp()) // PERIOD
        if self._used >= step:
            return None
        self._used = max(self._used + 1, step - 1)
        return code_at(self._secret, self._used)

    def answer(self) -> dict[str, str]:
        """Return what answers a step: a code, or a recovery code where tests are faster than codes change."""
        code = self.code()
        if code is not None:
            return {"method": "totp", "code": code}
        return {"method": "recovery_code", "code": self.recovery_codes.pop()}


class Site:
    """An application that runs, and clients for it.

    Attributes:
        anonymous: a client that is not signed in.
    """

    def __init__(self, auth: Gatepost, new_client: "Callable[[], httpx.AsyncClient]") -> None:
        self.anonymous = new_client()
        self._auth = auth
        self._new_client = new_client

    async def sign_in(
        self,
        email: str = "user@example.com",
        *,
        name: str = "Test User",
        password: str = PASSWORD,
        is_admin: bool = False,
        fields: Mapping[str, object] = NO_FIELDS,
        authenticator: Authenticator | None = None,
    ) -> "httpx.AsyncClient":
        """Return a client that sends a session token, got by the real endpoints.

        A user with this e-mail and password who is there already signs in; otherwise one registers, with the
        `fields` that the application asks for, and what `on_register` hooks do is done. Where nobody may
        register (REGISTRATION), `auth.users.create` makes them. `authenticator` answers the second step of
        who has one, as `enrol` has returned it.

        Raises:
            RuntimeError: the endpoint refused; the message has its answer. Where administrators need a second
                factor, it is set up (`enrol`) before one signs in with `is_admin`.
        """
        body = {"email": email, "password": password}
        account = {**body, "name": name, **fields}
        response = await self.anonymous.post(f"{self._auth.prefix}/register", json=account)
        if self._is_closed(response):
            model = self._auth.own_fields.model
            with suppress(EmailTaken):
                await self._auth.users.create(
                    email=email,
                    name=name,
                    password=password,
                    fields=None if model is None else model.model_validate(fields),
                )
        if response.status_code in {403, 409}:
            response = await self.anonymous.post(f"{self._auth.prefix}/login", json=body)
        if response.status_code == 401 and authenticator is not None:
            challenge = response.json()["error"].get("challenge")
            answer = {"challenge": challenge, **authenticator.answer()}
            response = await self.anonymous.post(f"{self._auth.prefix}/login/factor", json=answer)
        _succeeded(response)
        client = self._new_client()
        client.headers["Authorization"] = f"Bearer {response.json()['data']['token']}"
        user = await self._auth.administration.find(email)
        if user.is_admin != is_admin:
            await self._auth.administration.set_admin(user, is_admin=is_admin, client=Client())
            if is_admin and self._auth.settings.mfa_required != "off":
                _succeeded(await client.get(f"{self._auth.prefix}/admin/users"))
        return client

    def _is_closed(self, response: "httpx.Response") -> bool:
        """Tell whether this refuses whoever would register by themselves."""
        codes = {RegistrationClosed.code}
        for feature in self._auth.features:
            codes |= {kind.code for kind in feature.errors if issubclass(kind, RegistrationClosed)}
        return response.status_code == 403 and response.json()["error"]["code"] in codes

    async def enrol(self, client: "httpx.AsyncClient") -> Authenticator:
        """Set up an authenticator app for whoever signed in a client a moment ago; the client goes on.

        Raises:
            RuntimeError: the endpoint refused; the message has its answer.
        """
        path = f"{self._auth.prefix}/factors/totp"
        begun = _succeeded(await client.post(path))
        authenticator = Authenticator(begun["secret"])
        done = _succeeded(await client.post(f"{path}/confirm", json={"code": authenticator.code()}))
        authenticator.recovery_codes = list(done.get("recovery_codes", ()))
        client.headers["Authorization"] = f"Bearer {done['token']}"
        return authenticator

    async def enrol_passkey(
        self, client: "httpx.AsyncClient", authenticator: SoftAuthenticator | None = None
    ) -> SoftAuthenticator:
        """Set up a passkey for whoever signed in a client a moment ago; the client goes on.

        Args:
            client: of its owner.
            authenticator: makes it; None for a new one, at the origin of the application's own pages.

        Raises:
            RuntimeError: the endpoint refused; the message has its answer.
        """
        if authenticator is None:
            settings = self._auth.settings
            origins = settings.webauthn_origins if isinstance(settings, PasskeySettings) else ()
            authenticator = SoftAuthenticator(next(iter(origins), "http://localhost:8000"))
        path = f"{self._auth.prefix}/factors/passkeys"
        begun = _succeeded(await client.post(f"{path}/options"))
        credential = authenticator.create(begun["publicKey"])
        done = _succeeded(await client.post(path, json={"credential": credential}))
        client.headers["Authorization"] = f"Bearer {done['token']}"
        return authenticator

    async def sign_in_by_passkey(self, authenticator: SoftAuthenticator) -> "httpx.AsyncClient":
        """Return a client that sends a session token, got by nothing but a passkey.

        Raises:
            RuntimeError: the endpoint refused; the message has its answer.
        """
        path = f"{self._auth.prefix}/login/passkey"
        begun = _succeeded(await self.anonymous.post(f"{path}/options"))
        credential = authenticator.get(begun["publicKey"])
        body = {"challenge": begun["challenge"], "credential": credential}
        done = _succeeded(await self.anonymous.post(path, json=body))
        client = self._new_client()
        client.headers["Authorization"] = f"Bearer {done['token']}"
        return client


def _succeeded(response: "httpx.Response") -> dict[str, Any]:
    """Return what an endpoint answered with.

    Raises:
        RuntimeError: it refused.
    """
    if not response.is_success:
        raise RuntimeError(f"{response.request.url} answered {response.status_code}: {response.text}")
    data: dict[str, Any] = response.json()["data"]
    return data


@asynccontextmanager
async def running(
    app: ASGIApp, auth: Gatepost, database: str, *, on_database: OnDatabase | None = None
) -> AsyncIterator[Site]:
    """Run an application with its lifespan, on this database, and yield it as a `Site`.

    This moves Gatepost alone. An application with connections of its own, such as an engine of SQLAlchemy's,
    needs `on_database` to move those: otherwise they stay at the database that is developed on.

    Args:
        app: the application, whose lifespan opens `auth`.
        auth: its Gatepost.
        database: URL, as `temporary_database` yields it.
        on_database: called with this URL before the application starts; what it returns is an asynchronous
            context, which ends after the application has.

    Raises:
        RuntimeError: the application's lifespan does not open `auth`, or failed without an error.
    """
    try:
        import httpx
    except ImportError:
        raise RuntimeError("gatepost.testing needs httpx: pip install httpx") from None
    async with AsyncExitStack() as stack:
        stack.enter_context(isolated(auth, database))
        if on_database is not None:
            await stack.enter_async_context(on_database(database))
        state = await stack.enter_async_context(_lifespan(app))
        if not auth.is_open:
            raise RuntimeError("The application did not open this Gatepost: pass it `lifespan=auth.lifespan`")

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state)}, receive, send)

        clients = await stack.enter_async_context(AsyncExitStack())

        def new_client() -> httpx.AsyncClient:
            transport = httpx.ASGITransport(app=serve, client=("127.0.0.1", 50_000))
            client = httpx.AsyncClient(transport=transport, base_url="http://testserver")
            clients.push_async_callback(client.aclose)
            return client

        yield Site(auth, new_client)


@asynccontextmanager
async def signed_in(
    app: ASGIApp,
    auth: Gatepost,
    database: str,
    *,
    email: str = "user@example.com",
    is_admin: bool = False,
    fields: Mapping[str, object] = NO_FIELDS,
    on_database: OnDatabase | None = None,
) -> AsyncIterator["httpx.AsyncClient"]:
    """Run an application as `running` does and yield a client that is signed in, as of `Site.sign_in`."""
    async with running(app, auth, database, on_database=on_database) as site:
        yield await site.sign_in(email, is_admin=is_admin, fields=fields)


@asynccontextmanager
async def _lifespan(app: ASGIApp) -> AsyncIterator[dict[str, Any]]:
    """Do what a server does at an application's start and end; yield the state that requests get."""
    state: dict[str, Any] = {}
    heard: asyncio.Queue[Message] = asyncio.Queue()
    said: asyncio.Queue[Message] = asyncio.Queue()

    async def live() -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        try:
            await app(scope, heard.get, said.put)
        finally:
            said.put_nowait({"type": "end"})

    async def tell(what: str) -> None:
        heard.put_nowait({"type": f"lifespan.{what}"})
        answer = await said.get()
        if answer["type"] != f"lifespan.{what}.complete":
            await life  # which raises what the application raised
            raise RuntimeError(answer.get("message") or f"The application's lifespan ended at its {what}")

    life = asyncio.create_task(live())
    try:
        await tell("startup")
        try:
            yield state
        finally:
            await tell("shutdown")
            await life
    finally:
        life.cancel()
