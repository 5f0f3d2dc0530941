"""For applications with SQLAlchemy 2 and Alembic: Gatepost's tables mapped, and sessions on its connections.

    class Project(Base):
        __tablename__ = "projects"
        id: Mapped[int] = mapped_column(primary_key=True)
        owner_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
        owner: Mapped[User] = relationship(User)

`gatepost migrate` makes and changes these tables. Here they can be read and referred to; a write of one's own
skips what Gatepost does besides, such as the audit trail and ending sessions. Needs SQLAlchemy:
`pip install 'gatepost[sqlalchemy]'`.
"""

import importlib.util
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

if importlib.util.find_spec("sqlalchemy") is None:
    raise ImportError("SQLAlchemy is not installed here. Run: pip install 'gatepost[sqlalchemy]'")

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    event,
    make_url,
    text,
    types,
)
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql import JSON, JSONB
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeEngine

from gatepost.db.migrations.expected import COLUMNS, INDEXES, tables
from gatepost.feature import schemas_of
from gatepost.features import FEATURES

if TYPE_CHECKING:
    from gatepost.db.pool import Connection

TypeArgument: TypeAlias = TypeEngine[Any] | type[TypeEngine[Any]]

__all__ = [
    "AuthEvent",
    "Models",
    "User",
    "UserSession",
    "connection_of",
    "engine_url",
    "include_name",
    "include_name_in",
    "include_name_of",
    "include_object",
    "models",
    "session_on",
]

OURS = frozenset({"gatepost_version", *tables(schemas_of(FEATURES))})
"""Every table of Gatepost's."""

_USERS = "users"
_COLUMNS = frozenset(COLUMNS[_USERS])
_INDEXES = frozenset({*INDEXES, "users_email_key", "users_email_lower_key"})

IncludeName: TypeAlias = Callable[[str | None, str, Mapping[str, str | None]], bool]


# --- Alembic ---

ischema_names.setdefault("xid8", BigInteger)  # or it warns of a type that it does not know


def include_name(name: str | None, type_: str, parent_names: Mapping[str, str | None]) -> bool:
    """Leave Gatepost's tables out of what `alembic revision --autogenerate` finds in the database.

    Without it Alembic takes them for tables that the application has given up, and writes a migration that
    drops them. In `env.py`:

        context.configure(..., include_name=include_name)

    Args:
        name: of what was found.
        type_: what it is: `schema`, `table`, `column` …
        parent_names: `schema_name` of a table; None for the schema that the connection works in.
    """
    return _is_the_applications(name, type_, parent_names, None)


def include_name_in(schema: str) -> IncludeName:
    """Return `include_name` for tables in a schema of their own (DATABASE_SCHEMA).

    context.configure(..., include_schemas=True, include_name=include_name_in("auth"))
    """

    def include(name: str | None, type_: str, parent_names: Mapping[str, str | None]) -> bool:
        return _is_the_applications(name, type_, parent_names, schema)

    return include


def include_name_of(metadata: MetaData) -> IncludeName:
    """Return `include_name` for an application with a model of its own of the adopted table `users`.

        context.configure(..., include_name=include_name_of(target_metadata))

    Of this table, what the model has is the application's; columns and indexes that Gatepost has added are
    left out.
    """
    users = metadata.tables.get(_USERS)
    if users is None or users.info.get("gatepost"):
        return include_name
    columns = _COLUMNS.difference(users.columns.keys())
    indexes = _INDEXES.difference(str(index.name) for index in users.indexes)

    def include(name: str | None, type_: str, parent_names: Mapping[str, str | None]) -> bool:
        if type_ == "table" and name == _USERS:
            return True
        if parent_names.get("table_name") == _USERS:
            return name not in {"column": columns, "index": indexes}.get(type_, ())
        return include_name(name, type_, parent_names)

    return include


