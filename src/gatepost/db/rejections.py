"""What the database itself rejects, by a constraint or a trigger, as answers to whoever sent the values.

An application that shares its tables with Gatepost has rules of its own there. Breaking one is the
caller's mistake or a clash with another row: an answer with a stable code. The log names the rule and
never the values, which PostgreSQL's own messages quote.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import asyncpg

from gatepost.db.driver import Connection
from gatepost.db.faults import is_away
from gatepost.db.migrations.expected import COLUMNS
from gatepost.errors import Conflict, EmailTaken, GatepostError, RejectedByDatabase, ValidationFailed
from gatepost.log import get_logger
from gatepost.texts import Text

log = get_logger("gatepost.db")

TOO_LONG = Text("field.too_long_for_column")
"""Said of a field whose column is narrower than its value."""

_CLASSES = ("22", "23", "27", "38", "39", "44", "P0")
"""Classes of SQLSTATE about values: data exceptions, integrity constraints, triggered data changes, what
routines raise, WITH CHECK OPTION, PL/pgSQL (PostgreSQL, appendix A)."""

_UNIQUE = ("23505", "23P01")
_TRUNCATED = "22001"
_MISSING = "23502"
_PASSWORDS = frozenset(
    [
        "hashed_password",
        "password_hash",
        "password_digest",
        "encrypted_password",
        "hashed_pw",
        "pw_hash",
        "passwd",
        "password",
    ]
)
"""What an adopted table may call the column of password hashes."""
_INTERNAL = "XX000"  # what PL/Perl and PL/Tcl raise, among others
_ROW_RULES = "ExecWithCheckOptions"  # checks WITH CHECK OPTION and policies on new rows
_HOOK = "raised by a hook of the application"
_OURS = COLUMNS.keys() - {"users", "user_sessions"}
"""Tables in which nobody but Gatepost has rules: a row that breaks one is a fault."""


class Rejection(Exception):
    """The database rejected a row.

    Args:
        cause: what it said.
        fields: columns of the row that hold what the caller sent.
    """

    def __init__(self, cause: asyncpg.PostgresError, fields: Sequence[str]) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.fields = fields


def is_rejection(error: BaseException) -> bool:
    """Say whether an error is about the values: a constraint's, or raised by a trigger."""
    if not isinstance(error, asyncpg.PostgresError) or is_away(error):
        return False
    if _HOOK in getattr(error, "__notes__", ()) or error.table_name in _OURS:
        return False
    state = str(error.sqlstate or "")
    raised = _raised_in(error)
    return (
        state[:2] in _CLASSES
        or raised.endswith("RAISE")
        or (state == _INTERNAL and raised != "")
        or error.server_source_function == _ROW_RULES
    )


@contextmanager
def sent(*fields: str) -> Iterator[None]:
    """Say which columns hold what the caller sent, for the answer to a rejection; names are the fields'."""
    try:
        yield
    except asyncpg.PostgresError as error:
        if not is_rejection(error):
            raise
        raise Rejection(error, fields) from error


@contextmanager
def in_hook() -> Iterator[None]:
    """Leave what the statements of a hook run into as it is: the application's fault, with its traceback."""
    try:
        yield
    except asyncpg.PostgresError as error:
        error.add_note(_HOOK)
        raise


@asynccontextmanager
async def answered(conn: Connection) -> AsyncIterator[None]:
    """Turn what the database rejects, at the commit too, into an answer; the transaction has ended by then.

    Raises:
        EmailTaken: the e-mail exists already, in whatever case.
        Conflict: another value exists already.
        ValidationFailed: a column is too narrow for what was sent.
        RejectedByDatabase: another rule of the database was broken.
    """
    try:
        yield
    except (Rejection, asyncpg.PostgresError) as error:
        cause, fields = (error.cause, error.fields) if isinstance(error, Rejection) else (error, ())
        if not is_rejection(cause):
            raise
        columns = await _columns_of(conn, cause)
        if cause.sqlstate in _UNIQUE and columns == {"id"}:
            _report_sequence(cause)
            raise cause from None
        answer = _answer(cause, [name for name in fields if name in columns], fields)
        if not isinstance(answer, EmailTaken):  # which is no news
            _report(cause, columns)
        raise answer from error


def _report_sequence(cause: asyncpg.PostgresError) -> None:
    """Tell the operator of a fault: nobody sends an id, so that the numbering gave out a taken one."""
    log.error("a sequence is behind its table: see gatepost doctor", table=cause.table_name)


