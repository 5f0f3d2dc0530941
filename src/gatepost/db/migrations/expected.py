"""What a migrated schema consists of, and which of it is missing in a database."""

from typing import TYPE_CHECKING, Literal

from gatepost.db.feature import Schemas

if TYPE_CHECKING:
    from gatepost.db.driver import Connection

COLUMNS: dict[str, tuple[str, ...]] = {
    "users": (
        "id",
        "email",
        "name",
        "hashed_password",
        "is_admin",
        "is_active",
        "created_at",
        "updated_at",
        "temporary_password_expires_at",
        "email_key",
        "credentials_stamp",
        "email_verified_at",
        "language",
    ),
    "user_sessions": (
        "id",
        "session_token",
        "user_id",
        "is_active",
        "expires_at",
        "created_at",
        "last_used_at",
        "ip_address",
        "user_agent",
        "ended_at",
        "end_reason",
        "authenticated_at",
        "absolute_expires_at",
        "family_id",
        "replaced_by",
        "successor_nonce",
        "place",
        "remembered",
        "handed_by",
        "methods",
        "aal",
        "impersonator_id",
        "impersonator_session",
        "methods_at",
    ),
    "auth_events": ("id", "at", "action", "user_id", "session_id", "ip_address", "user_agent", "detail"),
    "auth_throttles": ("bucket", "key", "tat"),
    "auth_failures": ("user_id", "place", "failures", "last_at"),
    "auth_event_hours": ("hour", "action", "events"),
    "auth_housekeeping": (
        "id",
        "counted_id",
        "marked_id",
        "marked_xid",
        "ran_at",
        "worked_at",
        "ended",
        "deleted",
    ),
    "auth_last_sign_ins": ("user_id", "at", "language"),
    "auth_refusals": ("action", "place", "user_id", "refusals", "since"),
    "auth_erased": ("xid", "user_id", "email_digest"),
    "gatepost_features": ("feature", "version"),
    "auth_challenges": (
        "digest",
        "purpose",
        "user_id",
        "stamp",
        "methods",
        "by_cookie",
        "remembered",
        "is_known",
        "hashed_password",
        "state",
        "tries",
        "created_at",
        "expires_at",
    ),
    "auth_blocks": (
        "id",
        "network",
        "until",
        "reason",
        "created_at",
        "created_by",
        "lifted_at",
        "lifted_by",
    ),
    "auth_links": (
        "id",
        "purpose",
        "digest",
        "email",
        "created_at",
        "created_by",
        "expires_at",
        "used_at",
        "used_by",
        "revoked_at",
    ),
}
"""Table → its columns; an adopted table may have more."""

INDEXES = (
    "users_email_unkeyed_idx",
    "users_search_email_idx",
    "users_search_name_idx",
    "users_search_last_name_idx",
    "users_created_idx",
    "users_domain_idx",
    "users_parts_idx",
    "auth_last_sign_ins_at_idx",
    "user_sessions_user_id_is_active_idx",
    "user_sessions_expires_at_idx",
    "user_sessions_ended_at_idx",
    "user_sessions_user_id_place_idx",
    "auth_events_user_id_id_idx",
    "auth_events_at_idx",
    "auth_events_named_idx",
    "auth_events_failed_idx",
    "auth_links_created_by_idx",
    "auth_links_used_by_idx",
    "auth_links_email_idx",
    "auth_challenges_user_id_idx",
    "auth_challenges_expires_at_idx",
    "auth_blocks_network_idx",
    "auth_blocks_created_by_idx",
    "auth_blocks_lifted_by_idx",
    "auth_events_sign_ins_idx",
    "auth_events_address_at_idx",
    "auth_events_network_at_idx",
    "auth_events_notable_idx",
    "auth_events_seldom_idx",
    "user_sessions_open_idx",
    "user_sessions_impersonator_idx",
    "auth_events_admin_id_idx",
)
"""Indexes that have one name everywhere."""

UNIQUE = {
    "users": (
        "gatepost.email_key(email::text, email_key::text)",
        "gatepost.email_key(email, email_key::text)",
        "email_key(email::text, email_key::text)",  # where the tables stand in the schema gatepost too
        "email_key(email, email_key::text)",
    ),
    "user_sessions": ("session_token",),
    "auth_links": ("digest",),
}
"""Table → what one of its unique indexes is on, whose name an adopted table may have given itself."""

