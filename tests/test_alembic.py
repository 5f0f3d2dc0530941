"""Alembic beside Gatepost: what autogenerate writes leaves Gatepost's tables as they are."""

import asyncio
import json
import os
import sys
from pathlib import Path

import alembic
import asyncpg
import pytest
from tests.conftest import execute

from gatepost.db import migrate

ENV = """
import asyncio, os
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine
{imports}
from models import Base

def run(connection):
    context.configure(connection=connection, target_metadata=Base.metadata, {options})
    with context.begin_transaction():
        context.run_migrations()

async def main():
    engine = create_async_engine(os.environ["URL"])
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()

asyncio.run(main())
"""

PLAIN = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from gatepost.sqlalchemy import User

class Base(DeclarativeBase):
    pass

class Project(Base):
    __tablename__ = "projects"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    owner: Mapped[User] = relationship(User)
    title: Mapped[str]
"""

OWN_BASE = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from gatepost.sqlalchemy import models

class Base(DeclarativeBase):
    pass

User = models(Base{arguments}).User

class Project(Base):
    __tablename__ = "projects"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
    owner = relationship(User, backref="projects")
"""

SQLMODEL = """
from sqlalchemy import Column, ForeignKey
from sqlmodel import Field, SQLModel as Base
from gatepost.sqlalchemy import User

class Project(Base, table=True):
    __tablename__ = "projects"
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int = Field(sa_column=Column(ForeignKey(User.id, ondelete="CASCADE"), nullable=False))
    title: str
"""

NAMES = "include_name=include_name"
BOTH = f"{NAMES}, include_object=include_object"
IMPORTS = "from gatepost.sqlalchemy import include_name, include_name_in, include_name_of, include_object"

APPLICATIONS = {
    "plain": ("public", PLAIN, NAMES),
    "own base": ("public", OWN_BASE.format(arguments=""), BOTH),
    "SQLModel": ("public", SQLMODEL, NAMES),
    "own schema, every schema looked at": (
        "auth",
        OWN_BASE.format(arguments=', schema="auth"'),
        'include_name=include_name_in("auth"), include_object=include_object, include_schemas=True',
    ),
    "own base, own schema": ("auth", OWN_BASE.format(arguments=', schema="auth"'), BOTH),
}


WALK = '''
"""Autogenerate and upgrade, twice; print what each wrote into `upgrade`."""
import json
from alembic import command
from alembic.config import Config
from pathlib import Path

config, written = Config("alembic.ini"), []
for _ in range(2):
    revision = command.revision(config, message="change", autogenerate=True)
    upgrade = Path(revision.path).read_text().partition("def upgrade() -> None:")[2]
    written.append(upgrade.partition("def downgrade")[0])
    command.upgrade(config, "head")
print(json.dumps(written))
'''


async def walk(place: Path, url: str, models: str, options: str, *, seed: int) -> list[str]:
    """Have Alembic write and run two migrations for these models; return what stands in them."""
    (place / "versions").mkdir()
    template = (Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako").read_text()
    template = template.replace("import sqlalchemy as sa", "import sqlalchemy as sa, sqlmodel")
    (place / "script.py.mako").write_text(template)
    (place / "alembic.ini").write_text("[alembic]\nscript_location = .\nprepend_sys_path = .\n")
    (place / "models.py").write_text(models)
    (place / "env.py").write_text(ENV.format(imports=IMPORTS, options=options))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WALK,
        cwd=place,
        env={**os.environ, "URL": url, "PYTHONHASHSEED": str(seed)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, told = await process.communicate()
    assert process.returncode == 0, told.decode()
    written: list[str] = json.loads(out.splitlines()[-1])
    return written


def as_sqlalchemy(dsn: str) -> str:
    return dsn.replace("postgresql:", "postgresql+asyncpg:", 1)


async def tables(dsn: str, schema: str) -> set[str]:
    conn = await asyncpg.connect(dsn)
    try:
        found = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", schema)
        return {row["tablename"] for row in found}
    finally:
        await conn.close()


@pytest.mark.parametrize("name", APPLICATIONS)
async def test_autogenerate_sees_the_tables_of_the_application_alone(
    empty_dsn: str, tmp_path: Path, name: str
) -> None:
    schema, models, options = APPLICATIONS[name]
    at = empty_dsn
    if schema != "public":
        await execute(empty_dsn, f"CREATE SCHEMA {schema}")
        at = f"{empty_dsn}{'&' if '?' in empty_dsn else '?'}search_path={schema}"
    await migrate.migrate(at)
    before = await tables(empty_dsn, schema)
    seed = list(APPLICATIONS).index(name) + 1
    first, again = await walk(tmp_path, as_sqlalchemy(empty_dsn), models, options, seed=seed)
    assert (first.count("op.create_table("), "op.drop" in first) == (1, False)
    assert "'projects'" in first
    assert f"['{'' if schema == 'public' else schema + '.'}users.id']" in first
    assert "op." not in again
    ours = {"projects", "alembic_version"}
    assert await tables(empty_dsn, schema) == before | (ours if schema == "public" else set())
    assert ours <= await tables(empty_dsn, "public")


ADOPTED = """
from sqlalchemy import ForeignKey, Index, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

class Base(DeclarativeBase):
    pass

class User(Base):
    __tablename__ = "users"
    __table_args__ = (Index("users_company", "company"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(40), unique=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    company: Mapped[str | None]
    phone: Mapped[str | None]

class Project(Base):
    __tablename__ = "projects"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    owner: Mapped[User] = relationship()
"""


async def test_a_model_of_the_adopted_table_stays_the_applications(empty_dsn: str, tmp_path: Path) -> None:
    await execute(
        empty_dsn,
        """CREATE TABLE users (id serial PRIMARY KEY, username varchar(40) NOT NULL UNIQUE,
            email varchar(255) NOT NULL UNIQUE, password_hash varchar(255) NOT NULL, company varchar,
            fax varchar)""",
        "CREATE INDEX users_company ON users (company)",
    )
    await migrate.migrate(empty_dsn)
    options = "include_name=include_name_of(Base.metadata)"
    first, again = await walk(tmp_path, as_sqlalchemy(empty_dsn), ADOPTED, options, seed=7)
    operations = sorted(line.strip() for line in first.splitlines() if line.strip().startswith("op."))
    assert operations == [
        "op.add_column('users', sa.Column('phone', sa.String(), nullable=True))",
        "op.alter_column('users', 'email',",
        "op.create_table('projects',",
        "op.drop_column('users', 'fax')",
        "op.drop_table_comment(",
    ]
    assert "existing_nullable=False)" in first.partition("op.alter_column")[2]  # its comment goes, no more
    assert "op." not in again
    assert (await migrate.migrate(empty_dsn)).applied == ()