def _is_the_applications(
    name: str | None, type_: str, parent_names: Mapping[str, str | None], schema: str | None
) -> bool:
    if type_ == "schema":
        return name != "gatepost"
    if type_ != "table" or parent_names.get("schema_name") != schema:
        return True
    return name not in OURS


def include_object(object_: object, *_: object) -> bool:
    """Leave the tables that `models` has put into the application's metadata out of its migrations.

    Needed beside `include_name` where `models` was given a base of one's own:

        context.configure(..., include_name=include_name, include_object=include_object)
    """
    return not (isinstance(object_, Table) and object_.info.get("gatepost"))


# --- Models ---


_OURS: Mapping[str, Any] = {"info": {"gatepost": True}}


class _UserColumns:
    __tablename__ = "users"
    __table_args__: ClassVar[Any] = _OURS

    email: Mapped[str]
    name: Mapped[str | None]
    is_admin: Mapped[bool | None]
    is_active: Mapped[bool | None]
    created_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class _SessionColumns:
    __tablename__ = "user_sessions"
    __table_args__: ClassVar[Any] = _OURS

    id: Mapped[int] = mapped_column(primary_key=True)
    is_active: Mapped[bool | None]
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    end_reason: Mapped[str | None]
    ip_address: Mapped[str | None]
    user_agent: Mapped[str | None] = mapped_column(Text)


class _EventColumns:
    __tablename__ = "auth_events"
    __table_args__: ClassVar[Any] = _OURS

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    action: Mapped[str]
    session_id: Mapped[int | None] = mapped_column(BigInteger)
    ip_address: Mapped[str | None]
    user_agent: Mapped[str | None] = mapped_column(Text)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)


class Base(DeclarativeBase):
    """What `User`, `UserSession` and `AuthEvent` stand on: their metadata are no application's."""


class User(_UserColumns, Base):
    """A row of `users`; the hash of its password is left out.

    For integer ids: where a database has others, reading one raises a TypeError that names `models`.
    """

    id: Mapped[int] = mapped_column(primary_key=True)


class UserSession(_SessionColumns, Base):
    """A row of `user_sessions`, the ended ones too; what its token is found by is left out."""

    user_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    user: Mapped[User] = relationship(User, viewonly=True)


class AuthEvent(_EventColumns, Base):
    """A row of `auth_events`, which are only ever added to: the database refuses anything else."""

    user_id: Mapped[int | None] = mapped_column(BigInteger)


@event.listens_for(User, "load")
def _refuse_other_ids(user: User, _: object) -> None:
    """Refuse rows whose ids aren't the integers that this class says they are: keys to it would be wrong."""
    if not isinstance(user.id, int):
        raise TypeError(
            f"gatepost.sqlalchemy.User has integer ids, and this database has {type(user.id).__name__}:"
            " map the tables with models(Base, id_type=…)"
        )


class Models(NamedTuple):
    """What `models` makes: classes as `User`, `UserSession` and `AuthEvent` are."""

    User: Any
    UserSession: Any
    AuthEvent: Any


def models(
    base: type[DeclarativeBase], *, schema: str | None = None, id_type: TypeArgument = Integer
) -> Models:
    """Map Gatepost's tables on a base of one's own, in another schema or with ids of another type.

    Args:
        base: the application's declarative base.
        schema: where the tables are; None for the schema that connections work in.
        id_type: of `users.id`: `Integer`, `BigInteger`, `Uuid` or `String`.

    With the application's own base the tables are in its metadata: `include_object` keeps Alembic from them.
    """
    own: dict[str, Any] = {"__table_args__": {**_OURS, "schema": schema}}
    user: Any = type("User", (_UserColumns, base), {**own, "id": mapped_column(id_type, primary_key=True)})
    session = type(
        "UserSession",
        (_SessionColumns, base),
        {
            **own,
            "user_id": mapped_column(id_type, ForeignKey(user.id)),
            "user": relationship(user, viewonly=True),
        },
    )
    wide = BigInteger if id_type is Integer else id_type  # the trail has room for every integer
    trail = type("AuthEvent", (_EventColumns, base), {**own, "user_id": mapped_column(wide, nullable=True)})
    return Models(User=user, UserSession=session, AuthEvent=trail)


