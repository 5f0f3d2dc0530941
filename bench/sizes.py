"""What rows take on the disk, with their indexes: what the sizing of docs/performance.md rests on."""

from bench.database import Connection

BYTES_A_ROW = (
    "SELECT pg_total_relation_size($1::text::regclass)::float8 / greatest(1, (SELECT count(*) FROM {0}))"
)


async def row_bytes(conn: Connection) -> dict[str, float]:
    """Return bytes of a user and of a session, freshly filled."""
    return {
        "user_bytes": await conn.fetchval(BYTES_A_ROW.format("users"), "users"),
        "session_bytes": await conn.fetchval(BYTES_A_ROW.format("user_sessions"), "user_sessions"),
    }


async def used_bytes(conn: Connection) -> dict[str, float]:
    """Return bytes of an event of the trail, and of a session of a table in which many were refreshed."""
    return {
        "event_bytes": await conn.fetchval(BYTES_A_ROW.format("auth_events"), "auth_events"),
        "used_session_bytes": await conn.fetchval(BYTES_A_ROW.format("user_sessions"), "user_sessions"),
    }
