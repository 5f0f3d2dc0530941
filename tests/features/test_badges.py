"""A feature that the application brings: each of its contributions, without a line in `gatepost`.

`badges/` is what a user of Gatepost would write; `docs/features.md` shows it.
"""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from tests.cli.conftest import logging_as_it_was
from tests.conftest import (
    PASSWORD,
    SECRET_KEY,
    MovableClock,
    Role,
    bearer,
    execute,
    register,
    scratch_database,
    serving,
)
from tests.features.badges import BADGES
from tests.features.badges import FOLDER as BADGES_FOLDER
from tests.features.badges.errors import TooManyBadges
from tests.features.badges.service import Badges
from tests.features.badges.settings import BadgeSettings
from tests.http.pages.conftest import ORIGIN, Html, visiting

from gatepost.app import create_app
from gatepost.asvs import requirements
from gatepost.cli import main
from gatepost.db import migrate
from gatepost.db.grants import render_grants
from gatepost.errors import DatabaseNotMigrated, DatabaseTooNew, SettingsError
from gatepost.feature import schemas_of
from gatepost.features import FEATURES
from gatepost.gate import Gate
from gatepost.library import Gatepost
from gatepost.models import Client
from gatepost.settings import Settings
from gatepost.settings.feature import settings_of
from gatepost.store import health

__all__ = ["logging_as_it_was"]

ROOT = Path(__file__).parents[2]
ALL = (*FEATURES, BADGES)
SCHEMAS = schemas_of(ALL)
GERMAN = {"Accept-Language": "de"}

Make = Callable[..., FastAPI]


@pytest.fixture(scope="module")
async def with_badges(server_dsn: str, anyio_backend: str) -> AsyncIterator[str]:
    """Name of a database with the tables of badges that nobody is connected to."""
    async with scratch_database(server_dsn, "template0") as dsn:
        await migrate.migrate(dsn, features=SCHEMAS)
        yield urlsplit(dsn).path[1:]


@pytest.fixture
async def dsn(server_dsn: str, with_badges: str) -> AsyncIterator[str]:
    """A database with the tables of badges."""
    async with scratch_database(server_dsn, with_badges) as dsn:
        yield dsn


@pytest.fixture
def values(dsn: str, tmp_path: Path) -> dict[str, Any]:
    return {
        "database_url": dsn,
        "secret_key": SECRET_KEY,
        "environment": "test",
        "bcrypt_rounds": 4,
        "gatepost_home": tmp_path,
        "cleanup_interval_seconds": 0,
        "throttle_enabled": False,
        "public_url": ORIGIN,
    }


@pytest.fixture
def app(values: dict[str, Any], clock: MovableClock) -> FastAPI:
    settings = settings_of(ALL).load(env_file=None, badges_max=2, **values)
    return create_app(settings, clock=clock, features=ALL)


