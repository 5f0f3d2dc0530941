"""DATABASE_SCHEMA: tables in a schema of their own, beside an application's; and the guard against a DROP."""

from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from fastapi import FastAPI
from sqlalchemy import ForeignKey, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from tests.conftest import SCHEMAS, Role, bearer, execute, register, serving, settings_for
from tests.http.conftest import Database

from gatepost import Gatepost, User
from gatepost.app import create_app
from gatepost.db import migrate
from gatepost.db.grants import render_grants
from gatepost.db.migrations.expected import COLUMNS
from gatepost.db.migrations.expected import tables as tables_of
from gatepost.errors import SetupError
from gatepost.feature import schemas_of
from gatepost.features import FEATURES
from gatepost.models import UserIdType
from gatepost.settings import Settings
from gatepost.sqlalchemy import models, session_on

OWN_USERS = "CREATE TABLE public.users (id uuid PRIMARY KEY, nickname text)"


async def tables(dsn: str) -> dict[str, set[str]]:
    conn = await asyncpg.connect(dsn)
    try:
        rows = await conn.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname !~ '^(pg_|information_schema)'"
        )
        return {
            schema: {row["tablename"] for row in rows if row["schemaname"] == schema}
            for schema in {row["schemaname"] for row in rows}
        }
    finally:
        await conn.close()


@pytest.mark.parametrize("user_id_type", ["integer", "uuid"])
async def test_the_tables_stand_apart_from_an_applications_users(
    empty_dsn: str, tmp_path: Path, user_id_type: str
) -> None:
    await execute(empty_dsn, OWN_USERS)
    settings = settings_for(empty_dsn, tmp_path, database_schema="auth", user_id_type=user_id_type)
    ids = UserIdType(user_id_type)
    await migrate.migrate(settings.located(empty_dsn), ids, features=SCHEMAS, schema="auth")
    async with serving(create_app(settings)) as client:
        token = (await register(client))["token"]
        assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200
    own = {*tables_of(SCHEMAS), "gatepost_version"}
    assert await tables(empty_dsn) == {"public": {"users"}, "auth": own}
    again = await migrate.migrate(settings.located(empty_dsn), features=SCHEMAS, schema="auth")
    assert again.applied == ()


class Base(DeclarativeBase):
    pass


Accounts = models(Base, schema="auth", id_type=Uuid)


class Nickname(Base):
    """A table of the application's that has the name of one of Gatepost's."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(ForeignKey(Accounts.User.id), primary_key=True)
    nickname: Mapped[str]


@pytest.fixture
async def own_schema(empty_dsn: str, tmp_path: Path) -> Settings:
    settings = settings_for(empty_dsn, tmp_path, database_schema="auth", user_id_type="uuid")
    await execute(empty_dsn, OWN_USERS)
    await migrate.migrate(settings.located(empty_dsn), UserIdType.UUID, features=SCHEMAS, schema="auth")
    return settings


async def test_a_hook_writes_to_the_applications_tables(empty_dsn: str, own_schema: Settings) -> None:
    auth = Gatepost(own_schema)
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)

    @auth.on_register
    async def add_nickname(conn: Any, user: User) -> None:
        async with session_on(conn, schema="public") as session:
            found = await session.get_one(Accounts.User, user.id)
            session.add(Nickname(id=user.id, nickname=found.name.lower()))

    async with serving(app) as client:
        await register(client)
    conn = await asyncpg.connect(empty_dsn)
    try:
        assert await conn.fetchval("SELECT nickname FROM public.users JOIN auth.users USING (id)")
    finally:
        await conn.close()


@pytest.mark.parametrize("schema", ["auth", "user"])  # the latter is a word of SQL's
async def test_what_sql_prints_makes_the_same(empty_dsn: str, schema: str) -> None:
    await execute(empty_dsn, OWN_USERS, migrate.render_sql(schema=schema))
    assert await tables(empty_dsn) == {"public": {"users"}, schema: {*COLUMNS, "gatepost_version"}}


async def test_the_rights_that_are_printed_are_those_of_the_same_tables(
    empty_dsn: str, tmp_path: Path, app_role: Role
) -> None:
    schemas = schemas_of(FEATURES)
    await execute(
        empty_dsn,
        OWN_USERS,
        migrate.render_sql(features=schemas, schema="auth"),
        render_grants(app_role.name, schemas, schema="auth"),
    )
    settings = settings_for(app_role.on(empty_dsn), tmp_path, database_schema="auth")
    async with serving(create_app(settings)) as client:
        await register(client)
    conn = await asyncpg.connect(empty_dsn)
    try:
        is_granted = "SELECT has_table_privilege($1, 'public.users', 'SELECT')"
        assert not await conn.fetchval(is_granted, app_role.name)
    finally:
        await conn.close()


async def test_a_role_that_may_not_make_the_schema_is_told_what_to_run(
    empty_dsn: str, app_role: Role
) -> None:
    dsn = app_role.on(empty_dsn)
    with pytest.raises(SetupError, match='CREATE SCHEMA IF NOT EXISTS "auth" AUTHORIZATION gatepost_app_'):
        await migrate.migrate(f"{dsn}&search_path=auth", schema="auth")


@pytest.mark.parametrize("table", [*COLUMNS, "gatepost_version"])
async def test_no_table_is_dropped_by_mistake(db: Database, table: str) -> None:
    with pytest.raises(asyncpg.DependentObjectsStillExistError) as refused:
        await db.execute(f"DROP TABLE {table}")
    assert "view gatepost.tables_belong_to_gatepost" in (refused.value.detail or "")


async def test_columns_can_still_be_widened(db: Database) -> None:
    await db.execute("ALTER TABLE users ALTER COLUMN name TYPE text, ALTER COLUMN email TYPE text")
    await db.execute("ALTER TABLE user_sessions ALTER COLUMN ip_address TYPE text")


async def test_a_second_gatepost_is_refused_and_leaves_no_schema(empty_dsn: str) -> None:
    await migrate.migrate(empty_dsn)
    at = f"{empty_dsn}{'&' if '?' in empty_dsn else '?'}search_path=second"
    with pytest.raises(SetupError, match="A database holds one Gatepost"):
        await migrate.migrate(at, schema="second")
    conn = await asyncpg.connect(empty_dsn)
    try:
        assert not await conn.fetchval("SELECT to_regnamespace('second') IS NOT NULL")
        await conn.execute("CREATE SCHEMA second")
        with pytest.raises(SetupError, match="A database holds one Gatepost"):
            await migrate.migrate(at, schema="second")
        assert await conn.fetchval("SELECT to_regnamespace('second') IS NOT NULL")  # the application's
    finally:
        await conn.close()