TRIGGERS = (
    "user_sessions_end_impersonations",
    "user_sessions_end_impersonations_deleted",
    "users_end_impersonations",
    "auth_events_append_only",
    "auth_events_ring",
    "user_sessions_note_end",
    "user_sessions_note_sign_in",
    "users_temporary_password",
    "users_email_key",
    "users_not_erased",
    "users_stamp_credentials",
)
"""Triggers that must exist and fire."""

OWN_TRIGGERS = (*TRIGGERS, "users_password_columns")
"""Gatepost's triggers; the last one is there where the application has a password column of its own."""

FUNCTIONS = (
    "gatepost_end_sessions",
    "gatepost_purge_events",
    "gatepost_erase_user",
    "gatepost_redact_events",
    "gatepost_emails_of",
    "gatepost_count_events",
)
"""Functions that are called by name, in the schema of the tables."""

RULES = (
    "charge",
    "credentials_stamp",
    "email_is_plain",
    "email_key",
    "has_expired",
    "insert_user",
    "is_live",
    "live_sessions",
    "network_of",
    "parts",
    "refusal",
    "to_inet",
)
"""Functions of the schema `gatepost`."""


def tables(features: Schemas = ()) -> list[str]:
    """Return the names of all tables, those of features too."""
    return [*COLUMNS, *(table.name for schema in features for table in schema.tables)]


_THERE = """
    WITH own AS (SELECT n.oid FROM pg_namespace n WHERE n.nspname = current_schema()),
    relations AS (
        SELECT c.oid, c.relname FROM pg_class c JOIN own ON own.oid = c.relnamespace
        WHERE c.relname = ANY($1::text[])
    )
    SELECT 'table ' || r.relname AS name FROM relations r
    UNION ALL
    SELECT format('column %s.%s', r.relname, a.attname)
    FROM relations r JOIN pg_attribute a ON a.attrelid = r.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'index ' || i.relname
    FROM relations r JOIN pg_index x ON x.indrelid = r.oid JOIN pg_class i ON i.oid = x.indexrelid
    WHERE x.indisvalid
    UNION ALL
    SELECT format('unique index on %s (%s)', r.relname, pg_get_indexdef(x.indexrelid, 1, true))
    FROM relations r JOIN pg_index x ON x.indrelid = r.oid
    WHERE x.indisvalid AND x.indisunique AND x.indpred IS NULL AND x.indnkeyatts = 1
    UNION ALL
    SELECT 'trigger ' || g.tgname
    FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN own ON own.oid = c.relnamespace
    WHERE g.tgenabled IN ('O', 'A')
    UNION ALL
    SELECT 'function ' || p.proname FROM pg_proc p JOIN own ON own.oid = p.pronamespace
    UNION ALL
    SELECT 'function gatepost.' || p.proname
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'gatepost'
"""
"""What there is, named as it is missed; an invalid index and a disabled trigger count as missing."""


async def missing_objects(conn: "Connection", features: Schemas = ()) -> list[str]:
    """Return what the schema lacks, those of features too, one line each; empty where all is there."""
    wanted = COLUMNS | {table.name: table.columns for schema in features for table in schema.tables}
    there = {row["name"] for row in await conn.fetch(_THERE, list(wanted))}
    columns = [
        f"column {table}.{column}"
        for table, names in wanted.items()
        if f"table {table}" in there
        for column in names
    ]
    unique = {
        table: [f"unique index on {table} ({definition})" for definition in definitions]
        for table, definitions in UNIQUE.items()
    }
    lines = [
        *(f"table {table}" for table in wanted),
        *columns,
        *(f"index {name}" for name in (*INDEXES, *_named(features, "indexes"))),
        *(spelled[0] for spelled in unique.values() if there.isdisjoint(spelled)),
        *(f"trigger {name}" for name in (*TRIGGERS, *_named(features, "triggers"))),
        *(f"function {name}" for name in (*FUNCTIONS, *_named(features, "functions"))),
        *(f"function gatepost.{name}" for name in RULES),
    ]
    return [line for line in lines if line not in there]


def _named(features: Schemas, kind: Literal["indexes", "triggers", "functions"]) -> list[str]:
    return [name for schema in features for name in getattr(schema, kind)]
