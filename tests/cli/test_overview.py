"""`gatepost overview`: the figures as text and as JSON."""

import httpx
import pytest
from tests.cli.conftest import Command, Database
from tests.conftest import register

from gatepost.cli.overview import sparkline


async def test_it_shows_the_figures(gatepost: Command, client: httpx.AsyncClient, db: Database) -> None:
    await register(client)
    for _ in range(3):
        await client.post("/api/auth/login", json={"email": "user@example.com", "password": "a guess"})
    await db.execute("UPDATE auth_failures SET failures = 100")
    shown = await gatepost("overview")
    assert shown.code == 0
    rows = [line.split("  ") for line in shown.out.splitlines()]
    first = {row[0]: [cell.strip() for cell in row[1:] if cell.strip()] for row in rows}
    assert first["Active sessions"] == first["Active users"] == ["1"]
    assert first["Sign-ins"] == ["1", "0", "█"]
    assert first["Failed logins"] == ["3", "0", "█"]
    assert first["Throttled (partly recorded)"] == ["0", "0"]
    assert first["127.0.0.1"] == ["3", "1"]
    assert first["1"][:4] == ["user@example.com", "3", "100", "yes"]
    assert shown.out.splitlines()[-1] == "Next: gatepost users unlock USER"


async def test_json_has_what_the_api_has(gatepost: Command, client: httpx.AsyncClient) -> None:
    await register(client)
    data = (await gatepost("overview", "--period", "30d", "--json")).json
    assert (data["period"], data["step_seconds"]) == ("30d", 86_400)
    assert data["series"]["new_accounts"] == {"points": [0] * 29 + [1], "total": 1, "before": 0}
    assert data["active_users"] == {"value": 1, "is_exact": True}
    assert data["at"].endswith("Z")


async def test_another_period_is_not_accepted(gatepost: Command) -> None:
    refused = await gatepost("overview", "--period", "1h", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (2, "usage")


@pytest.mark.parametrize(
    ("points", "bars"), [([0, 1, 4, 8], " ▁▄█"), ([0, 0], "  "), ([1, 1000], "▁█"), ([], "")]
)
def test_a_bar_is_as_high_as_its_figure(points: list[int], bars: str) -> None:
    assert sparkline(points) == bars
