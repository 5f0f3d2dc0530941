"""Plain SQL files, cut into the statements that a version hands to Alembic."""

from collections.abc import Iterator
from pathlib import Path

SQL = Path(__file__).parent / "sql"


def statements(folder: str) -> Iterator[str]:
    """Yield the statements of `sql/<folder>/*.sql`, in the order of the files' names.

    A statement ends with a semicolon at the end of a line, outside of `$$ … $$`. Its leading comments
    stay with it, so that whoever reads the output of `gatepost migrate --sql` reads them too.
    """
    for file in sorted((SQL / folder).glob("*.sql")):
        pending = ""
        for piece in file.read_text(encoding="utf-8").split(";\n"):
            pending += piece
            if pending.count("$$") % 2:
                pending += ";\n"
                continue
            if pending.strip():
                yield pending.strip()
            pending = ""
