"""Statements that look at what an application's table brings along: rules, marks, ids, e-mails, hashes."""

from collections.abc import AsyncIterator

from gatepost.db.pool import Connection
from gatepost.models import Columns, UserId


class Behind(Columns, frozen=True, kw_only=True, gc=False):
    """A sequence that is about to give out numbers that are taken.

    Attributes:
        table: whose ids it counts.
        sequence: its name.
        next: what it gives out next, at the earliest.
        highest: the highest id of the table.
    """

    table: str
    sequence: str
    next: int
    highest: int


class Rule(Columns, frozen=True, kw_only=True, gc=False):
    """Something of the application's that can reject a row which Gatepost writes.

    Attributes:
        table: where it is.
        name: of the constraint, index or trigger.
        definition: what it says.
    """

    table: str
    name: str
    definition: str


class Mark(Columns, frozen=True, kw_only=True, gc=False):
    """A column by which the application says that a user is gone, without deleting the row.

    Attributes:
        column: its name.
        is_kept: a trigger keeps `is_active` in step with it.
        marked: active users that it says are gone.
        condition: when it says so, as SQL.
        index: a unique index on the e-mails of those who are not gone; None where there is none.
    """

    column: str
    is_kept: bool
    marked: int
    condition: str
    index: str | None


async def sequences_behind(conn: Connection) -> list[Behind]:
    """Return the sequences whose next number is not above the ids that their table holds.

    One that has given out nothing since it was set is taken to begin where it was made to.
    """
    rows = await conn.fetch(
        """
        WITH held (relation, highest) AS (
            SELECT 'users', (
                SELECT CASE WHEN u.id::text ~ '^-?[0-9]{1,19}$' THEN u.id::text::bigint END
                FROM users u ORDER BY u.id DESC LIMIT 1
            )
            UNION ALL SELECT 'user_sessions', max(s.id)::bigint FROM user_sessions s
            UNION ALL SELECT 'auth_events', max(e.id)::bigint FROM auth_events e
            UNION ALL SELECT 'auth_links', max(l.id)::bigint FROM auth_links l
        ), counted AS (
            SELECT h.relation, h.highest, s.oid
            FROM held h
            JOIN pg_attribute a ON a.attrelid = to_regclass(h.relation) AND a.attname = 'id'
            CROSS JOIN LATERAL (
                SELECT pg_get_serial_sequence(h.relation, 'id')::regclass::oid AS oid
                UNION
                SELECT p.refobjid
                FROM pg_attrdef d
                JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
                    AND p.refclassid = 'pg_class'::regclass
                JOIN pg_class c ON c.oid = p.refobjid AND c.relkind = 'S'
                WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum
            ) s
        )
        SELECT c.relation AS table, c.oid::regclass::text AS sequence, n.next, c.highest
        FROM counted c
        JOIN pg_sequence q ON q.seqrelid = c.oid
        CROSS JOIN LATERAL (
            SELECT coalesce(pg_sequence_last_value(q.seqrelid) + q.seqincrement, q.seqstart) AS next
            WHERE has_sequence_privilege(q.seqrelid, 'USAGE, SELECT')
        ) n
        WHERE q.seqincrement > 0 AND n.next <= c.highest
        ORDER BY c.relation
        """
    )
    return [Behind.from_row(row) for row in rows]


async def rules(conn: Connection, ours: list[str]) -> list[Rule]:
    """Return the application's own constraints on what Gatepost writes to `users`, and its triggers.

    Args:
        conn: where to ask.
        ours: Gatepost's own triggers.
    """
    rows = await conn.fetch(
        """
        WITH written AS (
            SELECT a.attrelid, a.attnum FROM pg_attribute a
            WHERE a.attrelid = to_regclass('users') AND a.attname = ANY(ARRAY['email', 'name',
                'hashed_password', 'is_admin', 'is_active', 'created_at', 'updated_at', 'language'])
        ), rule AS (
            SELECT k.conrelid AS relation, k.conname AS name, pg_get_constraintdef(k.oid) AS definition
            FROM pg_constraint k
            WHERE k.contype IN ('u', 'x', 'c', 'f') AND EXISTS (
                SELECT FROM written w WHERE w.attrelid = k.conrelid AND w.attnum = ANY(k.conkey)
            )
            UNION ALL
            SELECT x.indrelid, i.relname, regexp_replace(pg_get_indexdef(x.indexrelid), '^.* USING ', '')
            FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
            WHERE x.indisunique AND x.indrelid = to_regclass('users')
                AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid)
                AND EXISTS (
                    SELECT FROM pg_depend d
                    JOIN written w ON w.attrelid = d.refobjid AND w.attnum = d.refobjsubid
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = x.indexrelid
                        AND d.refclassid = 'pg_class'::regclass
                )
            UNION ALL
            SELECT g.tgrelid, g.tgname,
                regexp_replace(pg_get_triggerdef(g.oid, true), '^.*? TRIGGER \\S+ ', '')
            FROM pg_trigger g
            WHERE NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgname <> ALL($1::text[])
                AND g.tgrelid IN (to_regclass('users'), to_regclass('user_sessions'))
        )
        SELECT c.relname::text AS table, r.name::text AS name, r.definition
        FROM rule r JOIN pg_class c ON c.oid = r.relation
        WHERE NOT starts_with(r.definition, 'btree (gatepost.email_key(') AND r.name <> 'users_language_check'
            AND r.definition !~ '^(btree|UNIQUE) \\((lower\\()?\\(?email\\)?(::text)?\\)*$'
        ORDER BY c.relname DESC, r.name
        """,
        ours,
    )
    return [Rule.from_row(row) for row in rows]