@pytest.fixture
async def db(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    conn = await asyncpg.connect(dsn)
    yield conn
    await conn.close()


async def give(client: httpx.AsyncClient, token: str, name: str, **body: str) -> httpx.Response:
    return await client.post("/api/auth/badges", json={"name": name, **body}, headers=bearer(token))


# --- API, errors, settings, audit trail ---


async def test_its_route_asks_for_a_session_and_writes_its_table_and_the_trail(
    client: httpx.AsyncClient, db: Any
) -> None:
    assert (await client.post("/api/auth/badges", json={"name": "early bird"})).status_code == 401
    user = await register(client)
    response = await give(client, user["token"], "early bird")
    assert (response.status_code, response.json()["data"]) == (201, {"badges": ["early bird"]})
    assert await db.fetchval("SELECT name FROM badges WHERE user_id = $1", user["user"]["id"]) == "early bird"
    row = await db.fetchrow("SELECT user_id, detail FROM auth_events WHERE action = 'badge.given'")
    assert (row["user_id"], json.loads(row["detail"])) == (user["user"]["id"], {"badge": "early bird"})


async def test_there_are_no_more_than_the_setting_says(client: httpx.AsyncClient, db: Any) -> None:
    token = (await register(client))["token"]
    for name in ("early bird", "night owl"):
        assert (await give(client, token, name)).status_code == 201
    refused = await give(client, token, "one too many")
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "too_many_badges"
    assert refused.json()["message"] == "You have as many badges as there may be"
    assert await db.fetchval("SELECT count(*) FROM badges") == 2


async def test_the_openapi_document_describes_its_route_and_error(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/auth/openapi.json")).json()
    operation = document["paths"]["/api/auth/badges"]["post"]
    assert (operation["operationId"], operation["tags"]) == ("give_badge", ["badges"])
    examples = operation["responses"]["409"]["content"]["application/json"]["examples"]
    assert examples[TooManyBadges.code]["summary"] == "You have as many badges as there may be"


def test_its_setting_is_read_and_refused_together_with_the_kernels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BADGES_MAX", "7")
    settings = settings_of(ALL).load(env_file=None)
    assert isinstance(settings, BadgeSettings)
    assert settings.badges_max == 7
    monkeypatch.setenv("BADGES_MAX", "none")
    monkeypatch.setenv("PORT", "none")
    with pytest.raises(SettingsError) as raised:
        settings_of(ALL).load(env_file=None)
    assert sorted(line.partition(":")[0] for line in raised.value.problems) == ["BADGES_MAX", "PORT"]


def test_settings_that_lack_its_own_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="BadgeSettings"):
        Gatepost(Settings.load(env_file=None, **values), features=ALL)


# --- Pages ---


async def test_its_page_stands_in_the_navigation_and_in_the_language_of_the_visitor(app: FastAPI) -> None:
    async with visiting(app) as visitor:
        await app.state.gatepost.administration.create(
            email="ada@example.com", name="Ada", password=PASSWORD, is_admin=True, client=Client()
        )
        await visitor.get("/auth/sign-in")
        await visitor.send("/sign-in", {"email": "ada@example.com", "password": PASSWORD})
        await visitor.get("/auth/account")
        links = [link["href"] for link in visitor.page.all("a")]
        assert links.index("/auth/badges") == links.index("/auth/devices") - 1
        await visitor.get("/auth/badges")
        await visitor.send("/badges", {"name": "early bird"})
        await visitor.follow()
        assert visitor.answer.status_code == 200
        assert "You have another badge." in visitor.answer.text
        assert "early bird" in visitor.answer.text
        german = await visitor.client.get("/auth/badges", headers=GERMAN)
        assert "Abzeichen" in Html(german.text).texts["h1"]
        assert "You were given a badge" in (await visitor.client.get("/auth/activity")).text
        activity = await visitor.client.get("/auth/activity", headers=GERMAN)
        assert "Sie haben ein Abzeichen erhalten" in activity.text
        events = await visitor.client.get("/auth/admin/events?action=badge.given")
        assert "A badge was given" in events.text
        assert ">badge.given</option>" in events.text
        page = await visitor.client.get("/auth/badges", headers=GERMAN)
        form = Html(page.text).form("/badges").fields
        for name in ("night owl", "one too many"):
            answer = await visitor.client.post(
                "/auth/badges", data=form | {"name": name}, headers={"Origin": ORIGIN, **GERMAN}
            )
        assert answer.status_code == 409
        assert "Sie haben so viele Abzeichen, wie es geben darf" in answer.text


# --- Signing in ---


async def test_its_step_is_asked_before_a_session_starts(client: httpx.AsyncClient, db: Any) -> None:
    token = (await register(client))["token"]
    await give(client, token, "guardian")
    who = {"email": "user@example.com", "password": PASSWORD}
    asked = await client.post("/api/auth/login", json=who)
    error = asked.json()["error"]
    assert (asked.status_code, error["code"]) == (401, "second_factor_required")
    assert error["methods"] == ["badge"]
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 1
    answer = {"challenge": error["challenge"], "method": "badge", "code": "early bird"}
    wrong = await client.post("/api/auth/login/factor", json=answer)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "invalid_code")
    right = await client.post("/api/auth/login/factor", json=answer | {"code": "guardian"})
    assert right.status_code == 200
    assert right.json()["data"]["session_info"]["methods"][:2] == ["pwd", "kba"]


