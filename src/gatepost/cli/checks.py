"""What `gatepost doctor` makes of what it finds: ok, or what to do."""

from datetime import timedelta
from typing import TYPE_CHECKING

from gatepost.errors import GatepostError, SetupError
from gatepost.feature import schemas_of
from gatepost.terminal.checks import Check, Status, ok, warning, wrong
from gatepost.terminal.output import program
from gatepost.terminal.running import in_use

if TYPE_CHECKING:
    from gatepost.db.pool import Connection
    from gatepost.settings import Settings
    from gatepost.store.health import Numbering, Rights, Server

__all__ = ["Check", "Status", "ok", "warning", "wrong"]

OLDEST, NEWEST = 14, 18
"""Release lines of PostgreSQL that the tests run on."""

SKEW_MAX = timedelta(seconds=2)
"""Times are the database's; a host that differs by more misreads them."""

FILLED_MAX = 0.5
"""Share of a table's numbers from which on it is time to act."""


def throttle(*, enabled: bool) -> Check:
    """Judge whether attempts at passwords are limited."""
    if enabled:
        return ok("throttle", "attempts at passwords are limited")
    return warning(
        "throttle", "THROTTLE_ENABLED is off: passwords may be guessed without a limit", "Set it to True"
    )


def version(server: "Server") -> Check:
    """Judge the server's release line."""
    found = f"PostgreSQL {server.version}"
    if server.major < OLDEST:
        return wrong("version", found, f"Upgrade it to {OLDEST} or newer")
    if server.major > NEWEST:
        return warning("version", found, f"Gatepost is tested on {OLDEST} to {NEWEST}")
    return ok("version", found)


def encoding(server: "Server") -> Check:
    """Judge whether the database holds text of any script."""
    if server.encoding == "UTF8":
        return ok("encoding", server.encoding)
    return wrong(
        "encoding",
        server.encoding,
        "Names and e-mails of any script need UTF8: make a database with ENCODING 'UTF8' TEMPLATE template0",
    )


def writable(server: "Server") -> Check:
    """Judge whether it can be written to."""
    if server.is_standby:
        return wrong("writable", "it is a standby", "Set DATABASE_URL to the primary")
    if server.read_only_by is not None:
        return wrong("writable", "default_transaction_read_only is on", _writable_again(server))
    return ok("writable", "it is no standby, and transactions may write")


def _writable_again(server: "Server") -> str:
    role, database = f"ALTER ROLE {server.role}", f"DATABASE {server.database}"
    setting = "RESET default_transaction_read_only"
    if server.read_only_by == "client":
        return "Take it out of DATABASE_URL"
    by = {
        "database": f"ALTER {database} {setting}",
        "user": f"{role} {setting}",
        "database user": f"{role} IN {database} {setting}",
    }
    statement = by.get(server.read_only_by or "", f"ALTER SYSTEM {setting}; SELECT pg_reload_conf()")
    return f"Run: SET default_transaction_read_only = off; {statement}"


def clock(skew: timedelta) -> Check:
    """Judge how far the host's clock is from the database's."""
    found = f"this host and the database differ by {milliseconds(abs(skew))} ms"
    if abs(skew) > SKEW_MAX:
        return warning("clock", found, "Sessions go by the database's clock: set both by NTP")
    return ok("clock", found)


def no_schema(server: "Server") -> Check:
    """Judge a role that gets into the database and into no schema there."""
    return wrong(
        "schema",
        f"search_path names no schema that {server.role} may use",
        f"Let the owner run: GRANT USAGE ON SCHEMA … TO {server.role}; a schema that is not public is named"
        " in DATABASE_URL: ?search_path=…",
    )


def unanswered(name: str, error: GatepostError) -> Check:
    """Judge a question that PostgreSQL refused to answer."""
    advice = f"Let the owner run what {program()} migrate --grants ROLE prints, for the role in use"
    return wrong(name, error.message, advice)


