"""`gatepost.sqlalchemy`: its tables mapped, and sessions on the connection of a hook."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import alembic
import asyncpg
import httpx
import pytest
from sqlalchemy import ForeignKey, Table, func, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, selectinload
from tests.conftest import PASSWORD, MakeSettings, bearer, execute, load, login, register, serving
from tests.http.conftest import Database

from gatepost.app import create_app
from gatepost.db import migrate
from gatepost.errors import ValidationFailed
from gatepost.models import UserIdType
from gatepost.settings import Settings
from gatepost.sqlalchemy import AuthEvent, User, UserSession, connection_of, engine_url, session_on

PAGE = (Path(__file__).parents[1] / "docs" / "sqlalchemy.md").read_text()
BLOCKS = re.findall(r'^```python(?: title="([^"]+)")?\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL)
FILES = {title: code for title, code in BLOCKS if title}


class Base(DeclarativeBase):
    pass


class Profile(Base):
    __tablename__ = "profiles"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), unique=True)
    user: Mapped[User] = relationship(User)
    options: Mapped[dict[str, Any]] = mapped_column(JSONB)


def as_sqlalchemy(dsn: str) -> str:
    return dsn.replace("postgresql:", "postgresql+asyncpg:", 1)


@pytest.fixture
async def engine(dsn: str, anyio_backend: str) -> AsyncIterator[AsyncEngine]:
    """The application's own."""
    engine = create_async_engine(as_sqlalchemy(dsn))
    async with engine.begin() as conn:
        await conn.run_sync(Base.metadata.create_all)
    yield engine
    await engine.dispose()


Hook = Callable[[Any, Any], Awaitable[None]]


@asynccontextmanager
async def hooked(settings: Settings, *hooks: Hook) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings)
    for hook in hooks:
        app.state.gatepost.on_register(hook)
    async with serving(app) as client:
        yield client


async def add_profile(conn: Any, user: Any) -> None:
    async with session_on(conn) as session:
        found = await session.get_one(User, user.id)  # which nobody else sees yet
        session.add(Profile(user=found, options={"theme": "dark", "of": [found.email]}))


async def count(engine: AsyncEngine, what: Any = Profile) -> int:
    async with AsyncSession(engine) as session:
        return await session.scalar(select(func.count()).select_from(what)) or 0


async def test_a_hook_writes_with_a_session_on_its_connection(
    make_settings: MakeSettings, engine: AsyncEngine
) -> None:
    async with hooked(make_settings(), add_profile) as client:
        await register(client)
        token = (await register(client, "other@example.com"))["token"]
        assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200
    async with AsyncSession(engine) as session:
        profiles = (await session.scalars(select(Profile).options(selectinload(Profile.user)))).all()
        assert [(each.user.email, each.options) for each in profiles] == [
            (email, {"theme": "dark", "of": [email]}) for email in ("user@example.com", "other@example.com")
        ]


@pytest.mark.parametrize("where", ["in the session", "behind it", "another hook"])
async def test_what_it_wrote_is_undone_with_the_registration(
    make_settings: MakeSettings, engine: AsyncEngine, where: str
) -> None:
    async def refuse(conn: Any, user: Any) -> None:
        raise ValidationFailed({"email": "not you"})

    async def writes(conn: Any, user: Any) -> None:
        async with session_on(conn) as session:
            session.add(Profile(user_id=user.id, options={}))
            await session.commit()  # a savepoint's
            if where == "in the session":
                await refuse(conn, user)
        if where == "behind it":
            await refuse(conn, user)

    async with hooked(make_settings(), writes, refuse) as client:
        body = {"email": "user@example.com", "name": "Ada", "password": PASSWORD}
        assert (await client.post("/api/auth/register", json=body)).status_code == 422
    assert (await count(engine), await count(engine, User)) == (0, 0)


async def test_a_statement_that_fails_undoes_its_session_alone(
    make_settings: MakeSettings, engine: AsyncEngine
) -> None:
    async def tries(conn: Any, user: Any) -> None:
        await add_profile(conn, user)
        with pytest.raises(IntegrityError):
            async with session_on(conn) as session:
                session.add(Profile(user_id=user.id, options={}))  # a second one
        async with session_on(conn) as session:
            assert await session.scalar(select(func.count()).select_from(Profile)) == 1
            await session.execute(text("UPDATE profiles SET options = '[1]'"))
            await session.rollback()

    async with hooked(make_settings(), tries) as client:
        await register(client)
    async with AsyncSession(engine) as session:
        assert (await session.scalars(select(Profile.options))).one()["theme"] == "dark"