async def test_a_form_is_carried_through_its_step_too(app: FastAPI, clock: MovableClock, db: Any) -> None:
    async with visiting(app) as visitor:
        await visitor.sign_up()
        await visitor.get("/auth/badges")
        await visitor.send("/badges", {"name": "guardian"})
        await visitor.get("/auth/account/export")
        clock.advance(minutes=11)
        await visitor.send("/account/export")
        await visitor.send("/confirm", {"password": PASSWORD})
        assert visitor.answer.status_code == 200
        fields = visitor.page.form("/confirm").fields
        assert {"code", "carried"} <= set(fields)
        await visitor.send("/confirm", {"code": "early bird"})
        assert visitor.answer.status_code == 422
        assert not await exported(db)
        clock.advance(minutes=6)  # the step has waited too long: the password comes first again
        await visitor.send("/confirm", {"code": "guardian"})
        await visitor.send("/confirm", {"password": PASSWORD})
        clock.advance(minutes=1)
        await visitor.send("/confirm", {"code": "guardian"})
        assert visitor.answer.headers["content-type"] == "application/json"
        assert await exported(db)


async def exported(db: Any) -> bool:
    """Say whether somebody downloaded their data."""
    found: bool = await db.fetchval("SELECT count(*) > 0 FROM auth_events WHERE action = 'user.exported'")
    return found


# --- What becomes of a user, and housekeeping ---


async def test_what_it_stores_is_in_the_data_that_its_user_downloads(client: httpx.AsyncClient) -> None:
    token = (await register(client))["token"]
    await give(client, token, "early bird", dedication="to myself")
    data = (await client.get("/api/auth/export", headers=bearer(token))).json()["data"]
    assert [(each["name"], each["dedication"]) for each in data["badges"]] == [("early bird", "to myself")]
    assert data["truncated"] is False


async def test_what_tells_of_a_user_who_leaves_is_taken_out(client: httpx.AsyncClient, db: Any) -> None:
    token = (await register(client))["token"]
    await give(client, token, "early bird", dedication="to myself")
    gone = await client.request("DELETE", "/api/auth/me", json={"password": PASSWORD}, headers=bearer(token))
    assert gone.status_code == 200
    assert [tuple(row) for row in await db.fetch("SELECT user_id, name, dedication FROM badges")] == [
        (None, "early bird", None)
    ]


async def test_what_tells_of_a_user_whom_an_administrator_deletes_is_taken_out(
    client: httpx.AsyncClient, gate: Gatepost, db: Any
) -> None:
    token = (await register(client))["token"]
    await give(client, token, "early bird", dedication="to myself")
    user = await gate.administration.find("user@example.com")
    await gate.administration.delete(user, client=Client())
    assert await db.fetchval("SELECT dedication FROM badges") is None


async def test_housekeeping_purges_what_is_of_no_use_any_more(
    client: httpx.AsyncClient, gate: Gatepost, db: Any
) -> None:
    token = (await register(client))["token"]
    await give(client, token, "kept")
    await db.execute("INSERT INTO badges (name, given_at) VALUES ('faded', now() - interval '2 years')")
    await gate.housekeeping.run(client=Client())
    assert [row["name"] for row in await db.fetch("SELECT name FROM badges")] == ["kept"]


# --- The database ---


