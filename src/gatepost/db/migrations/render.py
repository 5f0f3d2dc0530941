"""The SQL that takes a database from one version of the schema to the newest."""

from pathlib import Path

from gatepost.db.feature import Schema, Schemas
from gatepost.db.migrations.user_ids import fill
from gatepost.models import UserIdType

_SQL = Path(__file__).parent / "sql"

VERSIONS = tuple(sorted(folder.name for folder in _SQL.iterdir() if folder.name.isdigit()))
"""Every version of the schema, oldest first: a folder each, whose files run in the order of their names."""


def script(folder: str, ids: UserIdType = UserIdType.INTEGER) -> str:
    """Return the statements of `sql/<folder>`, for users' ids of a type."""
    files = sorted((_SQL / folder).glob("*.sql"))
    return fill("\n\n".join(file.read_text(encoding="utf-8").strip() for file in files), ids)


def render(*, before: str | None, ids: UserIdType) -> str:
    """Return the SQL that takes a database to the newest version.

    Args:
        before: the version that the database has, None where it has none.
        ids: the type of users' ids.
    """
    parts = []
    for version in VERSIONS[VERSIONS.index(before) + 1 if before else 0 :]:
        noted = f"UPDATE gatepost_version SET version_num = '{version}';"  # noqa: S608 - a folder's name
        parts += [f"-- Version {version}", script(version, ids), noted]
    return "\n\n".join(parts)


def render_feature(schema: Schema, *, before: str | None, ids: UserIdType) -> str:
    """Return the SQL that takes the tables of a feature to the newest version, as `render` the kernel's."""
    return fill(schema.script(before), ids)


def render_transaction(ids: UserIdType, features: Schemas, schema: str | None) -> str:
    """Return all tables in one transaction, under the lock that admits one migration at a time.

    Args:
        ids: the type of users' ids.
        features: whose tables are among them.
        schema: where they are made; None for the first of the search_path that is in force then.
    """
    made = f'CREATE SCHEMA IF NOT EXISTS "{schema}";\nSET LOCAL search_path = "{schema}";'
    place = [] if schema is None else [made]
    theirs = [render_feature(schema, before=None, ids=ids) for schema in features]
    kernels = render(before=None, ids=ids)
    return "\n\n".join(["BEGIN;", *place, script("before"), kernels, *theirs, "COMMIT;\n"])
