"""What is made of what was tried and counted, by `gatepost migrate` of an adopted table too."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from gatepost.doctor.check import Check, Status, ok, warning, wrong
from gatepost.models import UserId
from gatepost.security.emails import canonical_email
from gatepost.terminal.output import program

if TYPE_CHECKING:
    from gatepost.db.pool import Connection
    from gatepost.db.pooling import Pooling
    from gatepost.feature import Feature
    from gatepost.settings import Settings
    from gatepost.store.adoption import Behind, Mark, Rule
    from gatepost.store.footing import Capacity, Policies
    from gatepost.store.health import Server
    from gatepost.store.rehearsal import Mishap

BESIDE_THE_POOL = 2
"""Connections of a worker besides its pool: one for session checks, one that listens for events."""

EMAILS_LOOKED_AT = 10_000
"""E-mails that are more than plain letters, at the most."""

HASHES_LOOKED_AT = 10_000
"""Hashes that can't be read, at the most."""

SHOWN = 10
"""Of what there may be many, at the most."""


async def adopted(conn: "Connection", *, is_new: bool) -> list[str]:
    """Return what the owner of an application's table should know, a line or two each.

    Args:
        conn: where to ask.
        is_new: the tables were migrated just now, so that rules which are no fault are told of as well.

    Raises:
        DatabaseUnfit: PostgreSQL refuses a question.
    """
    return [
        _line(check)
        for check in await brought_along(conn)
        if check.advice is not None and (is_new or check.status is not Status.OK)
    ]


async def found_by_features(
    conn: "Connection", settings: "Settings", features: Iterable["Feature"]
) -> list[str]:
    """Return what features have to say of the database, a line or two each.

    Raises:
        DatabaseUnfit: PostgreSQL refuses a question.
    """
    from gatepost.db.faults import translating

    with translating():
        found = [await feature.checks(conn, settings) for feature in features if feature.checks is not None]
    return [_line(check) for checks in found for check in checks if check.status is not Status.OK]


def _line(check: Check) -> str:
    return f"{check.name}: {check.found}. {check.advice}"


async def brought_along(conn: "Connection") -> list[Check]:
    """Look at what an application's table brings along; what is ok is one line each.

    Raises:
        DatabaseUnfit: PostgreSQL refuses a question.
    """
    from gatepost.db.faults import translating
    from gatepost.db.migrations.expected import OWN_TRIGGERS
    from gatepost.security.hashes import patterns
    from gatepost.services.emails import settle
    from gatepost.store import adoption

    with translating():
        behind = await adoption.sequences_behind(conn)
        rules = await adoption.rules(conn, list(OWN_TRIGGERS))
        marks = await adoption.marks(conn)
        await settle(conn)
        unusual = [each async for each in adoption.unusual_emails(conn, limit=EMAILS_LOOKED_AT)]
        unread = [each async for each in adoption.unreadable_hashes(conn, patterns(), limit=HASHES_LOOKED_AT)]
    return [
        *(sequence(each) for each in behind),
        *([] if behind else [ok("sequences", "no sequence is behind its table")]),
        rules_of(rules),
        *(soft_deletion(mark) for mark in marks),
        emails(unusual),
        *hashes(unread),
    ]


def sequence(behind: "Behind") -> Check:
    """Judge a sequence whose next numbers are taken."""
    table = behind.table
    return wrong(
        "sequences",
        f"the next id of {table} is {behind.next}, but ids up to {behind.highest} exist",
        f"Run: SELECT setval('{behind.sequence}', (SELECT max(id) FROM {table}))",  # noqa: S608 - to be read
    )


def rules_of(rules: "Sequence[Rule]") -> Check:
    """Tell of the application's rules; what breaks one is an answer, so that they are no fault."""
    if not rules:
        return ok("rules", "the application has no rules of its own on what Gatepost writes")
    shown = "; ".join(f"{rule.table}: {rule.name} {rule.definition}" for rule in rules[:SHOWN])
    more = f"; and {len(rules) - SHOWN} more" if len(rules) > SHOWN else ""
    return Check(
        name="rules",
        status=Status.OK,
        found=f"the application has rules of its own on what Gatepost writes: {shown}{more}",
        advice="Requests that break one are answered with conflict or rejected_by_database: relax any that"
        " users can't meet",
    )


def soft_deletion(mark: "Mark") -> Check:
    """Judge a column that says that users are gone whose rows are there."""
    about = f"users.{mark.column}"
    if mark.is_kept and not mark.marked:
        return ok("soft delete", f"a trigger keeps is_active in step with {about}")
    index = (
        f"; {mark.index} lets such an e-mail be registered again, and Gatepost's own index does not"
        if mark.index
        else ""
    )
    who = (
        f"users whom it marks are active and can sign in, {mark.marked} in all"
        if mark.marked
        else "users whom it marks can sign in as long as they are active"
    )
    return warning(
        "soft delete",
        f"{about} looks like soft deletion, which Gatepost does not know: {who}{index}",
        f"Run: UPDATE users SET is_active = false WHERE {mark.condition}; and keep it so by the trigger in"  # noqa: S608 - to be read
        " docs/database.md, 'Users that are marked as deleted'",
    )


def emails(unusual: Sequence[tuple[UserId, str, str]]) -> Check:
    """Judge whether every e-mail is one by which its user is found."""
    lost = [(number, email) for number, email, compared in unusual if _canonical(email) != compared]
    if not lost:
        return ok("emails", "every user can be found by e-mail")
    shown = ", ".join(f"{email!r} (id {number})" for number, email in lost[:SHOWN])
    more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
    return warning(
        "emails",
        f"{len(lost)} users can't sign in because their e-mail is invalid, or another spelling of another"
        f" user's: {shown}{more}",
        "Give each a unique, valid e-mail address",
    )


