"""Columns of an application's own in `users`, which its hooks of `on_insert` fill: seen to when it opens."""

from collections.abc import Sequence

from gatepost.db.pool import Connection
from gatepost.errors import DatabaseUnfit

_LOOK = """
    SELECT k.name, a.attname IS NOT NULL AS is_there,
        coalesce(a.attgenerated <> '' OR a.attidentity = 'a', false) AS is_generated,
        a.attname IS NULL OR has_column_privilege(a.attrelid, a.attnum, 'INSERT') AS is_allowed,
        quote_ident(current_user) AS role
    FROM unnest($1::text[]) WITH ORDINALITY AS k (name, place)
    LEFT JOIN pg_attribute a ON a.attrelid = to_regclass('users') AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attname = k.name
    ORDER BY k.place
"""


async def check(conn: Connection, names: Sequence[str]) -> None:
    """Make sure that the table has these columns, and that they can be filled.

    Raises:
        DatabaseUnfit: it has not, or they can't.
    """
    for column in await conn.fetch(_LOOK, names) if names else ():
        name, role = column["name"], column["role"]
        if not column["is_there"]:
            raise DatabaseUnfit(f"@auth.on_insert: users has no column {name!r}")
        if column["is_generated"]:
            raise DatabaseUnfit(f"@auth.on_insert: PostgreSQL fills users.{name} by itself, nobody else may")
        if not column["is_allowed"]:
            raise DatabaseUnfit(
                f"@auth.on_insert: {role} may not fill users.{name}. Let the owner of users run:"
                f' GRANT INSERT ("{name}") ON users TO {role};'
            )
