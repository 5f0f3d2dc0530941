"""Every statement of the store: PostgreSQL takes it, its columns fit what is read, hot ones use an index."""

import ast
import asyncio
import importlib
import inspect
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from tests.conftest import NTH_USER, execute
from tests.maker import on_database

import gatepost
from gatepost.models import ROUTINE

PACKAGE = Path(gatepost.__file__).parent
Database = "asyncpg.Connection[asyncpg.Record]"
ASKING = {"fetch", "fetchrow", "fetchval", "execute"}
OF_COMMANDS = (
    *("adoption.", "demo.", "features.imports.", "footing.", "health.", "rehearsal."),
    "features.passkeys.of_other_domains",
)
"""Statements that no request runs."""


@dataclass(frozen=True)
class Statement:
    """A statement and the function it stands in."""

    module: ModuleType
    function: ast.AsyncFunctionDef
    sql: str

    @property
    def name(self) -> str:
        places = [part for part in self.module.__name__.split(".") if part not in ("gatepost", "store")]
        return ".".join((*places, self.function.name))


def modules() -> list[Path]:
    """Return the modules that hold statements: those of `store/`, and each `store.py` and `…_store.py`."""
    return sorted({*PACKAGE.glob("store/[!_]*.py"), *PACKAGE.rglob("store.py"), *PACKAGE.rglob("*_store.py")})


def calls(path: Path) -> Iterator[tuple[ModuleType, ast.AsyncFunctionDef, ast.expr]]:
    """Yield what is given to the driver: where, and the expression."""
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    module = importlib.import_module(name)
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.AsyncFunctionDef):
            continue
        for call in ast.walk(function):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr in ASKING
            ):
                yield module, function, call.args[0]


def statements() -> list[Statement]:
    found = []
    for path in modules():
        for module, function, sql in calls(path):
            text = written(module, sql)
            if text is not None:
                found.append(Statement(module, function, text))
    return found


def written(module: ModuleType, sql: ast.expr) -> str | None:
    """Return a statement that is written out, parts of it as constants of its module; None for others."""
    if isinstance(sql, ast.Constant):
        return str(sql.value)
    if isinstance(sql, ast.Name):
        text = vars(module).get(sql.id)
        return text if isinstance(text, str) else None
    if isinstance(sql, ast.BinOp) and isinstance(sql.op, ast.Add):
        parts = written(module, sql.left), written(module, sql.right)
        return None if None in parts else f"{parts[0]}{parts[1]}"
    return None


STATEMENTS = statements()


def test_all_of_them_are_found() -> None:
    assert len(STATEMENTS) >= 25
    assert {statement.name for statement in STATEMENTS} >= {
        "sessions.lookup",
        "refreshes.refresh",
        "endings.end_expired",
        "events.insert",
        "users.find_credential",
        "attempts.begin_login",
    }


def test_each_is_written_out_where_it_runs() -> None:
    for path in modules():
        for module, function, sql in calls(path):
            assert written(module, sql) is not None, f"{function.name} puts a statement together"


def test_the_connection_comes_first() -> None:
    for statement in STATEMENTS:
        assert statement.function.args.args[0].arg == "conn", statement.name


async def test_postgresql_takes_each_and_its_columns_fit_what_is_read(db: Any) -> None:
    for statement in STATEMENTS:
        prepared = await db.prepare(statement.sql)
        columns = {column.name: column.type.name for column in prepared.get_attributes()}
        for kind in read_by(statement):
            for refusal in (None, "session_expired"):
                kind.from_row(Columns(statement.name, columns, refusal))
        for column in subscripts(statement):
            assert column in columns, f"{statement.name} reads {column}"


def read_by(statement: Statement) -> list[Any]:
    """Return the types that rows of the function become, also in a function of the module that it calls."""
    within: list[ast.AST] = [statement.function]
    for node in ast.walk(statement.function):
        called = vars(statement.module).get(node.id) if isinstance(node, ast.Name) else None
        if inspect.isfunction(called) and called.__module__ == statement.module.__name__:
            within.append(ast.parse(inspect.getsource(called)))
    return [
        vars(statement.module)[node.value.id]
        for tree in within
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "from_row" and isinstance(node.value, ast.Name)
    ]


def test_what_rows_become_is_found() -> None:
    found = {kind.__name__ for statement in STATEMENTS for kind in read_by(statement)}
    assert found == {
        "Account",
        "App",
        "Figures",
        "Tries",
        "Batch",
        "Block",
        "Ended",
        "Found",
        "Holder",
        "Live",
        "Session",
        "SessionRow",
        "OverseenSession",
        "SignIn",
        "Refreshed",
        "User",
        "Unkeyed",
        "AuditEvent",
        "Server",
        "Rights",
        "Numbering",
        "Login",
        "Confirmation",
        "Level",
        "Full",
        "Tally",
        "LiveSessions",
        "Sampled",
        "FailingAddress",
        "AttackedUser",
        "Condition",
        "Link",
        "MailLink",
        "Credential",
        "Match",
        "Standing",
        "Behind",
        "Rule",
        "Mark",
        "Policies",
        "Capacity",
        "Waiting",
        "Message",
        "Row",
        "Counts",
        "LastCleanup",
        "Beginning",
        "Chosen",
        "Passkey",
    }


def subscripts(statement: Statement) -> set[str]:
    """Return the columns that the function reads by itself."""
    return {
        str(node.slice.value)
        for node in ast.walk(statement.function)
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == "row"
        and isinstance(node.slice, ast.Constant)
    }