async def test_the_connection_goes_on_as_it_was(dsn: str, engine: AsyncEngine) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        for _ in range(2):
            async with session_on(conn) as session:
                found = await session.execute(text("SELECT '{\"a\": 1}'::jsonb, '[2]'::json"))
                assert found.one() == ('{"a": 1}', "[2]")  # of no mapped type
            assert await conn.fetchval("SELECT '{}'::jsonb") == "{}"
            assert not conn.is_in_transaction()
    finally:
        await conn.close()


async def test_sessions_at_once_are_each_on_their_own_connection(dsn: str) -> None:
    async def backend() -> tuple[int, int]:
        conn = await asyncpg.connect(dsn)
        try:
            async with session_on(conn) as session:
                first = await session.scalar(text("SELECT pg_backend_pid()"))
                await asyncio.gather(*(other() for _ in range(2)))
                assert await session.scalar(text("SELECT pg_backend_pid()")) == first
            return conn.get_server_pid(), int(first or 0)
        finally:
            await conn.close()

    async def other() -> None:
        conn = await asyncpg.connect(dsn)
        try:
            async with session_on(conn) as session:
                assert await session.scalar(text("SELECT pg_backend_pid()")) == conn.get_server_pid()
        finally:
            await conn.close()

    for own, asked in await asyncio.gather(*(backend() for _ in range(3))):
        assert own == asked


