"""One PostgreSQL for the run, a migrated template a worker, a database of its own for each test.

With GATEPOST_TEST_APP_ROLE set, the application under test signs in as a role that has no more than what
`gatepost migrate --grants` gives it; what prepares and inspects goes on as the owner of the tables.

With GATEPOST_TEST_USER_ID_TYPE users' ids are of that type, `uuid` for example: `make test-ids TYPE=uuid`.
"""

import asyncio
import gc
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import hypothesis
import pytest
from fastapi import FastAPI
from jinja2 import Environment
from sqlalchemy import MetaData
from tests import proofs, secrecy
from tests.maker import Maker, on_database, remember_types
from tests.remembering import CompiledTemplates, remember_fields
from tests.stock import Stock

from gatepost.app import create_app
from gatepost.db import migrate
from gatepost.db.embedded import EmbeddedServer
from gatepost.db.grants import render_grants
from gatepost.feature import schemas_of
from gatepost.features import FEATURES
from gatepost.features.email import templating
from gatepost.http.pages import site
from gatepost.library import Gatepost
from gatepost.models import UserIdType
from gatepost.preview import application as preview
from gatepost.settings import Settings
from gatepost.settings.feature import settings_of

SECRET_KEY = "a-key-for-tests-that-is-long-enough-to-be-one"
PASSWORD = "securepassword123"
SCHEMAS = schemas_of(FEATURES)
LEAST_RIGHTS = bool(os.environ.get("GATEPOST_TEST_APP_ROLE"))
USER_IDS = UserIdType(os.environ.get("GATEPOST_TEST_USER_ID_TYPE", UserIdType.INTEGER))
LONGEST = {"test_guide.py", "test_preview.py", "test_schemathesis.py"}
MEMORY = Path("/dev/shm")  # noqa: S108  # what is made there is this run's alone
"""A file system in memory, on Linux: making a database takes a fifth of the time there."""


def pytest_configure(config: pytest.Config) -> None:
    # Started in the background, tests inherit that SIGINT is ignored, and so would what they start and stop.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    remember_types()
    remember_fields()
    config.pluginmanager.register(secrecy)
    config.pluginmanager.register(proofs.Proofs(config))
    # Examples are the same each time, however long they take; `make fuzz` looks for others.
    hypothesis.settings.register_profile("ours", deadline=None, derandomize="FUZZ_EXAMPLES" not in os.environ)
    hypothesis.settings.load_profile("ours")
    # Each test makes an application of its own, and all of these have the same templates.
    monkeypatch = pytest.MonkeyPatch()
    for module in (site, templating, preview):
        monkeypatch.setattr(module, "Environment", partial(Environment, bytecode_cache=CompiledTemplates()))
    config.add_cleanup(monkeypatch.undo)
    if not hasattr(config, "workerinput") and _roomy(MEMORY):
        place = tempfile.TemporaryDirectory(prefix="gatepost-tests-", dir=MEMORY)
        monkeypatch.setenv("GATEPOST_TEST_MEMORY", place.name)  # workers inherit it
        config.add_cleanup(place.cleanup)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What takes longest begins first: no worker is still at it when the others have ended.
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_collection_finish() -> None:
    # What was collected stays to the end, and need not be looked through for garbage each time.
    gc.freeze()


def _roomy(place: Path) -> bool:
    return place.is_dir() and os.access(place, os.W_OK) and shutil.disk_usage(place).free > 4 << 30


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Have workers report what they can send: a lone surrogate, which some tests log, is no UTF-8."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


# --- PostgreSQL ---


