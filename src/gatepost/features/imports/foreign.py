"""Statements on the tables of the system that users come from: their names are known when they are found."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gatepost.db.pool import Connection, one
from gatepost.models import Columns, UserIdType

ID_TYPES = {
    "smallint": UserIdType.SMALLINT,
    "integer": UserIdType.INTEGER,
    "bigint": UserIdType.BIGINT,
    "uuid": UserIdType.UUID,
    "text": UserIdType.TEXT,
    "character varying": UserIdType.TEXT,
}
"""PostgreSQL's name → ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of another system's.

    Attributes:
        name: in a statement, with its schema: PostgreSQL has quoted it.
        schema: the schema's name alone.
        types: name of a column → its type, of a domain the one below it.
    """

    name: str
    schema: str
    types: Mapping[str, str]

    @property
    def columns(self) -> frozenset[str]:
        """The names of its columns."""
        return frozenset(self.types)

    @property
    def id_type(self) -> str | None:
        """The type of its column `id`; None where there is none."""
        return self.types.get("id")


class Token(Columns, frozen=True, kw_only=True, gc=False):
    """A bearer token of another system's, as it was given out."""

    token: str
    user_id: str
    created_at: datetime | None

    def __repr__(self) -> str:
        return f"Token(user_id={self.user_id!r})"


async def find_table(conn: Connection, name: str, schema: str | None = None) -> Table | None:
    """Return a table by its exact name; without a schema the one that the connection sees, or any."""
    row = await conn.fetchrow(
        """
        SELECT format('%I.%I', n.nspname, c.relname) AS name, n.nspname::text AS schema,
            jsonb_object_agg(a.attname, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL))::text
                AS types
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_type t ON t.oid = a.atttypid
        WHERE c.relname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
            AND CASE WHEN $2::text IS NULL THEN n.nspname !~ '^(pg_|information_schema$)'
                ELSE n.nspname = $2 END
        GROUP BY c.oid, n.nspname, c.relname
        ORDER BY pg_table_is_visible(c.oid) DESC, n.nspname = 'public' DESC, n.nspname
        LIMIT 1
        """,
        name,
        schema,
    )
    if row is None:
        return None
    return Table(
        name=row["name"],
        schema=row["schema"],
        types=json.loads(row["types"]),
    )


async def count(conn: Connection, table: Table) -> int:
    """Return how many rows a table has with an id."""
    row = await conn.fetchrow(f"SELECT count(u.id) AS rows FROM {table.name} u")  # noqa: S608 - PostgreSQL's quoting
    return int(one(row)["rows"])


async def highest_id(conn: Connection, table: Table, *, most: int) -> int | None:
    """Return the highest id, of those that are numbers up to `most`; None where there is none."""
    row = await conn.fetchrow(
        f"SELECT max(u.id)::bigint AS highest FROM {table.name} u WHERE u.id <= $1::bigint",  # noqa: S608 - PostgreSQL's quoting
        most,
    )
    highest: int | None = one(row)["highest"]
    return highest


async def page(conn: Connection, table: Table, *, after: str | None, limit: int) -> list[Mapping[str, Any]]:
    """Return rows in the order of their ids, those after `after`, whatever columns there are."""
    rows = await conn.fetch(
        f"""
        SELECT to_jsonb(u)::text AS row FROM {table.name} u
        WHERE u.id IS NOT NULL AND ($1::text IS NULL OR u.id > $1::text::{table.id_type})
        ORDER BY u.id
        LIMIT $2
        """,  # noqa: S608 - PostgreSQL's quoting
        after,
        limit,
    )
    return [json.loads(row["row"]) for row in rows]


async def tokens_of(conn: Connection, table: Table, users: Table, user_ids: Sequence[str]) -> list[Token]:
    """Return the tokens of these users."""
    rows = await conn.fetch(
        f"""
        SELECT t.token::text AS token, t.user_id::text AS user_id,
            CASE WHEN isfinite(t.created_at::timestamptz) THEN t.created_at::timestamptz END AS created_at
        FROM {table.name} t
        WHERE t.user_id = ANY($1::text[]::{users.id_type}[]) AND t.token IS NOT NULL
        """,  # noqa: S608 - PostgreSQL's quoting
        user_ids,
    )
    return [Token.from_row(row) for row in rows]


async def count_by(conn: Connection, table: Table, column: str) -> dict[str, int]:
    """Return how many rows a table has for each value of a column."""
    rows = await conn.fetch(
        f'SELECT i."{column}"::text AS value, count(*) AS rows FROM {table.name} i GROUP BY 1 ORDER BY 1'  # noqa: S608 - PostgreSQL's quoting, and ours
    )
    return {row["value"]: row["rows"] for row in rows}
