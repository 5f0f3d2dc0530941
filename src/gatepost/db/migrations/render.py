"""Alembic, asked for the SQL of an upgrade; importing this module takes half a second."""

import io
import threading
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from gatepost.db.migrations.statements import statements

VERSION_TABLE = "gatepost_version"
"""Gatepost's own, so that it never meets an application's `alembic_version`."""

_alone = threading.Lock()  # alembic.op and alembic.context are one per process


def scripts() -> ScriptDirectory:
    """Return the versions that are shipped in this package."""
    return ScriptDirectory(str(Path(__file__).parent))


def render(*, before: str | None, transaction: bool) -> str:
    """Return the SQL that takes a database from a version to the newest one.

    Args:
        before: the version the database has, None where it has none.
        transaction: add BEGIN, the lock that lets one migration through at a time, and COMMIT.
    """
    script, output = scripts(), io.StringIO()
    with _alone, EnvironmentContext(Config(), script) as environment:
        environment.configure(
            dialect_name="postgresql",
            dialect_opts={"paramstyle": "named"},  # another style would double each percent sign
            as_sql=True,
            starting_rev=before,
            output_buffer=output,
            version_table=VERSION_TABLE,
            transactional_ddl=transaction,
            fn=lambda version, _: script._upgrade_revs("head", version),  # noqa: SLF001 - as Alembic's own commands do
        )
        with environment.begin_transaction():
            if transaction:
                for statement in statements("before"):
                    environment.execute(statement)
            environment.run_migrations()
    return output.getvalue()