@pytest.fixture(scope="session")
def server_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server of the run: GATEPOST_TEST_DATABASE_URL, or an embedded one that all workers share."""
    if given := os.environ.get("GATEPOST_TEST_DATABASE_URL"):
        yield given
        Maker.end()
        return
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    if memory := os.environ.get("GATEPOST_TEST_MEMORY"):
        shared = Path(memory)
    server = EmbeddedServer.start(shared / "postgresql", durable=False)
    yield server.dsn("postgres")
    Maker.end()
    server.stop()


async def execute(dsn: str, *statements: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await conn.execute(statement)
    finally:
        await conn.close()


@dataclass(frozen=True, kw_only=True)
class Role:
    """A role of PostgreSQL."""

    name: str
    password: str

    def on(self, dsn: str) -> str:
        """Return the DSN with which this role gets into the same database."""
        url = urlsplit(dsn)
        place = url.netloc.rpartition("@")[2]
        return urlunsplit(url._replace(netloc=f"{self.name}:{self.password}@{place}"))


@pytest.fixture(scope="session")
def app_role(server_dsn: str) -> Iterator[Role]:
    """A role that may do nothing, until it is granted something."""
    role = Role(name=f"gatepost_app_{uuid4().hex[:12]}", password=uuid4().hex)
    asyncio.run(execute(server_dsn, f"CREATE ROLE {role.name} LOGIN PASSWORD '{role.password}'"))
    yield role
    asyncio.run(execute(server_dsn, f"DROP ROLE {role.name}"))


@pytest.fixture(scope="session")
def template(server_dsn: str, app_role: Role) -> Iterator[str]:
    """Name of a migrated database that nobody is connected to."""
    name = f"gatepost_template_{uuid4().hex[:12]}"

    async def make() -> None:
        await execute(server_dsn, f"CREATE DATABASE {name}")
        await migrate.migrate(on_database(server_dsn, name), USER_IDS, features=SCHEMAS)
        await execute(on_database(server_dsn, name), *_counted_ids())
        if LEAST_RIGHTS:
            await execute(on_database(server_dsn, name), render_grants(app_role.name, SCHEMAS))

    asyncio.run(make())
    yield name
    asyncio.run(execute(server_dsn, f"DROP DATABASE {name} WITH (FORCE)"))


def nth_user(number: int) -> int | str:
    """Return the id that a database of the tests gives to the first user, the second…, as JSON has it."""
    if USER_IDS is UserIdType.UUID:
        return str(UUID(int=number))
    return f"User-{number}" if USER_IDS is UserIdType.TEXT else number


async def ids_as_json(conn: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Have a connection read a UUID as JSON has it, so that rows and answers can be compared."""
    if USER_IDS is UserIdType.UUID:
        await conn.set_type_codec("uuid", encoder=str, decoder=str, schema="pg_catalog", format="text")


_MADE = {UserIdType.UUID: "lpad(to_hex({0}), 32, '0')::uuid", UserIdType.TEXT: "'User-' || {0}"}
NTH_USER = f"""
    CREATE FUNCTION nth(n bigint) RETURNS {USER_IDS} LANGUAGE sql IMMUTABLE
        RETURN {_MADE.get(USER_IDS, "{0}").format("n")};
"""
"""`nth_user` for the SQL of a test."""


def _counted_ids() -> list[str]:
    """Return what has ids that are no numbers counted, as those are that are: a test knows whose is whose."""
    if USER_IDS not in _MADE:
        return []
    made = _MADE[USER_IDS].format("nextval('users_id_seq'::regclass)")
    return [
        "CREATE SEQUENCE users_id_seq OWNED BY users.id",
        f"ALTER TABLE users ALTER COLUMN id SET DEFAULT {made}",
    ]


@asynccontextmanager
async def scratch_database(server_dsn: str, template: str) -> AsyncIterator[str]:
    name = f"gatepost_{uuid4().hex[:12]}"
    maker = Maker.of(server_dsn)
    await maker.run(maker.make, name, template)
    try:
        yield on_database(server_dsn, name)
        await secrecy.search_database(on_database(server_dsn, name))
    finally:
        await maker.run(maker.drop, name)


@pytest.fixture(scope="session")
def stock(server_dsn: str, template: str) -> Iterator[Stock]:
    """What tests have their databases from."""
    stock = Stock(Maker.of(server_dsn), template)
    yield stock
    stock.clear()


@pytest.fixture
async def owner_dsn(server_dsn: str, stock: Stock, anyio_backend: str) -> AsyncIterator[str]:
    """A migrated database of this test alone, as the owner of its tables sees it."""
    async with stock.lent() as name:
        yield on_database(server_dsn, name)


@pytest.fixture
async def new_dsn(server_dsn: str, template: str, anyio_backend: str) -> AsyncIterator[str]:
    """Another one, that no test has had before: PostgreSQL's counters of it begin at nought."""
    async with scratch_database(server_dsn, template) as dsn:
        yield dsn


AsApp = Callable[[str], str]


@pytest.fixture(scope="session")
def as_app(app_role: Role) -> AsApp:
    """Turn the DSN of a migrated database into the one that the application signs in with."""
    return app_role.on if LEAST_RIGHTS else str


@pytest.fixture
def dsn(owner_dsn: str, as_app: AsApp) -> str:
    """The same database, as the application signs in to it."""
    return as_app(owner_dsn)


@pytest.fixture
async def empty_dsn(server_dsn: str, anyio_backend: str) -> AsyncIterator[str]:
    """An empty database of this test alone."""
    async with scratch_database(server_dsn, "template0") as dsn:
        yield dsn


