"""The rights that a role needs to run Gatepost, as SQL for the owner of the tables."""

from pathlib import Path

from gatepost.errors import ValidationFailed

_TEMPLATE = Path(__file__).parent / "grants.sql"
_NAME_BYTES = 63  # PostgreSQL cuts longer names off (NAMEDATALEN)


def render_grants(role: str) -> str:
    """Return the SQL that gives a role the least rights which a server needs at run time.

    No database is asked: what is named otherwise in each is looked up when the SQL runs.

    Raises:
        ValidationFailed: no role can have that name, or it is everybody's.
    """
    if not role.isprintable() or not 0 < len(role.encode()) <= _NAME_BYTES:
        raise ValidationFailed({"role": f"It must be 1 to {_NAME_BYTES} bytes of printable text"})
    if role in {"public", "none"}:
        # Quoted or not, PostgreSQL takes the word for everybody.
        raise ValidationFailed({"role": f"{role} is no role; name the one that DATABASE_URL signs in as"})
    identifier = role.replace('"', '""')
    literal = role.replace("'", "''")
    text = _TEMPLATE.read_text(encoding="utf-8")
    return text.replace(':"role"', f'"{identifier}"').replace(":'role'", f"'{literal}'")