VALUES: dict[str, Any] = {
    "bool": True,
    "int2": 1,
    "int4": 1,
    "int8": 1,
    "float8": 1.0,
    "text": "text",
    "varchar": "text",
    "name": "text",
    "bytea": b"",
    "uuid": UUID(int=1),
    "timestamptz": datetime(2024, 1, 1, tzinfo=UTC),
    "interval": timedelta(seconds=1),
    "text[]": ["1", "text", "text"],
    "varchar[]": ["text"],
    "timestamptz[]": [datetime(2024, 1, 1, tzinfo=UTC)],
}
"""A value of each type."""

REFUSALS = {"refusal", "found_refusal", "successor_refusal"}
"""Columns that name why something is refused, and are NULL where it is not."""


class Columns:
    """A row that has exactly the columns of a statement, with some value of each one's type."""

    def __init__(self, name: str, columns: dict[str, str], refusal: str | None) -> None:
        self._name = name
        self._columns = columns
        self._refusal = refusal

    def __getitem__(self, column: str) -> Any:
        assert column in self._columns, f"{self._name} lacks {column}"
        if column in REFUSALS:
            assert self._columns[column] in {"text", "varchar"}
            return self._refusal
        return VALUES[self._columns[column]]


# --- Plans ---


HOT: dict[str, tuple[str | None, set[str]]] = {
    "sessions.lookup": (
        "ARRAY['t17', 't18', 'none'], NULL, '1 minute', '30 minutes', '10 minutes', '30 minutes', '10 s'",
        {"user_sessions_session_token_key", "users_pkey"},
    ),
    "sessions.start": (
        """
        'new', nth(17), gen_random_uuid(), NULL, NULL, NULL, '1 hour', '1 day', 'session.started', NULL,
        false, NULL, '{pwd}', 1, NULL
        """,
        {"users_pkey"},
    ),
    "refreshes.refresh": (
        """
        ARRAY['t17'], 'new', '', NULL, '1 hour', '10 seconds', NULL, NULL, 'refreshed', 'session.refreshed',
        '30 minutes', '10 minutes', '192.0.2.1', ARRAY['1 s', '1 s']::interval[],
        ARRAY['1 min', '1 min']::interval[]
        """,
        {"user_sessions_session_token_key", "users_pkey", "user_sessions_pkey"},
    ),
    "uses.touch": (
        "ARRAY[17, 18], ARRAY[now(), NULL], ARRAY[now(), NULL], ARRAY['t17', NULL], ARRAY['x', NULL], NULL",
        {"user_sessions_pkey"},
    ),
    "successors.start_fresh": (
        """
        'new', 17, gen_random_uuid(), 'session.confirmed', NULL, '1 hour', '1 day', NULL, NULL, NULL,
        '{pwd}', 1
        """,
        {"user_sessions_pkey", "users_pkey"},
    ),
    "successors.settle": (
        "17, NULL, 'refreshed'",
        {"user_sessions_pkey", "user_sessions_user_id_is_active_idx"},
    ),
    "successors.replace": ("17, 18", {"user_sessions_pkey", "user_sessions_user_id_is_active_idx"}),
    "endings.end_by_presented": (
        "ARRAY['t17'], NULL, 'session.revoked', 'logout_all', NULL, NULL, NULL, '30 minutes', false",
        {"user_sessions_session_token_key", "users_pkey"},
    ),
    "sign_ins.lock_owner": ("nth(17)", {"users_pkey"}),
    "sign_ins.note_language": (
        "nth(17), 1, 'de', '198.51.100.17'",
        {"auth_last_sign_ins_pkey", "user_sessions_user_id_place_idx"},
    ),
    "sign_ins.lock_live": (
        "17, NULL, '30 minutes'",
        {"user_sessions_pkey", "user_sessions_user_id_is_active_idx"},
    ),
    "sign_ins.end_beyond": (
        "nth(17), 3, NULL, '30 minutes', 'limit', 'session.revoked', NULL, NULL",
        {"user_sessions_pkey", "user_sessions_user_id_is_active_idx"},
    ),
    "sign_ins.end_others": (
        "nth(17), 17, NULL, 'revoked', 'session.revoked_all', NULL, NULL, '30 minutes'",
        {"user_sessions_pkey", "user_sessions_user_id_is_active_idx"},
    ),
    "sign_ins.of_user": (
        "nth(17), NULL, '30 minutes', NULL, NULL, 100",
        {"user_sessions_user_id_is_active_idx"},
    ),
    "sign_ins.count": ("nth(17), NULL, '30 minutes'", {"user_sessions_user_id_is_active_idx"}),
    "profiles.sessions": ("nth(17), NULL, 100", {"user_sessions_user_id_is_active_idx"}),
    "profiles.lock": ("nth(17)", {"users_pkey"}),
    "endings.owner_of": ("17", {"user_sessions_pkey"}),
    "oversight.ended": ("17, NULL", {"user_sessions_pkey", "users_pkey"}),
    "endings.count_expired": ("NULL", {"user_sessions_expires_at_idx"}),
    "endings.end_expired": (
        "NULL, 1000, 'expired', NULL",
        {"user_sessions_expires_at_idx"},
    ),
    "endings.purge_ended": (
        "NULL, 1000, '90 days', NULL",
        {"user_sessions_ended_at_idx"},
    ),
    "events.page_of_user": ("nth(17), NULL, 51, '{}'", {"auth_events_user_id_id_idx"}),
    "events.newer_of_user": ("nth(17), 17, 51, '{}'", {"auth_events_user_id_id_idx"}),
    "users.find_credential": ("'user17@example.com', NULL", {"users_email_key"}),
    "directory.last_sign_ins": ("ARRAY[nth(17), nth(18)]", {"auth_last_sign_ins_pkey"}),
    "search.in_domain": (
        "NULL, NULL, '', nth(0), 51, 'example17.com'",
        {"users_domain_idx", "users_pkey"},
    ),
    "orders.by_created": ("NULL, NULL, '-infinity', nth(0), 51", {"users_created_idx", "users_pkey"}),
    "orders.by_created_down": ("NULL, NULL, 'infinity', nth(0), 51", {"users_created_idx", "users_pkey"}),
    "parts.by_part": (
        "NULL, NULL, 'infinity', nth(0), 51, 'ser17@', 100",
        {"users_created_idx", "users_parts_idx", "users_pkey"},
    ),
    "search.search": (
        "NULL, NULL, '', nth(0), 51, 'user1', 0, nth(0), nth(0)",
        {
            "users_search_email_idx",
            "users_search_name_idx",
            "users_search_last_name_idx",
            "users_pkey",
        },
    ),
    "directory.standing": (
        "nth(17), NULL, '30 minutes'",
        {"users_pkey", "user_sessions_user_id_is_active_idx", "auth_failures_pkey"},
    ),
    "users.is_active_admin": ("nth(17)", {"users_pkey"}),
    "users.any_admin": (None, set()),
    "emails.unkeyed": ("nth(0), 1000", {"users_email_unkeyed_idx"}),
    "users.find": ("'user17@example.com'", {"users_email_key"}),
    "users.get": ("nth(17)", {"users_pkey"}),
    "users.emails": ("ARRAY[nth(17), nth(18)]", {"users_pkey"}),
    "users.hash_of": ("nth(17)", {"users_pkey"}),
    "users.has_own_password": ("nth(17)", {"users_pkey"}),
    "users.page": ("nth(17), 50", {"users_pkey"}),
    "attempts.begin_login": (
        "NULL, 'user17@example.com', 'k17', '{}', '10.0.0.17', NULL, '30 days', '{}', '{}'",
        {"users_email_key", "user_sessions_user_id_place_idx", "auth_failures_pkey"},
    ),
    "attempts.begin_confirmation": (
        "NULL, nth(17), 17, '10.0.0.17', '30 days', '{30 s}', '{2 min}'",
        {"user_sessions_user_id_place_idx", "user_sessions_pkey", "auth_failures_pkey"},
    ),
    "attempts.succeed": (
        "'login_account', 'k17', '1 min', nth(17), '10.0.0.17'",
        {"auth_throttles_pkey", "auth_failures_pkey"},
    ),
    "throttles.charge": ("'{register_address}', '{k17}', '{3 min}', '{12 min}', NULL, '10.0.0.17'", set()),
    "throttles.refuse": (
        "NULL, 'login_account', 'k17', '1 min', '0', 'throttled', nth(17), NULL, NULL, NULL, 'login'",
        set(),
    ),
    "failures.record": (
        "NULL, 'login.failed', nth(17), NULL, NULL, NULL, '{}', '10.0.0.17', true",
        {"users_pkey"},
    ),
    "refusals.record": (
        """
        NULL, 'session.refused', NULL, NULL, NULL, NULL, '{}', 'k17', 'k17', '1 s', '1 min', '1 s', '1 min',
        nth(0), 'session.refused:k17', NULL
        """,
        set(),
    ),
    "failures.clear": ("nth(17)", {"auth_failures_pkey"}),
    "statistics.tallies": (
        """
        now() - interval '60 days', now() - interval '30 days', '1 day', ARRAY['login.failed'],
        now() + interval '1 day', now() - interval '30 days'
        """,
        {"auth_events_pkey", "auth_event_hours_pkey"},
    ),
    "statistics.failing_addresses": ("now() - interval '1 day', 10, 100", {"auth_events_failed_idx"}),
    "statistics.attacked_users": (
        "now() - interval '1 day', 10, 6, 100",
        {"auth_events_failed_idx", "users_pkey", "auth_failures_pkey"},
    ),
    "challenges.find": (
        "ARRAY['d17', 'd18'], 'sign_in', false, NULL, true",
        {"auth_challenges_pkey", "users_pkey", "auth_failures_pkey"},
    ),
    "challenges.put_back": (
        """
        'd', 'sign_in', nth(17), gen_random_uuid(), '{pwd}', false, false, false, NULL, '{}', 1, now(), NULL
        """,
        {"users_pkey"},
    ),
    "challenges.take_begun": ("ARRAY['d17', 'd18'], 'arrival', NULL", {"auth_challenges_pkey"}),
    "challenges.keep_state": ("'d17', '{}'", {"auth_challenges_pkey"}),
    "challenges.purge_expired": ("NULL, 1000", {"auth_challenges_expires_at_idx"}),
    "features.email.link_store.find": (
        "NULL, ARRAY['d17', 'd18'], 'password_reset'",
        {"auth_email_links_digest_key", "users_pkey"},
    ),
    "features.email.link_store.get": ("NULL, 17", {"auth_email_links_pkey", "users_pkey"}),
    "features.email.link_store.try_code": (
        "NULL, 'password_reset', 'user17@example.com', 5, ARRAY['b']",
        {"auth_email_links_email_idx"},
    ),
    "features.email.link_store.claim": ("17, NULL", {"auth_email_links_pkey", "users_pkey"}),
    "features.email.link_store.revoke_newer": (
        "nth(17), 17, NULL",
        {"auth_email_links_user_id_idx"},
    ),
    "features.email.new_link_store.owner": ("'user17@example.com'", {"users_email_key"}),
    "features.email.new_link_store.insert": (
        """
        'a', 'user17@example.com', 'new', NULL, 'c', '1 h', NULL, '1 h', NULL, NULL, nth(17), true, '{}',
        'user17@example.com', nth(17), NULL
        """,
        {"auth_email_links_email_idx", "auth_email_links_user_id_idx", "users_pkey"},
    ),
    "features.email.link_store.claim_for_newcomer": ("17, NULL", {"auth_email_links_pkey"}),
    "features.email.link_store.give_try_back": ("17", {"auth_email_links_pkey"}),
    "features.email.link_store.forget_nonce": ("17", {"auth_email_links_pkey"}),
    "features.email.link_store.has_open": (
        "'password_reset', 'user17@example.com', NULL",
        {"auth_email_links_email_idx"},
    ),
    "features.email.link_store.export": ("nth(17)", {"auth_email_links_user_id_idx"}),
    "links.find": ("ARRAY['d17', 'd18'], 'invitation', NULL", {"auth_links_digest_key"}),
    "links.claim": ("17, 'user17@example.com', NULL", {"auth_links_pkey"}),
    "links.use": ("17, nth(17), NULL", {"auth_links_pkey"}),
    "links.page": ("NULL, 51, NULL, 'invitation'", {"auth_links_pkey"}),
    "links.restore": ("17, NULL, 'invitation'", {"auth_links_pkey"}),
    "links.revoke": ("17, NULL, 'invitation'", {"auth_links_pkey"}),
    "users.lock_all_to_delete": ("ARRAY[nth(17), nth(18)]", {"users_pkey"}),
    "users.lock_all": ("ARRAY[nth(17), nth(18)]", {"users_pkey"}),
    "sign_ins.beginnings": ("nth(17), 1000", {"user_sessions_user_id_is_active_idx"}),
    "directory.chosen": ("ARRAY[nth(17), nth(18)], NULL, NULL", {"users_pkey"}),
    "throttles.empty": ("'login_account', 'k17'", {"auth_throttles_pkey"}),
    "throttles.room_at": ("'{login_address}', '{10.0.0.17}', '{0}', NULL", {"auth_throttles_pkey"}),
    "throttles.named": ("NULL, '{login_address}', '{10.0.0.17}'", {"auth_throttles_pkey"}),
    "features.addresses.blocks_at": ("'10.1.2.17', 20, NULL", {"auth_blocks_network_idx"}),
    "features.addresses.blocks": ("NULL, 50, NULL", {"auth_blocks_pkey"}),
    "features.addresses.lift": ("17, NULL, NULL", {"auth_blocks_pkey"}),
    "features.addresses.block": ("'10.1.2.17/32', NULL, NULL, NULL, NULL", {"auth_blocks_network_idx"}),
    "features.email.sending_store.claim": (
        "gen_random_uuid(), 10, '1 minute', NULL",
        {"auth_messages_due_idx", "auth_messages_pkey"},
    ),
    "features.email.sending_store.expire": ("10, NULL", {"auth_messages_pkey"}),
    "features.email.sending_store.finish": (
        "17, gen_random_uuid(), 'sent', NULL, NULL",
        {"auth_messages_pkey"},
    ),
    "features.email.sending_store.put_off": (
        "17, gen_random_uuid(), '1 minute', 'x', NULL",
        {"auth_messages_pkey"},
    ),
    "features.email.outbox_store.supersede": ("'q17', NULL", {"auth_messages_dedupe_idx"}),
    "features.email.undeliverable_store.holds": ("'user17@example.com'", {"auth_undeliverable_pkey"}),
    "features.email.undeliverable_store.forget": ("'user17@example.com'", {"auth_undeliverable_pkey"}),
    "features.email.outbox_store.page": ("NULL, NULL, 50", {"auth_messages_pkey"}),
    "features.email.notice_store.count": (
        "nth(17), '{new_sign_in}', '1 day', NULL",
        {"auth_messages_user_id_idx"},
    ),
    "features.email.notice_store.is_from_new_place": (
        "nth(17), '10.0.0.17', 'new_sign_in', '10 minutes', '30 days', NULL",
        {
            "user_sessions_user_id_is_active_idx",
            "user_sessions_user_id_place_idx",
            "auth_messages_user_id_idx",
        },
    ),
    "features.email.outbox_store.export": ("nth(17)", {"auth_messages_user_id_idx"}),
    "features.totp.holders": ("ARRAY[nth(17), nth(18)]", {"auth_totp_pkey"}),
    "features.totp.find": ("nth(17)", {"auth_totp_pkey"}),
    "features.totp.use": ("nth(17), 17, 'x', NULL, NULL", {"auth_totp_pkey"}),
    "features.totp.remove": ("nth(17)", {"auth_totp_pkey"}),
    "features.totp.seal_anew": ("nth(17), 'x', 'y', 'z'", {"auth_totp_pkey"}),
    "features.totp.export": ("nth(17)", {"auth_totp_pkey"}),
    "features.passkeys.find": (r"'\x11'", {"auth_passkeys_credential_id_idx"}),
    "features.passkeys.holders": ("ARRAY[nth(17), nth(18)]", {"auth_passkeys_user_id_idx"}),
    "features.passkeys.of_user": ("nth(17)", {"auth_passkeys_user_id_idx"}),
    "features.passkeys.use": ("17, 2, true, true, NULL, NULL", {"auth_passkeys_pkey"}),
    "features.passkeys.rename": ("nth(17), 17, 'x'", set()),
    "features.passkeys.remove": ("nth(17)", {"auth_passkeys_user_id_idx"}),
    "features.passkeys.remove_one": ("nth(17), 17", set()),
    "features.passkeys.export": ("nth(17)", {"auth_passkeys_user_id_idx"}),
    "features.recovery_codes.standing": ("nth(17)", {"auth_recovery_codes_user_id_idx"}),
    "features.recovery_codes.claim": (
        "nth(17), ARRAY['x', 'y'], NULL, NULL",
        {"auth_recovery_codes_user_id_idx"},
    ),
    "features.recovery_codes.remove": ("nth(17)", {"auth_recovery_codes_user_id_idx"}),
    "features.recovery_codes.export": ("nth(17)", {"auth_recovery_codes_user_id_idx"}),
    "events.seen_after": ("17, 100", {"auth_events_pkey"}),
    "events.seen_among": ("ARRAY[17, 18]", {"auth_events_pkey"}),
    "events.first_since": ("now(), 1, 30000", {"auth_events_pkey"}),
    "events.span": (None, {"auth_events_pkey"}),
}

