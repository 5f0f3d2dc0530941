"""Statements that look at the database itself: what `gatepost doctor` and `gatepost serve` tell of it."""

from datetime import datetime

from gatepost.db.feature import Schemas
from gatepost.db.migrations.expected import tables
from gatepost.db.pool import Connection, one
from gatepost.models import Columns


class Server(Columns, frozen=True, kw_only=True, gc=False):
    """What the server says of itself.

    Attributes:
        version: as people write it, like "18.6".
        version_number: as PostgreSQL counts, like 180006.
        encoding: of the database, like "UTF8".
        is_standby: it can be read only.
        read_only_by: where `default_transaction_read_only` was turned on, as pg_settings has it; None where
            it is off.
        role, database: the names in use, quoted as SQL has them.
        schema: the one that the tables are looked for in; None where the role may use none.
        now: its clock.
    """

    version: str
    version_number: int
    encoding: str
    is_standby: bool
    read_only_by: str | None
    role: str
    database: str
    schema: str | None
    now: datetime

    @property
    def major(self) -> int:
        """The number of its release line."""
        return self.version_number // 10_000


class Numbering(Columns, frozen=True, kw_only=True, gc=False):
    """How far the numbers of a table's rows have come.

    Attributes:
        table: the table.
        last: the highest number given out.
        highest: the highest one there can be.
    """

    table: str
    last: int
    highest: int


class Rights(Columns, frozen=True, kw_only=True, gc=False):
    """What the role in use may do, as far as that may be more than a server needs.

    Attributes:
        role: its name.
        is_superuser: it may do everything.
        owned: the tables that it owns, itself or by a role that it is a member of; empty for none.
        may_create: it may create tables in the schema.
        may_alter_events: it may change or remove what is on the audit trail.
        may_purge_events: it may call the function that removes old events.
    """

    role: str
    is_superuser: bool
    owned: str
    may_create: bool
    may_alter_events: bool
    may_purge_events: bool


async def server(conn: Connection) -> Server:
    """Return what the server says of itself."""
    row = await conn.fetchrow(
        """
        SELECT split_part(current_setting('server_version'), ' ', 1) AS version,
            current_setting('server_version_num')::integer AS version_number,
            pg_encoding_to_char(d.encoding) AS encoding,
            pg_is_in_recovery() AS is_standby, clock_timestamp() AS now,
            quote_ident(current_user) AS role, quote_ident(current_database()) AS database,
            current_schema()::text AS schema,
            (SELECT s.source FROM pg_settings s
                WHERE s.name = 'default_transaction_read_only' AND s.setting = 'on') AS read_only_by
        FROM pg_database d
        WHERE d.datname = current_database()
        """
    )
    return Server.from_row(one(row))