def _report(cause: asyncpg.PostgresError, columns: set[str]) -> None:
    log.warning(
        "the database rejected a row",
        sqlstate=cause.sqlstate,
        table=cause.table_name,
        constraint=cause.constraint_name,
        columns=sorted(columns) or None,
        raised_in=_raised_in(cause) or None,
    )


def _answer(cause: asyncpg.PostgresError, broken: Sequence[str], fields: Sequence[str]) -> GatepostError:
    if cause.sqlstate in _UNIQUE:
        return EmailTaken() if "email" in broken else Conflict(dict.fromkeys(broken, Text("field.conflict")))
    if cause.sqlstate == _TRUNCATED and fields:
        # PostgreSQL does not say which column it was.
        return ValidationFailed(dict.fromkeys(broken or fields, TOO_LONG))
    answer = RejectedByDatabase(dict.fromkeys(broken, Text("field.rejected")))
    answer.add_note(_explained(cause))
    return answer


def _explained(cause: asyncpg.PostgresError) -> str:
    """Say for the operator, and for whoever reads a traceback, which rule it was; it quotes no values."""
    if cause.sqlstate != _MISSING:
        return f"The rule is {cause.constraint_name or _raised_in(cause) or cause.sqlstate}"
    column = f"{cause.table_name}.{cause.column_name}"
    if cause.column_name in _PASSWORDS:
        return (
            f"{column} is NOT NULL, so that no user can be without a password."
            f" Run: ALTER TABLE {cause.table_name} ALTER COLUMN {cause.column_name} DROP NOT NULL;"
        )
    return (
        f"{column} is NOT NULL, and nothing fills it. Have @auth.on_insert('{cause.column_name}') in your"
        " application do it, and name the application in commands: gatepost --app MODULE:NAME"
    )


def _raised_in(error: asyncpg.PostgresError) -> str:
    """Return the line of a routine that raised it; empty where it was none. It quotes no values."""
    innermost = str(error.context or "").partition("\n")[0]
    return innermost if innermost.startswith("PL/") else ""


async def _columns_of(conn: Connection, cause: asyncpg.PostgresError) -> set[str]:
    """Return the columns that a broken constraint is about; those too that a generated one is made from."""
    if cause.column_name is not None:
        return {cause.column_name}
    try:
        rows = await conn.fetch(_COLUMNS, cause.schema_name, cause.table_name, cause.constraint_name)
        if cause.data_type_name is not None:
            rows += await conn.fetch(_OF_DOMAIN, cause.schema_name, cause.data_type_name)
    except asyncpg.PostgresError:
        return set()
    return {row["attname"] for row in rows}


_COLUMNS = """
    WITH held AS (
        SELECT d.refobjid, d.refobjsubid
        FROM pg_class t
        JOIN pg_namespace n ON n.oid = t.relnamespace
        JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.refobjsubid > 0
        WHERE n.nspname = $1::text AND t.relname = $2::text AND (
            d.classid = 'pg_constraint'::regclass AND d.objid IN (
                SELECT k.oid FROM pg_constraint k WHERE k.conrelid = t.oid AND k.conname = $3::text
            ) OR d.classid = 'pg_class'::regclass AND d.objid IN (
                SELECT x.indexrelid FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
                WHERE x.indrelid = t.oid AND i.relname = $3::text
            )
        )
    ), made AS (
        SELECT h.refobjid, d.refobjsubid
        FROM held h
        JOIN pg_attrdef f ON f.adrelid = h.refobjid AND f.adnum = h.refobjsubid
        -- Up to PostgreSQL 14 it is the column itself that depends on the others.
        JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = h.refobjid
            AND d.refobjsubid > 0 AND (
                d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
                OR d.classid = 'pg_class'::regclass AND d.objid = f.adrelid AND d.objsubid = f.adnum
            )
    )
    SELECT a.attname::text AS attname
    FROM (SELECT * FROM held UNION SELECT * FROM made) c
    JOIN pg_attribute a ON a.attrelid = c.refobjid AND a.attnum = c.refobjsubid
"""

_OF_DOMAIN = """
    SELECT a.attname::text AS attname
    FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE a.attrelid = to_regclass('users') AND NOT a.attisdropped
        AND n.nspname = $1::text AND t.typname = $2::text
"""