UNWANTED = f"'{{{','.join(ROUTINE)}}}'"
"""What pages leave out."""

PLANNED: list[tuple[str, str, set[str]]] = [
    ("oversight.page", "NULL, '30 minutes', NULL, NULL, NULL, NULL, NULL, NULL, 50", {"users_pkey"}),
    (
        "oversight.page",
        "NULL, '30 minutes', '192.0.2.0/24', NULL, NULL, NULL, nth(17), NULL, 50",
        {"user_sessions_user_id_is_active_idx", "users_pkey"},
    ),
    (
        "orders.by_sign_in",
        "NULL, NULL, '-infinity', nth(0), 51, 'infinity', nth(0)",
        {"auth_last_sign_ins_at_idx", "users_pkey"},
    ),
    ("orders.beyond", "'-infinity', nth(0), 100", {"auth_last_sign_ins_at_idx"}),
    ("orders.beyond_down", "'infinity', nth(0), 100", {"auth_last_sign_ins_at_idx"}),
    (
        "orders.by_sign_in_down",
        "NULL, true, 'infinity', nth(0), 51, '-infinity', nth(0)",
        {"auth_last_sign_ins_at_idx", "users_pkey"},
    ),
    (
        "events.search",
        "29900, 30001, 51, 'login.failed', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}', NULL, false",
        {"auth_events_pkey", "users_pkey"},
    ),
    (
        "events.search",
        "1, 20000, 51, NULL, 'login.', NULL, NULL, NULL, NULL, nth(17), NULL, '{x}', NULL, false",
        {"auth_events_user_id_id_idx"},
    ),
    (
        "events.search",
        "1, 90000, 51, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '6017', '{}', NULL, false",
        {"auth_events_admin_id_idx"},
    ),
    (
        "events.search",
        f"1, 90000, 51, NULL, NULL, NULL, NULL, NULL, NULL, nth(17), NULL, {UNWANTED}, NULL, false",
        {"auth_events_notable_idx"},
    ),
    (
        "events.search",
        "1, 90000, 51, 'user.promoted', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}', NULL, false",
        {"auth_events_seldom_idx"},
    ),
    (
        "events.search_family",
        "1, 90000, 51, NULL, 'user.', NULL, NULL, NULL, NULL, NULL, NULL, '{}', NULL, false",
        {"auth_events_seldom_idx", "users_pkey"},
    ),
    (
        "events.search",
        "1, 90000, 5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}', 'nobody@example.com', false",
        {"auth_events_named_idx"},
    ),
    *(
        (
            "events.search",
            f"1, 90000, 5, NULL, NULL, {place}, NULL, NULL, NULL, NULL, {UNWANTED}, NULL, true",
            {"auth_events_address_at_idx", "auth_events_sign_ins_idx"},
        )
        for place in ("'10.1.2.17', NULL", "NULL, '10.1.2.0/24'")
    ),
    *(
        (f"events.{name}", f"nth(17), 17, 51, {UNWANTED}", {"auth_events_notable_idx"})
        for name in ("page_of_user", "newer_of_user")
    ),
]
"""Those that are run by `Database.planning`: what is asked for decides how."""
"""Statement → arguments and the indexes that its plan must hold."""