async def missing_privileges(conn: Connection, features: Schemas = ()) -> list[str]:
    """Return what this role needs and has not, each as what to GRANT; what does not exist is left out."""
    rows = await conn.fetch(
        """
        SELECT format('%s ON %s', string_agg(w.privilege, ', ' ORDER BY w.privilege), w.relation) AS missing
        FROM (VALUES
            ('users', 'SELECT'), ('users', 'DELETE'), ('user_sessions', 'SELECT'),
            ('user_sessions', 'DELETE'), ('auth_events', 'SELECT'), ('auth_refusals', 'SELECT'),
            ('auth_refusals', 'INSERT'), ('auth_refusals', 'UPDATE'), ('auth_refusals', 'DELETE'),
            ('auth_throttles', 'SELECT'), ('auth_throttles', 'INSERT'), ('auth_throttles', 'UPDATE'),
            ('auth_throttles', 'DELETE'), ('auth_failures', 'SELECT'), ('auth_failures', 'INSERT'),
            ('auth_failures', 'UPDATE'), ('auth_failures', 'DELETE'), ('gatepost_version', 'SELECT'),
            ('auth_challenges', 'SELECT'), ('auth_challenges', 'INSERT'), ('auth_challenges', 'DELETE'),
            ('auth_links', 'SELECT'), ('auth_links', 'DELETE'), ('auth_blocks', 'SELECT'),
            ('auth_blocks', 'DELETE'), ('auth_event_hours', 'SELECT'),
            ('auth_housekeeping', 'SELECT'), ('auth_last_sign_ins', 'SELECT'),
            ('gatepost_features', 'SELECT')
        ) w (relation, privilege)
        WHERE NOT has_table_privilege(to_regclass(w.relation), w.privilege)
        GROUP BY w.relation
        UNION ALL
        SELECT format('%s (%s) ON %s', w.privilege, string_agg(c.name, ', ' ORDER BY c.place), w.relation)
        FROM (VALUES
            ('users', 'INSERT',
                'email email_key name hashed_password is_admin is_active created_at updated_at'),
            ('users', 'UPDATE',
                'email email_key name hashed_password is_admin is_active updated_at '
                'temporary_password_expires_at credentials_stamp email_verified_at language'),
            ('user_sessions', 'INSERT', 'id session_token user_id is_active expires_at created_at '
                'last_used_at ip_address user_agent authenticated_at absolute_expires_at family_id place '
                'remembered handed_by methods methods_at aal impersonator_id impersonator_session'),
            ('user_sessions', 'UPDATE', 'session_token is_active expires_at last_used_at ended_at end_reason '
                'replaced_by successor_nonce place handed_by'),
            ('auth_links', 'INSERT', 'purpose digest email created_at created_by expires_at'),
            ('auth_links', 'UPDATE', 'created_by used_at used_by revoked_at'),
            ('auth_last_sign_ins', 'UPDATE', 'language'),
            ('auth_challenges', 'UPDATE', 'stamp methods by_cookie state tries created_at expires_at'),
            ('auth_blocks', 'INSERT', 'network until reason created_at created_by'),
            ('auth_blocks', 'UPDATE', 'lifted_at lifted_by'),
            ('auth_housekeeping', 'UPDATE', 'worked_at ended deleted'),
            ('auth_events', 'INSERT', 'at action user_id session_id ip_address user_agent detail')
        ) w (relation, privilege, columns)
        CROSS JOIN LATERAL string_to_table(w.columns, ' ') WITH ORDINALITY c (name, place)
        WHERE NOT has_column_privilege(to_regclass(w.relation), c.name, w.privilege)
        GROUP BY w.relation, w.privilege
        UNION ALL
        SELECT format('USAGE ON SEQUENCE %s', s.name)
        FROM unnest(ARRAY['users', 'user_sessions', 'auth_events', 'auth_links', 'auth_blocks']) t (relation)
        CROSS JOIN LATERAL (
            SELECT pg_get_serial_sequence(t.relation, 'id') AS name WHERE to_regclass(t.relation) IS NOT NULL
        ) s
        WHERE NOT has_sequence_privilege(s.name, 'USAGE')
        UNION ALL
        SELECT format('EXECUTE ON FUNCTION %s', p.oid::regprocedure)
        FROM pg_proc p
        WHERE (p.pronamespace = to_regnamespace('gatepost')
                OR p.pronamespace = quote_ident(current_schema())::regnamespace AND p.proname = ANY(ARRAY[
                    'gatepost_end_sessions', 'gatepost_erase_user', 'gatepost_redact_events',
                    'gatepost_emails_of', 'gatepost_count_events'
                ]))
            AND NOT has_function_privilege(p.oid, 'EXECUTE')
        UNION ALL
        SELECT 'USAGE ON SCHEMA gatepost'
        WHERE NOT has_schema_privilege(to_regnamespace('gatepost'), 'USAGE')
        ORDER BY missing
        """
    )
    return [*(row["missing"] for row in rows), *await _missing_of_features(conn, features)]