async def marks(conn: Connection) -> list[Mark]:
    """Return the columns of `users` that look like soft deletion."""
    rows = await conn.fetch(
        """
        SELECT a.attname::text AS column,
            format(CASE t.typcategory WHEN 'B' THEN '%I' ELSE '%I IS NOT NULL' END, a.attname) AS condition,
            EXISTS (
                SELECT FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid
                WHERE g.tgrelid = a.attrelid AND g.tgenabled <> 'D' AND strpos(p.prosrc, 'is_active') > 0
                    AND strpos(p.prosrc, a.attname) > 0
            ) AS is_kept,
            (
                SELECT count(*) FROM users u
                WHERE u.is_active AND coalesce(to_jsonb(u) ->> a.attname, 'false') <> 'false'
            ) AS marked,
            (
                SELECT x.indexrelid::regclass::text FROM pg_index x
                WHERE x.indrelid = a.attrelid AND x.indisunique
                    AND strpos(pg_get_expr(x.indpred, x.indrelid), a.attname) > 0
                    AND strpos(pg_get_indexdef(x.indexrelid, 1, true), 'email') > 0
                LIMIT 1
            ) AS index
        FROM pg_attribute a
        JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = to_regclass('users') AND NOT a.attisdropped AND t.typcategory IN ('B', 'D')
            AND a.attname = ANY(ARRAY['deleted_at', 'deleted_on', 'deleted', 'is_deleted', 'soft_deleted_at',
                'removed_at', 'is_removed', 'discarded_at', 'archived_at', 'is_archived', 'deactivated_at',
                'disabled_at', 'is_disabled'])
        ORDER BY a.attnum
        """
    )
    return [Mark.from_row(row) for row in rows]


async def unusual_emails(conn: Connection, *, limit: int) -> AsyncIterator[tuple[UserId, str, str]]:
    """Yield id, e-mail and what a sign-in compares, of those e-mails that are more than plain letters.

    Most are plain, and a plain one is in the form that it is looked up by.
    """
    rows = await conn.fetch(
        """
        SELECT u.id, u.email::text AS email,
            gatepost.email_key(u.email, u.email_key) AS compared
        FROM users u
        WHERE u.email::text !~ '^[A-Za-z0-9_+-]+(\\.[A-Za-z0-9_+-]+)*@([A-Za-z0-9]+([.-][A-Za-z0-9]+)*)$'
        ORDER BY u.id
        LIMIT $1
        """,
        limit,
    )
    for row in rows:
        yield row["id"], row["email"], row["compared"]


async def unreadable_hashes(
    conn: Connection, readable: list[str], *, limit: int
) -> AsyncIterator[tuple[UserId, str]]:
    """Yield id and stored hash of users whose hash has none of the forms that are read, or is a cut bcrypt.

    Args:
        conn: where to ask.
        readable: the forms, as regular expressions.
        limit: users, at the most.
    """
    rows = await conn.fetch(
        """
        SELECT u.id, u.hashed_password::text AS hashed_password
        FROM users u
        WHERE u.hashed_password::text <> '' AND NOT starts_with(u.hashed_password::text, '!')
            AND (NOT u.hashed_password::text ~ ANY($1::text[])
                OR (u.hashed_password::text LIKE '$2_$%' AND length(u.hashed_password) <> 60))
        ORDER BY u.id
        LIMIT $2
        """,
        readable,
        limit,
    )
    for row in rows:
        yield row["id"], row["hashed_password"]