async def test_the_page_of_the_documentation(
    dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    users_environment: None,
    tables_of_sqlmodel: None,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    untitled = [code for title, code in BLOCKS if not title]
    (tmp_path / "models.py").write_text("\n".join([FILES["models.py"], *untitled]))
    models = load(tmp_path / "models.py", monkeypatch, "models")
    (tmp_path / "hooks.py").write_text(FILES["hooks.py"])
    hooks = load(tmp_path / "hooks.py", monkeypatch, "hooks")
    engine = create_async_engine(as_sqlalchemy(dsn))
    async with engine.begin() as conn:
        await conn.run_sync(models.Base.metadata.create_all)
        await conn.run_sync(models.Task.metadata.create_all)
    async with serving(hooks.app) as client:
        await register(client, name="Ada")
    async with AsyncSession(engine) as session:
        project = (
            await session.scalars(select(models.Project).options(selectinload(models.Project.owner)))
        ).one()
        assert (project.owner.email, project.title) == ("user@example.com", "Ada's first project")
        session.add(models.Task(owner_id=project.owner_id))
        await session.commit()
    assert models.Accounts.User.__table__.schema == "auth"
    await engine.dispose()


async def test_what_gatepost_does_is_part_of_the_applications_transaction(
    dsn: str,
    engine: AsyncEngine,
    db: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    users_environment: None,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SHOP_DATABASE_URL", as_sqlalchemy(dsn))
    for name in ("models", "shop", "customers"):
        code = FILES[f"{name}.py"].replace("from hooks import auth", "from shop import auth")
        (tmp_path / f"{name}.py").write_text(code)
    models, shop, customers = (
        load(tmp_path / f"{name}.py", monkeypatch, name) for name in ("models", "shop", "customers")
    )
    async with serving(shop.app), engine.begin() as conn:
        await conn.run_sync(models.Base.metadata.create_all)
    async with serving(shop.app):
        await customers.add_customer("ada@example.com", "Ada")
        assert await db.fetchval("SELECT count(*) FROM projects") == 2
        async with shop.new_session() as session:
            user = await shop.auth.users.create(
                email="b@example.com", name="B", conn=await connection_of(session)
            )
            session.add(models.Project(owner_id=user.id, title="Undone"))
            await session.flush()
            assert await db.fetchval("SELECT count(*) FROM users") == 1
            await session.rollback()
    rows = await db.fetch("SELECT email FROM users")
    assert [row["email"] for row in rows] == ["ada@example.com"]
    assert await db.fetchval("SELECT count(*) FROM projects") == 2
    await shop.engine.dispose()


ENV = """
import asyncio
from alembic import context
from gatepost.sqlalchemy import include_name
from models import Base
from sqlalchemy.ext.asyncio import create_async_engine

def run(connection):
    context.configure(connection=connection, target_metadata=Base.metadata, include_name=include_name)
    with context.begin_transaction():
        context.run_migrations()

async def main():
    engine = create_async_engine(context.config.get_main_option("sqlalchemy.url"))
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()

asyncio.run(main())
"""


def test_the_tests_of_an_application_write_nothing_to_its_database(
    dsn: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    for name in ("models.py", "shop.py", "conftest.py", "test_shop.py"):
        (tmp_path / name).write_text(FILES[name])
    (tmp_path / "env.py").write_text(ENV)
    (tmp_path / "versions").mkdir()
    template = (Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako").read_text()
    (tmp_path / "script.py.mako").write_text(template)
    own = as_sqlalchemy(dsn)
    settings = f"[alembic]\nscript_location = .\nprepend_sys_path = .\nsqlalchemy.url = {own}\n"
    (tmp_path / "alembic.ini").write_text(settings)
    quiet = {k: v for k, v in environment.items() if not k.startswith(("PYTEST_", "COV_"))}
    surroundings = quiet | {
        "PYTHONPATH": os.fspath(tmp_path),
        "SHOP_DATABASE_URL": own,
        "DATABASE_URL": dsn,
    }

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            env=surroundings,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("alembic", "revision", "--autogenerate", "-m", "projects")
    run("alembic", "upgrade", "head")
    told = run("pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", os.fspath(tmp_path))
    assert "1 passed" in told

    async def written() -> tuple[int, int]:
        engine = create_async_engine(own)
        async with engine.connect() as conn:
            found = [
                (await conn.scalar(text(f"SELECT count(*) FROM {table}"))) or 0  # noqa: S608 - names of tables
                for table in ("users", "projects")
            ]
        await engine.dispose()
        return found[0], found[1]

    assert asyncio.run(written()) == (0, 0)


async def test_the_tables_are_read_as_objects(
    make_settings: MakeSettings, engine: AsyncEngine, db: Database
) -> None:
    async with hooked(make_settings()) as client:
        await register(client)
        await login(client)
    async with AsyncSession(engine) as session:
        sessions = (await session.scalars(select(UserSession).options(selectinload(UserSession.user)))).all()
        assert {each.user.email for each in sessions} == {"user@example.com"}
        assert all(each.is_active and each.expires_at > datetime.now(UTC) for each in sessions)
        events = (await session.scalars(select(AuthEvent).order_by(AuthEvent.id.desc()))).all()
        assert events[0].action == "session.started"
        assert {"version": "0001"} in [each.detail for each in events]
    for model in (User, UserSession, AuthEvent):
        table = cast("Table", model.__table__)
        found = await db.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1", table.name
        )
        assert set(table.columns.keys()) <= {row["column_name"] for row in found}
        assert not {"hashed_password", "session_token", "successor_nonce"} & set(table.columns.keys())


async def test_a_database_with_other_ids_is_told_how_to_be_mapped(empty_dsn: str) -> None:
    await migrate.migrate(empty_dsn, UserIdType.UUID)
    await execute(empty_dsn, "INSERT INTO users (email, name) VALUES ('ada@example.com', 'Ada')")
    engine = create_async_engine(as_sqlalchemy(empty_dsn))
    async with AsyncSession(engine) as session:
        with pytest.raises(TypeError, match=r"has UUID: map the tables with models\(Base, id_type=…\)"):
            await session.scalars(select(User))
    await engine.dispose()


@pytest.mark.parametrize(
    ("url", "engine"),
    [
        ("postgresql://ada:p%40ss@db:5433/shop", "postgresql+asyncpg://ada:p%40ss@db:5433/shop"),
        (
            "postgresql://gatepost@/shop?host=/tmp/pgdata&search_path=auth",
            "postgresql+asyncpg://gatepost@/shop?host=%2Ftmp%2Fpgdata",
        ),
        ("postgres://db/shop?search_path=auth", "postgresql+asyncpg://db/shop"),
    ],
)
def test_a_url_for_sqlalchemy_names_the_driver_and_no_search_path(url: str, engine: str) -> None:
    assert engine_url(url) == engine