# --- Sessions on a connection of Gatepost's ---

_lent: ContextVar["Connection"] = ContextVar("lent")


class LentDialect(PGDialect_asyncpg):
    """PostgreSQL on a connection that somebody else has opened, works with afterwards, and closes."""

    supports_statement_cache = True
    # The driver's own forms of JSON: SQLAlchemy's would have to be set on the connection, and stay there.
    colspecs = PGDialect_asyncpg.colspecs | {types.JSON: JSON, JSON: JSON, JSONB: JSONB}

    def on_connect(self) -> Callable[[Any], None] | None:
        """Set nothing on the connection."""
        return None

    def do_close(self, dbapi_connection: Any) -> None:  # noqa: ANN401 - the driver's, adapted by SQLAlchemy
        """Leave it open."""

    def do_terminate(self, dbapi_connection: Any) -> None:  # noqa: ANN401 - as `do_close`
        """Leave it open: whoever has lent it finds out what is wrong with it."""


def engine_url(url: str) -> str:
    """Return the URL of a database, as in DATABASE_URL, for `create_async_engine`.

    It names the driver asyncpg, and no `search_path`: with DATABASE_SCHEMA that leads to Gatepost's tables.
    """
    own = make_url(url).set(drivername="postgresql+asyncpg").difference_update_query(["search_path"])
    return own.render_as_string(hide_password=False)


@cache
def _engine() -> AsyncEngine:
    async def lent() -> "Connection":
        return _lent.get()

    registry.register("postgresql.gatepost", __name__, LentDialect.__name__)
    return create_async_engine("postgresql+gatepost://", async_creator=lent, poolclass=NullPool)


@asynccontextmanager
async def session_on(conn: "Connection", *, schema: str | None = None) -> AsyncIterator[AsyncSession]:
    """Lend an `AsyncSession` on the connection, and in the transaction, that a hook is called with.

        @auth.on_register
        async def add_profile(conn, user):
            async with session_on(conn) as session:
                session.add(Profile(user_id=user.id))

    What it did is flushed at the end, and committed or undone together with the hook's transaction. If the
    block raises, its own part is undone. `commit` and `rollback` of the session are savepoints.

    It works whatever driver the application's own engine has. Codecs and listeners of that engine aren't
    there: a type that needs some, such as pgvector's, has to be read through a cast.

    Args:
        conn: the connection.
        schema: where the tables are whose models name no schema. With DATABASE_SCHEMA a hook's connection
            finds Gatepost's tables alone: `schema="public"` has it find the application's.
    """
    engine = _engine()
    if schema is not None:
        engine = engine.execution_options(schema_translate_map={None: schema})
    turn = _lent.set(conn)
    try:
        async with AsyncSession(engine, expire_on_commit=False) as session:
            yield session
            await session.commit()
    finally:
        _lent.reset(turn)


async def connection_of(session: AsyncSession) -> "Connection":
    """Return the asyncpg connection of a session, in the session's transaction: for `conn=`.

        async with new_session() as session:
            user = await auth.users.create(email=…, name=…, conn=await connection_of(session))
            session.add(Profile(user_id=user.id))
            await session.commit()

    Raises:
        TypeError: the session's engine has another driver.
    """
    connection = await session.connection()
    if connection.dialect.driver != PGDialect_asyncpg.driver:
        raise TypeError(f"connection_of needs an engine of asyncpg, not of {connection.dialect.driver}")
    # SQLAlchemy begins the driver's transaction with the first statement.
    await connection.execute(text("SELECT"))
    driver: Any = (await connection.get_raw_connection()).driver_connection
    found: Connection = driver
    return found
