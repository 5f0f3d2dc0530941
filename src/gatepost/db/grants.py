"""The rights that a role needs to run Gatepost, as SQL for the owner of the tables."""

from collections.abc import Sequence
from pathlib import Path

from gatepost.db.feature import Schemas, Table
from gatepost.errors import ValidationFailed

_TEMPLATE = Path(__file__).parent / "grants.sql"
_NAME_BYTES = 63  # PostgreSQL cuts longer names off (NAMEDATALEN)


def render_grants(
    role: str, features: Schemas = (), *, schema: str | None = None, own_columns: Sequence[str] = ()
) -> str:
    """Return the SQL that gives a role the least rights which a server needs at run time.

    No database is asked: what is named otherwise in each is looked up when the SQL runs.

    Args:
        role: its name.
        features: whose tables it works with, too.
        schema: where the tables are; None for the first of the search_path that is in force then.
        own_columns: of `users`, which the application fills.

    Raises:
        ValidationFailed: no role can have that name, or it is everybody's.
    """
    if not role.isprintable() or not 0 < len(role.encode()) <= _NAME_BYTES:
        raise ValidationFailed({"role": f"It must be 1 to {_NAME_BYTES} bytes of printable text"})
    if role in {"public", "none"}:
        # Quoted or not, PostgreSQL takes the word for everybody.
        raise ValidationFailed({"role": f"{role} is not a role; use the one that DATABASE_URL signs in as"})
    literal = role.replace("'", "''")
    theirs = [_of(table) for schema in features for table in schema.tables]
    if own_columns:
        names = ", ".join(quoted(name) for name in own_columns)
        theirs.append(f'GRANT INSERT ({names}) ON users TO :"role";\n')
    text = _TEMPLATE.read_text(encoding="utf-8").replace("COMMIT;", "\n".join([*theirs, "COMMIT;"]))
    if schema is not None:
        text = text.replace("BEGIN;", f'BEGIN;\n\nSET LOCAL search_path = "{schema}";', 1)
    return text.replace(':"role"', quoted(role)).replace(":'role'", f"'{literal}'")


def quoted(name: str) -> str:
    """Return a name as an identifier of SQL."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _of(table: Table) -> str:
    return f"""REVOKE ALL ON {table.name} FROM PUBLIC, :"role";

GRANT {", ".join(table.rights)} ON {table.name} TO :"role";

DO $$
DECLARE
    counter regclass;
BEGIN
    FOR counter IN
        SELECT s.oid::regclass FROM pg_depend p JOIN pg_class s ON s.oid = p.objid AND s.relkind = 'S'
        WHERE p.classid = 'pg_class'::regclass AND p.refobjid = '{table.name}'::regclass
            AND p.deptype IN ('a', 'i')
    LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', counter, current_setting('gatepost.app_role'));
    END LOOP;
END
$$;
"""  # noqa: S608 - names of the code