async def _missing_of_features(conn: Connection, features: Schemas) -> list[str]:
    wanted = [
        (table.name, verb, column)
        for schema in features
        for table in schema.tables
        for verb, columns in (
            ("SELECT", table.columns),
            ("INSERT", table.insert),
            ("UPDATE", table.update),
            ("DELETE", ("",) if table.deletes else ()),
        )
        for column in columns
    ]
    rows = await conn.fetch(
        """
        SELECT format('%s%s ON %s', w.privilege, ' (' || string_agg(nullif(w.name, ''), ', ') || ')',
            w.relation) AS missing
        FROM unnest($1::text[], $2::text[], $3::text[]) w (relation, privilege, name)
        WHERE NOT CASE WHEN w.name = '' THEN has_table_privilege(to_regclass(w.relation), w.privilege)
            ELSE has_column_privilege(to_regclass(w.relation), w.name, w.privilege) END
        GROUP BY w.relation, w.privilege
        UNION ALL
        SELECT DISTINCT format('USAGE ON SEQUENCE %s', s.oid::regclass)
        FROM unnest($1::text[]) t (relation)
        JOIN pg_depend p ON p.classid = 'pg_class'::regclass AND p.refobjid = to_regclass(t.relation)
            AND p.deptype IN ('a', 'i')
        JOIN pg_class s ON s.oid = p.objid
        WHERE CASE WHEN s.relkind = 'S' THEN NOT has_sequence_privilege(s.oid, 'USAGE') END
        ORDER BY missing
        """,
        [relation for relation, _, _ in wanted],
        [verb for _, verb, _ in wanted],
        [column for _, _, column in wanted],
    )
    return [row["missing"] for row in rows]


async def rights(conn: Connection, features: Schemas = ()) -> Rights:
    """Return what this role may do beyond what `gatepost migrate --grants` gives one."""
    row = await conn.fetchrow(
        """
        SELECT r.rolname::text AS role, r.rolsuper AS is_superuser,
            coalesce((
                SELECT string_agg(c.relname, ', ' ORDER BY c.relname) FROM pg_class c
                WHERE c.relnamespace = quote_ident(current_schema())::regnamespace
                    AND pg_has_role(c.relowner, 'MEMBER')
                    AND c.relname = ANY($1::text[])
            ), '') AS owned,
            coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
            coalesce(has_table_privilege(to_regclass('auth_events'), 'UPDATE, DELETE, TRUNCATE'), false)
                AS may_alter_events,
            EXISTS (
                SELECT FROM pg_proc p
                WHERE p.pronamespace = quote_ident(current_schema())::regnamespace
                    AND p.proname = 'gatepost_purge_events' AND has_function_privilege(p.oid, 'EXECUTE')
            ) AS may_purge_events
        FROM pg_roles r
        WHERE r.rolname = current_user
        """,
        tables(features),
    )
    return Rights.from_row(one(row))


async def invalid_indexes(conn: Connection, features: Schemas = ()) -> list[str]:
    """Return the indexes that an interrupted CREATE INDEX CONCURRENTLY left unusable."""
    rows = await conn.fetch(
        """
        SELECT x.indexrelid::regclass::text AS name
        FROM pg_index x
        WHERE NOT x.indisvalid
            AND x.indrelid IN (SELECT to_regclass(t.relation) FROM unnest($1::text[]) t (relation))
        ORDER BY name
        """,
        tables(features),
    )
    return [row["name"] for row in rows]


async def numberings(conn: Connection) -> list[Numbering]:
    """Return how far the numbers of each table have come; the column may end before its sequence does."""
    rows = await conn.fetch(
        """
        SELECT t.relation AS table, coalesce(CASE
                WHEN has_sequence_privilege(q.seqrelid, 'USAGE, SELECT')
                THEN pg_sequence_last_value(q.seqrelid) END, 0) AS last,
            least(q.seqmax, CASE a.atttypid WHEN 'integer'::regtype THEN 2147483647
                WHEN 'smallint'::regtype THEN 32767 ELSE 9223372036854775807 END) AS highest
        FROM unnest(ARRAY['users', 'user_sessions', 'auth_events', 'auth_links', 'auth_blocks']) t (relation)
        JOIN pg_attribute a ON a.attrelid = to_regclass(t.relation) AND a.attname = 'id'
        JOIN pg_sequence q ON q.seqrelid = CASE WHEN to_regclass(t.relation) IS NOT NULL
            THEN pg_get_serial_sequence(t.relation, 'id')::regclass END
        ORDER BY t.relation
        """
    )
    return [Numbering.from_row(row) for row in rows]