ONE_ROW = {"auth_housekeeping"}
"""Tables that are read whole, because there is no more of them."""


ROWS = """
    INSERT INTO users (email, name, hashed_password)
    SELECT 'user' || i || '@example.com', 'Name Surname' || i, 'hash' FROM generate_series(1, 5000) i;
    INSERT INTO user_sessions (session_token, user_id, expires_at, is_active, ended_at, end_reason)
    SELECT 't' || i, nth(1 + i % 5000),
        now() + CASE WHEN i % 50 = 0 THEN interval '-1 hour' ELSE interval '1 hour' END, i % 3 > 0,
        CASE WHEN i % 3 = 0 THEN now() - interval '1 day' * (i % 91) END,
        CASE WHEN i % 3 = 0 THEN 'logout' END
    FROM generate_series(1, 30000) i;
    INSERT INTO auth_events (action, user_id)
    SELECT 'session.started', nth(1 + i % 5000) FROM generate_series(1, 30000) i;
    UPDATE user_sessions SET place = '10.0.0.' || id % 250 WHERE id % 2 = 0;
    INSERT INTO auth_throttles (bucket, key, tat)
    SELECT 'login_account', 'k' || i, now() FROM generate_series(1, 30000) i;
    INSERT INTO auth_failures (user_id, place, failures)
    SELECT nth(i), '10.0.0.' || i % 250, 1 FROM generate_series(1, 5000) i;
    INSERT INTO auth_events (action, at, user_id)
    SELECT 'login.failed', now() - i * interval '1 hour', nth(i) FROM generate_series(1, 1000) i;
    INSERT INTO auth_events (action, at, ip_address)
    SELECT 'session.refused', now() - i * interval '1 minute',
        '10.' || i % 50 || '.' || i / 50 % 250 || '.' || i % 250
    FROM generate_series(1, 20000) i;
    INSERT INTO auth_events (action, at, ip_address)
    SELECT 'session.started', now() - i * interval '1 minute',
        '10.' || i % 50 || '.' || i / 50 % 250 || '.' || i % 250
    FROM generate_series(1, 20000) i;
    INSERT INTO auth_events (action, at, user_id, detail)
    SELECT 'user.disabled', now(), NULL, jsonb_build_object('admin_id', 6000 + i % 100)
    FROM generate_series(1, 5000) i;
    UPDATE user_sessions SET ip_address = '10.' || id % 50 || '.' || id / 50 % 250 || '.' || id % 250
    WHERE id % 2 = 1;
    INSERT INTO auth_blocks (network)
    SELECT ('10.' || i % 50 || '.' || i / 50 || '.7')::cidr FROM generate_series(1, 5000) i;
    UPDATE auth_housekeeping SET counted_id = 30000;
    INSERT INTO auth_event_hours
    SELECT now() - i / 20 * interval '1 hour', 'action' || i % 20, 1 FROM generate_series(1, 60000) i;
    INSERT INTO auth_throttles (bucket, key, tat)
    SELECT 'refresh_address', '192.0.' || i / 250 || '.' || i % 250, now()
    FROM generate_series(1, 5000) i;
    INSERT INTO auth_challenges (digest, purpose, user_id, by_cookie, created_at, expires_at)
    SELECT 'd' || i, 'sign_in', nth(i), false, now(), now() + i * interval '1 s'
    FROM generate_series(1, 5000) i;
    INSERT INTO auth_links (purpose, digest, email, expires_at, used_at, used_by, created_by)
    SELECT 'invitation', 'd' || i, 'user' || i || '@example.com', now(), now(), nth(i), nth(1 + i % 5)
    FROM generate_series(1, 5000) i;
    INSERT INTO auth_messages
        (template, user_id, dedupe_key, created_at, due_at, expires_at, state, done_at)
    SELECT 'test', nth(i), 'k' || i, now(), now(), now(), 'sent', now() - i * interval '1 minute'
    FROM generate_series(1, 5000) i;
    INSERT INTO auth_messages
        (template, user_id, recipient, data, dedupe_key, created_at, due_at, expires_at)
    SELECT 'test', nth(i), 'user' || i || '@example.com', '{}', 'q' || i, now(), now(),
        now() + i * interval '1 minute'
    FROM generate_series(1, 500) i;
    INSERT INTO auth_totp (user_id, secret, key_id, last_step, created_at)
    SELECT u.id, sha256(u.email::bytea), 'x', 1, now() FROM users u;
    INSERT INTO auth_passkeys (user_id, credential_id, public_key, user_handle, sign_count, name,
        is_backup_eligible, is_backed_up, verifies_user, created_at)
    SELECT u.id, sha256(u.email::bytea), 'x', 'x', 1, 'Passkey', false, false, true, now() FROM users u;
    INSERT INTO auth_recovery_codes (digest, user_id, created_at)
    SELECT 'd' || n || '.' || u.id, u.id, now() FROM users u, generate_series(1, 3) n;
    INSERT INTO auth_undeliverable
    SELECT 'user' || i || '@example.com', now(), '550 5.1.1' FROM generate_series(1, 5000) i;
    INSERT INTO auth_email_links (purpose, user_id, email, digest, stamp, created_at, expires_at)
    SELECT 'password_reset', nth(i), 'user' || i || '@example.com', 'd' || i, gen_random_uuid(), now(),
        now() + i * interval '1 s'
    FROM generate_series(1, 5000) i;
    ANALYZE
"""