@pytest.fixture
async def db(owner_dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection of the test's own, to look at what the database holds."""
    conn = await asyncpg.connect(owner_dsn, server_settings={"timezone": "UTC"})
    await ids_as_json(conn)
    yield conn
    await conn.close()


async def until_settled(db: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Return once the events that are marked may be counted: transactions of other tests put that off."""
    settled = """
        SELECT coalesce(h.marked_xid < pg_snapshot_xmin(pg_current_snapshot()), true) FROM auth_housekeeping h
    """
    async with asyncio.timeout(60):
        while not await db.fetchval(settled):
            pass


# --- Gatepost ---


@dataclass
class MovableClock:
    """The database's clock until it is moved; then as far ahead of it as it was moved."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime | None:
        return datetime.now(UTC) + self.ahead if self.ahead else None

    def advance(self, **by: float) -> None:
        self.ahead += timedelta(**by)


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


def settings_for(dsn: str | None, home: Path, **overrides: Any) -> Settings:
    values: dict[str, Any] = {
        "database_url": dsn,
        "secret_key": SECRET_KEY,
        "environment": "test",
        "bcrypt_rounds": 4,
        "gatepost_home": home,
        "cleanup_interval_seconds": 0,
        "database_start_seconds": 0,
        # Machines may be busy; whoever is to be refused in time is asked in `a_hurry`.
        "database_timeout_seconds": 30,
        # Tests sign in often, and all from one address; those of the throttle turn it on.
        "throttle_enabled": False,
    }
    return settings_of(FEATURES).load(env_file=None, **(values | overrides))


MakeSettings = Callable[..., Settings]


@pytest.fixture
def users_environment(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of an application of a user's, which reads its settings from there."""
    values = {
        "DATABASE_URL": dsn,
        "SECRET_KEY": SECRET_KEY,
        "BCRYPT_ROUNDS": "4",
        "DATABASE_TIMEOUT_SECONDS": "30",
        "ENVIRONMENT": "test",
        "GATEPOST_HOME": str(tmp_path),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def load(path: Path, monkeypatch: pytest.MonkeyPatch, name: str = "") -> ModuleType:
    """Import a file as a module of a user's."""
    spec = importlib.util.spec_from_file_location(name or f"users_{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tables_of_sqlmodel(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLModel notes the tables of a process in one place; those that this test adds are its alone."""
    monkeypatch.setattr("sqlmodel.SQLModel.metadata", MetaData())


@pytest.fixture
def make_settings(dsn: str, tmp_path: Path) -> MakeSettings:
    """Make settings for the database of this test."""

    def make(**overrides: Any) -> Settings:
        return settings_for(dsn, tmp_path / "home", **overrides)

    return make


@asynccontextmanager
async def serving(
    app: FastAPI, *, host: str = "127.0.0.1", root_path: str = "", **kwargs: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application with its lifespan and return a client that speaks to it."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        transport = httpx.ASGITransport(
            app=app, client=(host, 50_000), root_path=root_path, raise_app_exceptions=False
        )
        client = httpx.AsyncClient(transport=transport, base_url="http://gatepost.test", **kwargs)
        yield await stack.enter_async_context(client)


@contextmanager
def a_hurry(app: FastAPI, seconds: float = 0.3) -> Iterator[None]:
    """Have what waits for the database now be refused after so long, as DATABASE_TIMEOUT_SECONDS would."""
    database = app.state.gatepost.database
    before, database.timeout = database.timeout, seconds
    yield
    database.timeout = before


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    return create_app(make_settings(), clock=clock)


@pytest.fixture
def gate(app: FastAPI) -> Gatepost:
    """The Gatepost behind `client`, open as long as that is."""
    gatepost = app.state.gatepost
    assert isinstance(gatepost, Gatepost)
    return gatepost


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(app) as client:
        yield client


# --- Through the front door ---


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def register(
    client: httpx.AsyncClient, email: str = "user@example.com", name: str = "John Doe", **headers: str
) -> dict[str, Any]:
    """Register by the real endpoint and return its data."""
    body = {"email": email, "name": name, "password": PASSWORD}
    response = await client.post("/api/auth/register", json=body, headers=headers)
    assert response.status_code == 201, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


async def login(
    client: httpx.AsyncClient, email: str = "user@example.com", password: str = PASSWORD, **headers: str
) -> dict[str, Any]:
    """Sign in by the real endpoint and return its data."""
    response = await client.post(
        "/api/auth/login", json={"email": email, "password": password}, headers=headers
    )
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


@pytest.fixture
def environment() -> dict[str, str]:
    """An environment for subprocesses in which no setting of this machine stands."""
    return {k: v for k, v in os.environ.items() if k.lower() not in Settings.model_fields}