async def test_its_tables_are_made_version_by_version_and_once(empty_dsn: str) -> None:
    shipped = schemas_of(FEATURES)
    done = await migrate.migrate(empty_dsn, features=shipped)
    assert done.applied == (*migrate.VERSIONS, *(f"{each.feature} {each.head}" for each in shipped))
    assert (await migrate.migrate(empty_dsn, features=SCHEMAS)).applied == ("badges 0002_dedication",)
    assert (await migrate.migrate(empty_dsn, features=SCHEMAS)).applied == ()
    conn = await asyncpg.connect(empty_dsn)
    try:
        assert await migrate.missing_objects(conn, SCHEMAS) == []
        versions = await conn.fetch(
            "SELECT detail ->> 'version' AS version FROM auth_events"
            " WHERE action = 'schema.migrated' AND detail ->> 'feature' = 'badges' ORDER BY id"
        )
        assert [row["version"] for row in versions] == ["0001_badges", "0002_dedication"]
        await conn.execute("DROP INDEX badges_user_id_idx")
        await conn.execute("ALTER TABLE badges DROP COLUMN dedication")
        assert await migrate.missing_objects(conn, SCHEMAS) == [
            "column badges.dedication",
            "index badges_user_id_idx",
        ]
    finally:
        await conn.close()


@pytest.mark.parametrize("kind", ["bigint", "uuid", "text"])
async def test_its_tables_refer_to_users_of_every_type_of_id(empty_dsn: str, kind: str) -> None:
    await execute(
        empty_dsn, f"CREATE TABLE users (id {kind} PRIMARY KEY, email varchar NOT NULL, name varchar)"
    )
    await migrate.migrate(empty_dsn, features=SCHEMAS)
    conn = await asyncpg.connect(empty_dsn)
    found = await conn.fetchval(
        "SELECT format_type(atttypid, -1) FROM pg_attribute"
        " WHERE attrelid = 'badges'::regclass AND attname = 'user_id'"
    )
    await conn.close()
    assert found == kind


async def test_a_start_without_its_tables_or_with_newer_ones_is_refused(
    dsn: str, values: dict[str, Any]
) -> None:
    await execute(dsn, "DROP TABLE badges", "DELETE FROM gatepost_features WHERE feature = 'badges'")
    settings = settings_of(ALL).load(env_file=None, **values)
    with pytest.raises(DatabaseNotMigrated, match="badges are at version none"):
        await Gate(settings, features=ALL).open(background=False)
    await migrate.migrate(dsn, features=SCHEMAS)
    await execute(dsn, "UPDATE gatepost_features SET version = '0009' WHERE feature = 'badges'")
    with pytest.raises(DatabaseTooNew, match="badges are at version 0009"):
        await Gate(settings, features=ALL).open(background=False)
    async with Gate(settings, features=FEATURES) as gate:
        assert gate.is_open  # who does not have it does not mind


async def test_a_server_with_the_least_rights_can_do_all_of_it(
    dsn: str, app_role: Role, values: dict[str, Any]
) -> None:
    conn = await asyncpg.connect(app_role.on(dsn))
    assert {each for each in await health.missing_privileges(conn, SCHEMAS) if "badges" in each} == {
        "SELECT (id, user_id, name, dedication, given_at) ON badges",
        "INSERT (user_id, name, dedication, given_at) ON badges",
        "UPDATE (dedication) ON badges",
        "DELETE ON badges",
        "USAGE ON SEQUENCE badges_id_seq",
    }
    await execute(dsn, render_grants(app_role.name, SCHEMAS))
    assert await health.missing_privileges(conn, SCHEMAS) == []
    await conn.close()
    settings = settings_of(ALL).load(env_file=None, **values | {"database_url": app_role.on(dsn)})
    async with serving(create_app(settings, features=ALL)) as client:
        token = (await register(client))["token"]
        assert (await give(client, token, "early bird")).status_code == 201
        gone = await client.request(
            "DELETE", "/api/auth/me", json={"password": PASSWORD}, headers=bearer(token)
        )
        assert gone.status_code == 200


# --- Commands ---


