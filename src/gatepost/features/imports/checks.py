"""What `gatepost doctor` and `gatepost migrate` say of another system's users beside an empty Gatepost."""

from gatepost.db.pool import Connection
from gatepost.doctor.check import Check, warning
from gatepost.features.imports import foreign, store
from gatepost.features.imports.sources import SOURCES
from gatepost.terminal.output import program


async def checks(conn: Connection) -> list[Check]:
    """Point out tables of users that can be imported, as long as there are no users here."""
    if not await store.is_empty(conn):
        return []
    found = []
    for source in SOURCES:
        table = await foreign.find_table(conn, source.table)
        if table is not None and source.columns <= table.columns:
            found.append(
                warning(
                    "import",
                    f"Gatepost has no users, but the table {table.name} looks like one of {source.name}",
                    f"To see what an import would do: {program()} import {source.name} --dry-run",
                )
            )
    return found
