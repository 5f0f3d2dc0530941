"""Statements that look at what stands around the tables: policies on rows, and how many may connect."""

from gatepost.db.pool import Connection, one
from gatepost.models import Columns


class Policies(Columns, frozen=True, kw_only=True, gc=False):
    """Row-level security that is in force for this role on a table.

    Attributes:
        table: the table.
        lets_all: the role reads and writes every row all the same.
    """

    table: str
    lets_all: bool


class Capacity(Columns, frozen=True, kw_only=True, gc=False):
    """How many connections may be open; None where there is no limit.

    Attributes:
        of_role: for this role.
        of_database: to this database.
        of_server: to the server, for roles without privileges.
    """

    of_role: int | None
    of_database: int | None
    of_server: int


async def policies(conn: Connection) -> list[Policies]:
    """Return the tables whose policies this role is under, and whether these let it do everything.

    Permissive ones add up; a single restrictive one with a condition is enough to hide rows.
    """
    rows = await conn.fetch(
        """
        WITH ours AS (
            SELECT t.relation AS table_name, to_regclass(t.relation) AS oid
            FROM unnest(ARRAY['users', 'user_sessions', 'auth_events', 'auth_throttles', 'auth_failures',
                'auth_links', 'auth_event_hours', 'auth_housekeeping', 'auth_last_sign_ins',
                'gatepost_version']) t (relation)
        ), applied AS (
            SELECT p.polrelid, p.polcmd, p.polpermissive,
                coalesce(pg_get_expr(p.polqual, p.polrelid), 'true') = 'true'
                    AND coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'true') = 'true' AS lets_all
            FROM pg_policy p JOIN ours o ON o.oid = p.polrelid
            WHERE EXISTS (
                SELECT FROM unnest(p.polroles) r (oid)
                WHERE r.oid = 0 OR pg_has_role(current_user, r.oid, 'USAGE')
            )
        )
        SELECT o.table_name AS table, NOT EXISTS (
                SELECT FROM applied a WHERE a.polrelid = o.oid AND NOT a.polpermissive AND NOT a.lets_all
            ) AND NOT EXISTS (
                SELECT FROM unnest(ARRAY['r', 'a', 'w', 'd']) c (cmd)
                WHERE NOT EXISTS (
                    SELECT FROM applied a
                    WHERE a.polrelid = o.oid AND a.polpermissive AND a.lets_all
                        AND (a.polcmd = '*' OR a.polcmd::text = c.cmd)
                )
            ) AS lets_all
        FROM ours o
        WHERE o.oid IS NOT NULL AND row_security_active(o.oid)
        """
    )
    return [Policies.from_row(row) for row in rows]


async def capacity(conn: Connection) -> Capacity:
    """Return how many connections there may be; a superuser's own are not limited by role and database."""
    row = await conn.fetchrow(
        """
        SELECT CASE WHEN NOT r.rolsuper THEN nullif(r.rolconnlimit, -1) END AS of_role,
            CASE WHEN NOT r.rolsuper THEN nullif(d.datconnlimit, -1) END AS of_database,
            current_setting('max_connections')::integer
                - current_setting('superuser_reserved_connections')::integer
                - coalesce(current_setting('reserved_connections', true)::integer, 0) AS of_server
        FROM pg_roles r, pg_database d
        WHERE r.rolname = session_user AND d.datname = current_database()
        """
    )
    return Capacity.from_row(one(row))