@dataclass(frozen=True)
class Ended:
    code: int
    out: str


@pytest.fixture
def manage(
    dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    logging_as_it_was: None,
) -> Callable[..., Awaitable[Ended]]:
    """Run the commands as an application with a feature of its own offers them, in this process."""
    variables = {
        "DATABASE_URL": dsn,
        "SECRET_KEY": SECRET_KEY,
        "ENVIRONMENT": "test",
        "BCRYPT_ROUNDS": "4",
        "GATEPOST_HOME": str(tmp_path),
    }

    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["gatepost"])
    monkeypatch.chdir(tmp_path)

    def call(arguments: tuple[str, ...]) -> int:
        with pytest.raises(SystemExit) as ended:
            main(arguments, features=ALL)
        return int(ended.value.code or 0)

    async def run(*arguments: str) -> Ended:
        capsys.readouterr()
        code = await asyncio.to_thread(call, arguments)
        return Ended(code, "".join(capsys.readouterr()))

    return run


async def test_its_command_is_one_of_ours(manage: Callable[..., Awaitable[Ended]], dsn: str, db: Any) -> None:
    await db.execute("INSERT INTO users (email, name) VALUES ('ada@example.com', 'Ada')")
    ended = await manage("badges", "give", "ada@example.com", "pioneer", "--json")
    assert (ended.code, json.loads(ended.out)["badges"]) == (0, ["pioneer"]), ended
    help_text = await manage("badges", "give", "--help")
    assert "Give a user a badge." in help_text.out
    assert "Example: gatepost badges give" in help_text.out


async def test_doctor_migrate_and_grants_know_its_tables(manage: Callable[..., Awaitable[Ended]]) -> None:
    found = {
        check["name"]: check["found"]
        for check in json.loads((await manage("doctor", "--json")).out)["checks"]
    }
    assert found["badges"] == "0 were given"
    assert (await manage("migrate", "--json")).code == 0
    assert "ALTER TABLE badges ADD COLUMN dedication" in (await manage("migrate", "--sql")).out
    assert 'UPDATE (dedication) ON badges TO "app"' in (await manage("migrate", "--grants", "app")).out


# --- And the rest ---


async def test_it_says_what_it_has_to_say_at_the_start(app: FastAPI) -> None:
    async with serving(app):
        assert BADGES.announce is not None
        said = await BADGES.announce(app.state.gatepost, "https://auth.example.com")
    assert said.data == {"badges_url": "https://auth.example.com/auth/badges"}


def test_it_adds_its_proofs_to_the_requirements() -> None:
    (changed,) = [each for each in requirements(ALL) if each.number == "2.3.4"]
    (kernels,) = [each for each in requirements(FEATURES) if each.number == "2.3.4"]
    assert changed.tests == (
        *kernels.tests,
        "tests/features/test_badges.py::test_there_are_no_more_than_the_setting_says",
    )
    assert (changed.state, changed.why) == (kernels.state, kernels.why)


async def test_without_it_nothing_is_left_of_it(values: dict[str, Any]) -> None:
    app = create_app(settings_of(FEATURES).load(env_file=None, **values))
    async with serving(app) as client:
        assert (await client.post("/api/auth/badges", json={})).status_code == 404
        assert (await client.get("/auth/badges")).status_code == 404
        with pytest.raises(LookupError):
            app.state.gatepost.service(Badges)


# --- The page that shows it ---


def test_what_the_page_shows_is_what_stands_here() -> None:
    page = (ROOT / "docs/features.md").read_text("utf-8")
    blocks = re.findall(r"```(?:python|text)\n(.*?)```", page, re.DOTALL)
    ours = [block for block in blocks if not block.startswith("from gatepost")]
    sources = [file.read_text("utf-8") for file in BADGES_FOLDER.rglob("*") if file.suffix in {".py", ".sql"}]
    assert len(ours) >= 5
    assert [block for block in ours if not any(block in source for source in sources)] == []