async def schema(conn: "Connection") -> Check:
    """Judge whether the schema is at the version that this Gatepost works with."""
    from gatepost.db import migrate

    try:
        await migrate.check(conn, schemas_of(in_use.get()))
    except SetupError as error:
        return wrong("schema", error.message, f"Next: {program()} migrate")
    return ok("schema", f"version {migrate.HEAD}")


async def objects(conn: "Connection") -> Check:
    """Judge whether the schema is whole."""
    from gatepost.db import migrate

    missing = await migrate.missing_objects(conn, schemas_of(in_use.get()))
    if not missing:
        return ok("objects", "tables, columns, indexes, triggers and functions are there")
    advice = f"Run {program()} migrate; where that finds nothing to do, compare with migrate --sql"
    return wrong("objects", f"missing or disabled: {', '.join(missing)}", advice)


async def privileges(conn: "Connection") -> Check:
    """Judge whether the role may do what Gatepost does."""
    from gatepost.store import health

    missing = await health.missing_privileges(conn, schemas_of(in_use.get()))
    if not missing:
        return ok("privileges", "the role may do what Gatepost does")
    grants = "; ".join(f"GRANT {privilege} TO …" for privilege in missing)
    return wrong("privileges", f"the role may not: {', '.join(missing)}", f"Let their owner run: {grants}")


def rights(found: "Rights", *, embedded: bool) -> Check:
    """Judge whether the role may do more than Gatepost needs (ASVS 13.2.2)."""
    if embedded:
        return ok("rights", f"{found.role} owns the embedded database, which is for development")
    excess = excess_of(found)
    if not excess:
        return ok("rights", f"{found.role} may do no more than Gatepost needs")
    advice = (
        f"Give the server a role of its own; what it needs is printed by {program()} migrate --grants ROLE"
    )
    return warning("rights", f"{found.role} {', '.join(excess)}", advice)


def excess_of(found: "Rights") -> list[str]:
    """Return what a role may do that a server does not need, as the ends of sentences about it."""
    if found.is_superuser:
        return ["is a superuser"]
    told = {
        f"owns {found.owned}": bool(found.owned),
        "may create tables in the schema": found.may_create,
        "may change or remove events": found.may_alter_events,
        "may purge events": found.may_purge_events,
    }
    return [what for what, is_so in told.items() if is_so]


async def indexes(conn: "Connection") -> Check:
    """Judge whether every index is in use."""
    from gatepost.store import health

    invalid = await health.invalid_indexes(conn, schemas_of(in_use.get()))
    if not invalid:
        return ok("indexes", "all are valid")
    repairs = "; ".join(f"REINDEX INDEX CONCURRENTLY {name}" for name in invalid)
    return wrong("indexes", f"not valid: {', '.join(invalid)}", f"Run: {repairs}")


def numbers(numbering: "Numbering") -> Check:
    """Judge whether a table's numbers will last."""
    filled = numbering.last / numbering.highest
    found = f"{numbering.table}.id has come to {numbering.last}, {filled:.2%} of what it can hold"
    if filled > FILLED_MAX:
        column = f"ALTER TABLE {numbering.table} ALTER COLUMN id TYPE bigint"
        return warning("numbers", found, f"Plan for: {column}, and the same for the columns that refer to it")
    return ok("numbers", found)


async def user_ids(conn: "Connection", settings: "Settings") -> list[Check]:
    """Say so where users' ids are of another type than USER_ID_TYPE asks for."""
    from gatepost.db import migrate

    ids = await migrate.type_in(conn)
    if ids is None or "user_id_type" not in settings.model_fields_set or settings.user_id_type == ids:
        return []
    found = f"users' ids are {ids}, USER_ID_TYPE is {settings.user_id_type} which is for new databases"
    return [warning("ids", found, f"Set USER_ID_TYPE={ids}, or leave it out")]


def milliseconds(span: timedelta) -> str:
    """Return a span of time in whole milliseconds."""
    return f"{span / timedelta(milliseconds=1):.0f}"