@pytest.fixture(scope="session")
def full(server_dsn: str, template: str) -> Iterator[str]:
    """A database with rows enough that PostgreSQL would rather not read all of them; it takes seconds."""
    name = f"gatepost_{uuid4().hex[:12]}"
    dsn = on_database(server_dsn, name)
    asyncio.run(execute(server_dsn, f"CREATE DATABASE {name} TEMPLATE {template}"))
    asyncio.run(execute(dsn, NTH_USER, ROWS))
    yield dsn
    asyncio.run(execute(server_dsn, f"DROP DATABASE {name}"))


@pytest.fixture
async def filled(full: str, anyio_backend: str) -> AsyncIterator[Any]:
    """A connection to it, in a transaction that is undone."""
    conn = await asyncpg.connect(full, server_settings={"timezone": "UTC"})
    changes = conn.transaction()
    await changes.start()
    yield conn
    await changes.rollback()
    await conn.close()


async def test_the_plans_of_hot_statements_use_their_index_and_read_no_table_whole(filled: Any) -> None:
    sql = {statement.name: statement.sql for statement in STATEMENTS}
    for mode in ("force_generic_plan", "force_custom_plan"):
        await filled.execute(f"SET plan_cache_mode = {mode}")
        cases = [(name, *each) for name, each in HOT.items()]
        for name, arguments, indexes in cases + (PLANNED if mode == "force_custom_plan" else []):
            await filled.execute(f"PREPARE hot AS {sql[name]}")
            given = "" if arguments is None else f"({arguments})"
            plan = json.loads(await filled.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE hot {given}"))
            await filled.execute("DEALLOCATE hot")
            nodes = list(walk(plan[0]["Plan"]))
            read_whole = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
            assert read_whole <= ONE_ROW, f"{name}({arguments}), {mode}"
            used = {node["Index Name"] for node in nodes if "Index Name" in node}
            assert used >= indexes, f"{name}({arguments}), {mode}"


BY_ADDRESS = {
    "oversight.page": (
        "NULL, '30 minutes', {}, NULL, NULL, NULL, NULL, NULL, 50",
        "user_sessions_open_idx",
    ),
    "oversight.page_of_network": (
        "NULL, '30 minutes', {}, NULL, NULL, NULL, NULL, NULL, 50",
        "user_sessions_open_idx",
    ),
    "oversight.count": (
        "NULL, '30 minutes', {}, NULL, NULL, NULL, NULL, NULL, 50",
        "user_sessions_open_idx",
    ),
    "oversight.matching": (
        "NULL, '30 minutes', {}, NULL, NULL, NULL, NULL, NULL, 9",
        "user_sessions_open_idx",
    ),
    "events.are_few_at": ("{}, 100", "auth_events_address_at_idx"),
}
"""Statement that asks for an address or a network, by `Database.planning` → arguments, and the index."""


AT_PLACE = {
    "features.addresses.trail_store.events": "{}, '1 day', NULL, 10",
    "features.addresses.trail_store.accounts": "{}, '1 day', NULL, '30 minutes', 5000, 5, 50",
    "features.addresses.trail_store.tries_before": "{}, '1 day', NULL, now(), 1, 1000",
}
"""Statement that asks for a place by `Database.planning` → arguments."""


@pytest.mark.parametrize(
    ("place", "index"),
    [
        ("'10.1.2.17', 'address'", "auth_events_address_at_idx"),
        ("'10.1.2.0/24', 'around'", "auth_events_network_at_idx"),
        ("'10.1.2.0/25', 'range'", "auth_events_address_at_idx"),
    ],
)
async def test_what_was_done_at_a_place_is_found_by_it(filled: Any, place: str, index: str) -> None:
    sql = {statement.name: statement.sql for statement in STATEMENTS}
    await filled.execute("SET plan_cache_mode = force_custom_plan")
    for name, arguments in AT_PLACE.items():
        await filled.execute(f"PREPARE asking AS {sql[name]}")
        asked = f"EXPLAIN (FORMAT JSON) EXECUTE asking ({arguments.format(place)})"
        nodes = list(walk(json.loads(await filled.fetchval(asked))[0]["Plan"]))
        await filled.execute("DEALLOCATE asking")
        used = {node["Index Name"] for node in nodes if node.get("Index Name", "").startswith("auth_events")}
        sign_ins = set() if name.endswith(".tries_before") else {"auth_events_sign_ins_idx"}
        assert used == {index} | sign_ins, name


@pytest.mark.parametrize("place", ["'10.1.2.17'", "'10.1.2.0/24'"])
async def test_what_was_done_at_an_address_is_found_by_it(filled: Any, place: str) -> None:
    sql = {statement.name: statement.sql for statement in STATEMENTS}
    await filled.execute("SET plan_cache_mode = force_custom_plan")
    for name, (arguments, index) in BY_ADDRESS.items():
        await filled.execute(f"PREPARE asking AS {sql[name]}")
        asked = f"EXPLAIN (FORMAT JSON) EXECUTE asking ({arguments.format(place)})"
        plan = json.loads(await filled.fetchval(asked))
        await filled.execute("DEALLOCATE asking")
        nodes = list(walk(plan[0]["Plan"]))
        assert index in {node.get("Index Name") for node in nodes}, name
        read_whole = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
        assert read_whole <= {"users"}, name  # which is small here


SPELT = {
    "is over": r"\bs\.expires_at\s*(<=|>(?!=))|'-infinity'\)\s*<=",
    "is live": r"\b[su]\.is_active AND [su]\.is_active\b",
    "is refused": r"'session_(expired|revoked|replaced)'",
    "is charged": r"INSERT INTO auth_throttles|\btat = greatest\(",
    "is whose": r"\blower\((u\.)?email\b|coalesce\((u\.)?email_key\b",
    "was proven": r"WHERE[^$]*[^,]\bhashed_password = \$|sha256\(",
}
"""What a rule of the schema `gatepost` says → how a statement would say it by itself."""


def test_no_statement_spells_out_a_rule() -> None:
    """Copies of a rule drift apart: it stands once, in the database."""
    spelt = {(s.name, rule) for s in STATEMENTS for rule, how in SPELT.items() if re.search(how, s.sql)}
    assert spelt == {
        # What time is over, in the order of an index.
        ("endings.count_expired", "is over"),
        ("endings.end_expired", "is over"),
    }


async def test_the_rule_is_part_of_the_plan_and_costs_no_call(db: Any) -> None:
    asking = [s for s in STATEMENTS if re.search(r"gatepost\.(is_live|refusal|has_expired)\(", s.sql)]
    assert len(asking) >= 14
    for statement in asking:
        prepared = await db.prepare(statement.sql)
        given = ", ".join("NULL" for _ in prepared.get_parameters())
        await db.execute(f"PREPARE asking AS {statement.sql}")
        await db.execute("SET plan_cache_mode = force_generic_plan")
        plan = await db.fetchval(f"EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE asking ({given})")
        await db.execute("DEALLOCATE asking")
        assert not re.search(r"\b(is_live|refusal|has_expired)\(", plan), statement.name


def walk(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from walk(below)


def test_every_statement_that_a_request_runs_has_its_plan_looked_at() -> None:
    writes = {
        "events.insert",
        "users.insert",
        "users._insert_with",
        "sessions.impersonate",
        "users.replace_hash",
        "users.change_password",
        "users.rename",
        "users.set_password",
        "users.prove_email",
        "users.set_temporary_password",
        "users.set_flag",
        "profiles.rename",
        "profiles.choose_language",
        "profiles.change_email",
        "emails.set_key",
        "links.insert",
        "challenges.insert",
        "challenges.begin",
        "users.move_stamp",
        "features.totp.put",
        "features.passkeys.insert",
        "features.recovery_codes.replace",
        "features.email.outbox_store.insert",
        "features.email.undeliverable_store.note",
        "features.email.outbox_store.ring",
        "features.email.new_link_store.lock_mailbox",
    }
    once = {"endings.end_of_user", "profiles.erase"}
    # Read the whole table, which no index would be worth: what has drained is removed.
    # Look at every live session, by the index of those where there are few.
    once |= {"oversight.matching", "oversight.count", "oversight.end_each"}
    once |= {
        "throttles.page",
        "throttles.reached",
        "throttles.clear",
        "throttles.purge_drained",
        "failures.purge_old",
    }
    # A command reads every secret, in batches.
    once |= {"features.totp.sealed_otherwise"}
    once |= {"refusals.settle", "features.addresses.purge_blocks"}
    # Of mails those that wait, which are few; a bounded number that are done with; and what a deletion asks.
    once |= {"features.email.sending_store.next_due", "features.email.undeliverable_store.purge"}
    outbox = ("count", "retry", "erase", "purge_done", "purge_stale")
    once |= {f"features.email.outbox_store.{name}" for name in outbox}
    # A bounded number of rows, or pages, whichever they are; the housekeeping's state is one row.
    once |= {"statistics.active_users", "statistics.sample_users"}
    once |= {"statistics.live_sessions", "statistics.sample_sessions", "statistics.condition"}
    once |= {"statistics.count_events", "endings.take_turn", "directory.number"}
    once |= {"endings.last_cleanup", "endings.note_cleanup"}
    once |= {"links.purge_ended", "links.revoke_all", "users.lock_admins"}
    once |= {
        "features.email.link_store.purge_ended",
        "links.purge_ended",
        "links.revoke_all",
        "users.lock_admins",
    }
    looked_at = set(HOT) | {name for name, *_ in PLANNED} | set(BY_ADDRESS) | set(AT_PLACE) | writes | once
    assert {s.name for s in STATEMENTS if not s.name.startswith(OF_COMMANDS)} <= looked_at


async def test_a_statement_of_the_function_that_ends_sessions_uses_the_users_index(filled: Any) -> None:
    """Holds by the counts of the index, since a function shows no plan."""
    before = await scans(filled)
    async with filled.transaction():
        await filled.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        assert await filled.fetchval("SELECT gatepost_end_sessions(nth(17))") > 0
        after = await scans(filled)
    assert after["user_sessions"] == before["user_sessions"]
    assert after["users"] == before["users"]


async def test_charging_a_bucket_uses_the_index_whether_or_not_it_has_room(filled: Any) -> None:
    before = await scans(filled)
    async with filled.transaction():
        await filled.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        for _ in range(3):
            full = await filled.fetchrow(
                """
                SELECT * FROM gatepost.charge(
                    '{login_account,login_account}', '{k17,k18}', '{1 min,1 min}', '{1 hour,0}'
                )
                """
            )
        after = await scans(filled)
    assert tuple(full) == ("login_account", "k18", 60)
    assert after["auth_throttles"] == before.get("auth_throttles", 0)


def test_no_statement_charges_a_bucket_by_itself() -> None:
    """How a bucket is charged stands in `gatepost.charge`: ten copies of it had drifted apart."""
    touching = {statement.name for statement in STATEMENTS if "auth_throttles" in statement.sql}
    assert {name for name in touching if not name.startswith(OF_COMMANDS)} == {
        "throttles.page",
        "throttles.reached",
        "throttles.room_at",
        "throttles.empty",
        "throttles.named",
        "throttles.clear",
        "throttles.purge_drained",
        "attempts.succeed",  # gives a charge back
    }
    for statement in STATEMENTS:
        assert "INSERT INTO auth_throttles" not in statement.sql, statement.name
    charging = {statement.name for statement in STATEMENTS if "gatepost.charge(" in statement.sql}
    assert charging >= {
        "attempts.begin_login",
        "attempts.begin_confirmation",
        "refreshes.refresh",
        "throttles.charge",
        "throttles.refuse",
    }


async def test_erasing_a_user_reads_no_table_whole_either(filled: Any) -> None:
    await filled.execute(
        """
        INSERT INTO auth_events (action, detail)
        SELECT 'login.failed', jsonb_build_object('email', 'user' || i || '@example.com')
        FROM generate_series(1, 5000) i;
        ANALYZE auth_events
        """
    )
    # An administrator, so that the other ones are looked for; they come last.
    await filled.execute("UPDATE users SET is_admin = true WHERE id IN (nth(17), nth(4999))")
    about_them = await filled.fetchval(
        """
        SELECT count(*) FROM auth_events
        WHERE user_id = nth(17) OR detail->>'email' = 'user17@example.com'
            OR detail->>'admin_id' = nth(17)::text
        """
    )
    before = await scans(filled)
    async with filled.transaction():
        await filled.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        assert await filled.fetchval("SELECT gatepost_erase_user(nth(17))") == "erased"
        after = await scans(filled)
    for table in ("users", "user_sessions", "auth_events", "auth_failures", "auth_links"):
        assert after[table] == before[table], table
    erased = "SELECT detail FROM auth_events WHERE action = 'user.erased'"
    assert json.loads(await filled.fetchval(erased)) == {"events": about_them}


async def scans(db: Any) -> dict[str, int]:
    """Return how often each table was read whole in this transaction, as far as it has one."""
    rows = await db.fetch("SELECT relname, seq_scan FROM pg_stat_xact_user_tables")
    return {row["relname"]: row["seq_scan"] for row in rows}