def _canonical(email: str) -> str | None:
    try:
        return canonical_email(email)
    except ValueError:
        return None


def hashes(unread: Sequence[tuple[UserId, str]]) -> list[Check]:
    """Judge whether every password can be checked; of hashes that are damaged and unknown each is told."""
    from gatepost.security.hashes import CorruptHash, UnreadableHash, UnsupportedHash, read

    found: dict[type[UnreadableHash], list[UserId]] = {}
    for user, stored in unread:
        try:
            read(stored)
        except UnreadableHash as error:
            found.setdefault(type(error), []).append(user)
    if not found:
        return [ok("hashes", "every password hash has a form that is read")]
    why = {UnsupportedHash: "of a kind that Gatepost can't check", CorruptHash: "damaged"}
    return [
        warning(
            "hashes",
            f"{_counted(users)} can't sign in by password, because their hash is {why[kind]}:"
            f" id {_ids(users)}",
            f"What is read: docs/migrating-from-jwt.md, 'Hashes'. Give them a password: {program()} users"
            " set-password --temporary",
        )
        for kind, users in found.items()
    ]


def _counted(users: Sequence[UserId]) -> str:
    return f"{len(users)} users" if len(users) > 1 else "1 user"


def _ids(users: Sequence[UserId]) -> str:
    more = f" and {len(users) - SHOWN} more" if len(users) > SHOWN else ""
    return ", ".join(str(user) for user in users[:SHOWN]) + more


def policies(found: "Sequence[Policies]", role: str) -> Check:
    """Judge whether row-level security hides rows from the role."""
    hiding = [each.table for each in found if not each.lets_all]
    if not found:
        return ok("policies", "no row-level security applies to the role")
    if not hiding:
        return ok("policies", "row-level security lets the role do everything")
    statements = "; ".join(
        f"CREATE POLICY gatepost ON {table} TO {role} USING (true) WITH CHECK (true)" for table in hiding
    )
    return wrong(
        "policies",
        f"row-level security hides rows of {', '.join(hiding)} from {role}, or keeps it from writing them:"
        " for Gatepost such users don't exist",
        f"Have the owner run: {statements}. Restrictive policies must exclude {role} as well",
    )


def effects(mishap: "Mishap | None", server: "Server") -> Check:
    """Judge what came of doing what a server does."""
    if mishap is None:
        return ok(
            "effects", "a user was registered, signed in, refreshed and deleted, then all was rolled back"
        )
    found = f"could not {mishap.step}: {mishap.text}"
    if mishap.is_rejection and mishap.state not in {"23502", "42501"} and not _is_numbering(mishap):
        return warning(
            "effects",
            found,
            "A rule of the application rejected doctor's test user. If it would reject your users as well,"
            " relax it: they are answered with conflict or rejected_by_database",
        )
    return wrong("effects", found, _remedy(mishap, server))


def _is_numbering(mishap: "Mishap") -> bool:
    return mishap.state == "23505" and str(mishap.constraint or "").endswith("_pkey")


def _remedy(mishap: "Mishap", server: "Server") -> str:
    if _is_numbering(mishap):
        return "A sequence is behind its table: see the sequences below"
    if not mishap.state:
        return "Row-level security or a trigger hides or keeps rows: see the policies above"
    by_state = {
        "23502": "Have @auth.on_insert of your application fill it, which gatepost --app MODULE:NAME doctor"
        f" tries, or give it a default: ALTER TABLE {mishap.table} ALTER COLUMN … SET DEFAULT …",
        "hook": "Mend the hook: until then nobody can register",
        "25006": "See what was found about writing above",
        "42501": f"Have the owner grant {server.role} the missing rights ({program()} migrate --grants"
        f" {server.role}), or see the policies above",
        "55P03": "The tables are locked: try again later",
    }
    return by_state.get(mishap.state, "Compare the schema with gatepost migrate --sql")


def connections(capacity: "Capacity", settings: "Settings", server: "Server") -> Check:
    """Judge whether the workers may open the connections that they are set to."""
    each = settings.database_pool_size + BESIDE_THE_POOL
    needed = settings.workers * each
    reckoned = f"WORKERS * (DATABASE_POOL_SIZE + {BESIDE_THE_POOL}) = {needed} connections"
    for limit, who, remedy in _limits(capacity, server):
        if limit is not None and needed > limit:
            fits = limit // settings.workers - BESIDE_THE_POOL
            smaller = f"Set DATABASE_POOL_SIZE to {fits} or less" if fits > 0 else "Set WORKERS to less"
            return warning("connections", f"{reckoned}, and {who} {limit}", f"{smaller}, or {remedy}")
    return ok("connections", f"{reckoned} for each host that serves, which the limits allow")


def _limits(capacity: "Capacity", server: "Server") -> Iterator[tuple[int | None, str, str]]:
    role, database = server.role, server.database
    yield capacity.of_role, f"the role {role} may have", f"run: ALTER ROLE {role} CONNECTION LIMIT …"
    yield (
        capacity.of_database,
        f"the database {database} may have",
        f"run: ALTER DATABASE {database} CONNECTION LIMIT …",
    )
    yield capacity.of_server, "the server has room for", "raise max_connections and start the server again"


def pooler(found: "Pooling") -> Check:
    """Judge what stands between here and the database."""
    if not found.is_there:
        return ok("pooler", "no pooler")
    if not found.by_transaction:
        return ok("pooler", "a pooler in session mode")
    lost = "" if found.keeps_statements else ", and statements are prepared each time"
    return warning(
        "pooler",
        f"a pooler in transaction mode: live events are polled{lost}",
        "If that matters, connect to PostgreSQL directly or use pool_mode = session; PgBouncer 1.21 and"
        " newer keeps statements with max_prepared_statements",
    )
