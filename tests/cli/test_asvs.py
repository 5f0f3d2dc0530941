"""`gatepost doctor --asvs`: the table, the document, and the exit code of a level that is missed."""

import re

import pytest
from tests.cli.conftest import Command
from tests.conftest import SCHEMAS, Role, execute

from gatepost.asvs import requirements
from gatepost.db.grants import render_grants
from gatepost.features import FEATURES

REQUIREMENTS = requirements(FEATURES)


@pytest.fixture
async def production(
    command: Command, owner_dsn: str, app_role: Role, monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Run commands with the settings of production, on a database that is granted as it should be."""
    # Before PostgreSQL 15 everybody may create tables there, which is told.
    await execute(owner_dsn, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("BCRYPT_ROUNDS", "12")
    monkeypatch.setenv("PUBLIC_URL", "https://auth.example.com")
    monkeypatch.setenv("DATABASE_URL", app_role.on(owner_dsn))
    return command


async def test_each_requirement_is_shown_with_its_level_and_state(
    production: Command, owner_dsn: str, app_role: Role
) -> None:
    await execute(owner_dsn, render_grants(app_role.name, SCHEMAS))
    shown = await production("doctor", "--asvs")
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    assert lines[0].split() == ["No", "L", "State", "Requirement", "How,", "or", "why", "not"]
    assert len([line for line in lines if re.match(r"\d+\.\d+\.\d+ ", line)]) == len(REQUIREMENTS)
    (tokens,) = [line for line in lines if line.startswith("7.2.3 ")]
    assert tokens.split()[:4] == ["7.2.3", "1", "not", "met"]
    assert "SESSION_TOKEN_FORMAT: uuid has 122 random bits" in tokens
    assert re.fullmatch(r"Level 1: \d+ met, 1 not met, \d+ not applicable", lines[-3])


async def test_a_level_that_is_missed_is_exit_code_1(
    production: Command, owner_dsn: str, app_role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    await execute(owner_dsn, render_grants(app_role.name, SCHEMAS))
    missed = await production("doctor", "--asvs", "--level", "1", "--json")
    assert (missed.code, missed.json["ok"], missed.json["level"]) == (1, False, 1)
    assert {row["level"] for row in missed.json["requirements"]} == {1}
    monkeypatch.setenv("SESSION_TOKEN_FORMAT", "opaque")
    met = await production("doctor", "--asvs", "--level", "1", "--json")
    assert (met.code, met.json["ok"], met.json["levels"]["1"]["not met"]) == (0, True, 0)
    (row,) = [row for row in met.json["requirements"] if row["number"] == "7.2.3"]
    assert (row["state"], row["setting"]) == ("met", None)
    assert row["tests"] == list(next(each.tests for each in REQUIREMENTS if each.number == "7.2.3"))
    assert (await production("doctor", "--asvs", "--level", "2")).code == 1


async def test_the_role_is_asked_for_its_rights(production: Command) -> None:
    listed = (await production("doctor", "--asvs", "--json")).json["requirements"]
    assert {row["state"] for row in listed if row["number"] in {"13.2.2", "16.4.2"}} == {"met"}


async def test_a_role_that_may_too_much_is_told(
    production: Command, owner_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", owner_dsn)
    listed = (await production("doctor", "--asvs", "--json")).json["requirements"]
    told = {row["why"] for row in listed if row["number"] in {"13.2.2", "16.4.2"}}
    assert told == {"DATABASE_URL: Its role is a superuser"}


async def test_a_database_that_is_away_is_no_proof_and_no_hindrance(
    production: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://app@127.0.0.1:1/app")
    shown = await production("doctor", "--asvs", "--json")
    assert shown.code == 0
    (row,) = [row for row in shown.json["requirements"] if row["number"] == "13.2.2"]
    assert row["state"] == "not met"
    assert row["why"].endswith("because the database is away")


async def test_a_level_without_asvs_is_a_mistake_of_use(production: Command) -> None:
    assert (await production("doctor", "--level", "1")).code == 2
    assert (await production("doctor", "--asvs", "--level", "4")).code == 2
