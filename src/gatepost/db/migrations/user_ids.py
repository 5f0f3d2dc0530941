"""How the schema has users' ids: each version is written for any type, and rendered for the one there is."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gatepost.models import UserIdType

if TYPE_CHECKING:
    from gatepost.db.pool import Connection

_NUMBER = {
    "session_user_id": "integer",  # as the guide has it; widened where ids are
    "user_id": "bigint",
    "fitting_types": "integer,bigint,smallint",
    "user_id_in_bounds": "abs(user_id) < 4611686018427387904",
    "nobody": "0",
}
_STRING = {
    UserIdType.UUID: {
        "id": "uuid",
        "session_user_id": "uuid",
        "user_id": "uuid",
        "fitting_types": "uuid",
        "user_id_in_bounds": "true",
        "nobody": "'00000000-0000-0000-0000-000000000000'",
    },
    UserIdType.TEXT: {
        "id": "text",
        "session_user_id": "text",
        "user_id": "text",
        "fitting_types": "text,character varying",
        "user_id_in_bounds": "length(user_id) BETWEEN 1 AND 255",
        "nobody": "''",
    },
}


def fill(sql: str, ids: UserIdType) -> str:
    """Return SQL with its `{placeholders}` filled for ids of a type.

    Of numbers Gatepost's own columns hold the widest, so that an application may widen its own.
    """
    for name, text in _texts(ids).items():
        sql = sql.replace(f"{{{name}}}", text)
    return sql


def _texts(ids: UserIdType) -> Mapping[str, str]:
    own = _STRING.get(ids)
    if own is None:
        own = _NUMBER | {"id": "bigserial" if ids is UserIdType.BIGINT else "serial"}
    return own | {"setting": ids}


async def type_in(conn: "Connection") -> UserIdType | None:
    """Return the type of users' ids in a database; None where there is no table, or of none that is taken."""
    row = await conn.fetchrow(
        """
        SELECT format_type(coalesce(nullif(t.typbasetype, 0), t.oid), NULL) AS name
        FROM pg_attribute a
        JOIN pg_type t ON t.oid = a.atttypid
        JOIN pg_class c ON c.oid = a.attrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = current_schema() AND c.relname = 'users' AND a.attname = 'id' AND NOT a.attisdropped
        """
    )
    if row is None:
        return None
    name = "text" if row["name"] == "character varying" else row["name"]
    return UserIdType(name) if name in set(UserIdType) else None
