"""What is made of what was found: ok, or what to do."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from gatepost.doctor.check import Check, ok, warning, wrong
from gatepost.errors import GatepostError, SetupError
from gatepost.terminal.connection import location
from gatepost.terminal.output import lines_of, program

if TYPE_CHECKING:
    from gatepost.db.feature import Schemas
    from gatepost.db.pool import Connection
    from gatepost.settings import Settings
    from gatepost.store.health import Numbering, Rights, Server

OLDEST, NEWEST = 14, 18
"""Release lines of PostgreSQL that the tests run on."""

SKEW_MAX = timedelta(seconds=2)
"""Times are the database's; a host that differs by more misreads them."""

FILLED_MAX = 0.5
"""Share of a table's numbers from which on it is time to act."""


def throttle(*, enabled: bool) -> Check:
    """Judge whether password attempts are limited."""
    if enabled:
        return ok("throttle", "password attempts are limited")
    return warning(
        "throttle", "THROTTLE_ENABLED is off: passwords can be guessed without limit", "Set it to True"
    )


def secret_key(settings: "Settings") -> list[Check]:
    """Say so where development has a key that production would refuse."""
    from gatepost.settings.forms import weakness

    key = settings.secret_key
    why = None if key is None or settings.environment == "production" else weakness(key.get_secret_value())
    if why is None:
        return []
    advice = f"Set another one there; {program()} secret prints some"
    return [warning("secret_key", f"production would refuse this SECRET_KEY: {why}", advice)]


def exposure(settings: "Settings") -> list[Check]:
    """Judge in production whether Gatepost knows how browsers reach it, and through which proxies."""
    if settings.environment != "production":
        return []
    if settings.public_url is None:
        origin = warning(
            "public_url",
            "PUBLIC_URL is not set: links lack the server's address, and browsers get no HSTS",
            "Set it to the origin that browsers open, such as https://auth.example.com",
        )
    else:
        origin = ok("public_url", settings.public_url)
    if settings.trusted_proxies:
        way = ok("proxies", ", ".join(str(proxy) for proxy in settings.trusted_proxies))
    elif settings.tls_cert is not None:
        way = ok("proxies", "none: this server has its own certificate")
    else:
        way = warning(
            "proxies",
            "TRUSTED_PROXIES is empty: behind a proxy, all clients have its address and share its limits",
            "Set it to the proxy's address, or ignore this if there is none",
        )
    return [origin, way]


def templates(settings: "Settings", replaced: Sequence[str]) -> list[Check]:
    """Judge TEMPLATES_DIR by the templates of ours that it replaces; nothing where it is not set."""
    if settings.templates_dir is None or not settings.pages:
        return []
    if replaced:
        return [ok("pages", f"TEMPLATES_DIR replaces {', '.join(replaced)}")]
    return [
        warning(
            "pages",
            f"TEMPLATES_DIR: no file in {settings.templates_dir} has the name of a template",
            "Name each file like the one that it replaces, such as base.html or admin/base.html",
        )
    ]


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
        "Names and e-mails need UTF8: create a database with ENCODING 'UTF8' TEMPLATE template0",
    )


def writable(server: "Server") -> Check:
    """Judge whether it can be written to."""
    if server.is_standby:
        return wrong("writable", "it is a standby", "Set DATABASE_URL to the primary")
    if server.read_only_by is not None:
        return wrong("writable", "default_transaction_read_only is on", _writable_again(server))
    return ok("writable", "not a standby (accepts writes)")


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
    found = f"this host's clock and the database's differ by {milliseconds(abs(skew))} ms"
    if abs(skew) > SKEW_MAX:
        return warning("clock", found, "Sessions follow the database's clock: synchronise both with NTP")
    return ok("clock", found)


def no_schema(server: "Server", wanted: str | None) -> Check:
    """Judge a role that gets into the database and into no schema there, or not into DATABASE_SCHEMA."""
    if wanted is not None:
        return wrong(
            "schema",
            f"there is no schema {wanted}, or {server.role} may not use it",
            f"Run {program()} migrate, or have the owner run:"
            f" GRANT USAGE ON SCHEMA {wanted} TO {server.role}",
        )
    return wrong(
        "schema",
        f"search_path contains no schema that {server.role} may use",
        f"Have the owner run: GRANT USAGE ON SCHEMA … TO {server.role}; for a schema other than public, add"
        " ?search_path=… to DATABASE_URL",
    )


def unanswered(name: str, error: GatepostError) -> Check:
    """Judge a question that PostgreSQL refused to answer."""
    advice = f"Have the owner run the output of {program()} migrate --grants ROLE for this role"
    return wrong(name, error.message, advice)


def unreachable(settings: "Settings", error: GatepostError) -> Check:
    """Judge a database that could not be asked at all."""
    return wrong("database", " ".join(lines_of(error)), f"It should be at {location(settings)}")


async def schema(conn: "Connection", features: "Schemas") -> Check:
    """Judge whether the schema is at the version that this Gatepost works with."""
    from gatepost.db import migrate

    try:
        await migrate.check(conn, features)
    except SetupError as error:
        return wrong("schema", error.message, f"Next: {program()} migrate")
    return ok("schema", f"version {migrate.HEAD}")


async def objects(conn: "Connection", features: "Schemas") -> Check:
    """Judge whether the schema is whole."""
    from gatepost.db import migrate

    missing = await migrate.missing_objects(conn, features)
    if not missing:
        return ok("objects", "all tables, columns, indexes, triggers and functions exist")
    advice = f"Run {program()} migrate; if it finds nothing to do, compare with migrate --sql"
    return wrong("objects", f"missing or disabled: {', '.join(missing)}", advice)


async def privileges(conn: "Connection", features: "Schemas") -> Check:
    """Judge whether the role has all rights that Gatepost needs."""
    from gatepost.store import health

    missing = await health.missing_privileges(conn, features)
    if not missing:
        return ok("privileges", "the role has all rights that Gatepost needs")
    grants = "; ".join(f"GRANT {privilege} TO …" for privilege in missing)
    return wrong("privileges", f"the role lacks: {', '.join(missing)}", f"Have their owner run: {grants}")


def rights(found: "Rights", *, embedded: bool) -> Check:
    """Judge whether the role may do more than Gatepost needs (ASVS 13.2.2)."""
    if embedded:
        return ok("rights", f"{found.role} owns the embedded database (for development only)")
    excess = excess_of(found)
    if not excess:
        return ok("rights", f"{found.role} has only the rights that Gatepost needs")
    advice = f"Give the server its own role; {program()} migrate --grants ROLE prints the rights it needs"
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


async def indexes(conn: "Connection", features: "Schemas") -> Check:
    """Judge whether every index is in use."""
    from gatepost.store import health

    invalid = await health.invalid_indexes(conn, features)
    if not invalid:
        return ok("indexes", "all are valid")
    repairs = "; ".join(f"REINDEX INDEX CONCURRENTLY {name}" for name in invalid)
    return wrong("indexes", f"not valid: {', '.join(invalid)}", f"Run: {repairs}")


def numbers(numbering: "Numbering") -> Check:
    """Judge whether a table's numbers will last."""
    filled = numbering.last / numbering.highest
    found = f"{numbering.table}.id is at {numbering.last} ({filled:.2%} of the maximum)"
    if filled > FILLED_MAX:
        column = f"ALTER TABLE {numbering.table} ALTER COLUMN id TYPE bigint"
        return warning("numbers", found, f"Plan for: {column}, also for the columns that refer to it")
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
