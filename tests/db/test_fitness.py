"""What a start says of a database that hides rows or takes no writes."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.conftest import Role, execute, settings_for
from tests.http.conftest import logged

from gatepost.db.grants import render_grants
from gatepost.gate import Gate

HIDDEN = "row-level security is in force for this role: see gatepost doctor"
READ_ONLY = "default_transaction_read_only is on: see gatepost doctor"


async def start(dsn: str, home: Path) -> None:
    async with Gate(settings_for(dsn, home)):
        pass


@pytest.mark.parametrize("tables", [["users"], ["user_sessions"], ["user_sessions", "users"]])
async def test_row_level_security_is_warned_of(
    owner_dsn: str, app_role: Role, tmp_path: Path, caplog: pytest.LogCaptureFixture, tables: list[str]
) -> None:
    await execute(owner_dsn, render_grants(app_role.name))
    for table in tables:
        await execute(owner_dsn, f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    await start(app_role.on(owner_dsn), tmp_path)
    (line,) = logged(caplog, HIDDEN)
    assert (line["level"], sorted(line["tables"])) == ("warning", tables)


async def test_whoever_row_level_security_passes_by_is_not_warned(
    owner_dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await execute(owner_dsn, "ALTER TABLE users ENABLE ROW LEVEL SECURITY")
    await start(owner_dsn, tmp_path)
    assert logged(caplog, HIDDEN) == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER DATABASE {database} SET default_transaction_read_only = on",
        "ALTER ROLE {role} IN DATABASE {database} SET default_transaction_read_only = on",
    ],
)
async def test_a_database_that_takes_no_writes_by_default_is_warned_of(
    owner_dsn: str, app_role: Role, tmp_path: Path, caplog: pytest.LogCaptureFixture, statement: str
) -> None:
    await execute(owner_dsn, render_grants(app_role.name))
    database = urlsplit(owner_dsn).path.removeprefix("/")
    await execute(owner_dsn, statement.format(database=database, role=app_role.name))
    await start(app_role.on(owner_dsn), tmp_path)
    (line,) = logged(caplog, READ_ONLY)
    assert line["level"] == "warning"
