"""The pages of what runs: settings without secrets, checks, ASVS, housekeeping."""

import re

from pydantic import SecretStr
from tests.conftest import MakeSettings
from tests.http.conftest import Database, events
from tests.http.pages.conftest import ORIGIN, Visitor
from tests.walking import walked

import gatepost
from gatepost.asvs import requirements
from gatepost.features import FEATURES
from gatepost.http.pages.admin.system import in_force
from gatepost.settings import Settings


async def test_it_tells_the_version_and_which_settings_somebody_has_set(admin: Visitor) -> None:
    await admin.get("/auth/admin/system")
    text = admin.answer.text
    assert f"Gatepost {gatepost.__version__}" in text
    plain = re.sub(r"</?span[^>]*>", "", text)
    rows = re.findall(r'<tr><td class="mono">(\w+)</td><td[^>]*>(.*?)</td><td[^>]*>(\w+)</td></tr>', plain)
    told = {name: (value, origin) for name, value, origin in rows}
    assert {*told} >= {name.upper() for name in Settings.model_fields}
    assert told["PUBLIC_URL"] == (ORIGIN, "set")
    assert told["SESSION_EXPIRE_MINUTES"] == ("30", "default")
    assert told["APP_NAME_SHOWN"] == ("true", "default")


def test_no_secret_is_told(make_settings: MakeSettings) -> None:
    settings = make_settings(secret_key_fallbacks=("f" * 40,), devise_pepper="pepper-of-devise")
    shown = {each.name: each for each in in_force(settings)}
    for name in ("SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATABASE_URL", "DEVISE_PEPPER"):
        assert shown[name].is_secret, name
        assert shown[name].value is None, name
    secrets = [value for value in vars(settings).values() if isinstance(value, SecretStr)]
    assert secrets
    for secret in secrets:
        assert all(secret.get_secret_value() not in (each.value or "") for each in shown.values())


SYSTEM = "/auth/admin/system"


async def test_its_parts_lead_to_each_other(admin: Visitor) -> None:
    for part in ("", "/checks", "/asvs", "/housekeeping"):
        await admin.get(f"{SYSTEM}{part}")
        assert admin.answer.status_code == 200
        links = {link["href"] for link in admin.page.all("a")}
        assert {f"{SYSTEM}{each}" for each in ("", "/checks", "/asvs", "/housekeeping")} <= links
        tabs = admin.answer.text.partition('class="tabs"')[2].partition("</nav>")[0]
        assert re.findall(r'href="([^"]+)" aria-current="page"', tabs) == [f"{SYSTEM}{part}"]


async def test_checks_are_made_when_asked_for_and_say_what_to_do(admin: Visitor, db: Database) -> None:
    await admin.get(f"{SYSTEM}/checks")
    assert "answers in" not in admin.answer.text
    await db.execute("ALTER TABLE user_sessions DISABLE TRIGGER user_sessions_note_end")
    before = await db.fetchval("SELECT count(*) FROM users")
    await admin.send(f"{SYSTEM}/checks")
    assert admin.answer.status_code == 200
    told = admin.page.texts["main"]
    assert "objects: missing or disabled: trigger user_sessions_note_end" in told
    assert "migrate; if it finds nothing to do" in told
    assert "answers in" in told
    assert "PostgreSQL" in told
    assert await db.fetchval("SELECT count(*) FROM users") == before
    await db.execute("ALTER TABLE user_sessions ENABLE TRIGGER user_sessions_note_end")
    await admin.send(f"{SYSTEM}/checks")
    assert "effects: a user was registered, signed in, refreshed and deleted" in admin.page.texts["main"]
    assert "Problems: 0" in admin.page.texts["main"]


async def test_no_check_tells_a_secret(admin: Visitor, make_settings: MakeSettings) -> None:
    await admin.get(f"{SYSTEM}/checks")
    await admin.send(f"{SYSTEM}/checks")
    secrets = [value for value in vars(make_settings()).values() if isinstance(value, SecretStr)]
    assert secrets
    for secret in secrets:
        assert secret.get_secret_value() not in admin.answer.text


async def test_every_requirement_of_asvs_is_told_by_chapter(admin: Visitor) -> None:
    await admin.get(f"{SYSTEM}/asvs")
    assert "V7 Session management" in admin.page.texts["main"]
    chapters = [str(link["href"]) for link in admin.page.all("a") if "chapter=" in str(link["href"])]
    told = []
    for chapter in chapters:
        await admin.get(chapter)
        assert len(admin.answer.content) < 60_000
        told += re.findall(r'<span class="mono">(\d+\.\d+\.\d+)</span>', admin.answer.text)
    assert told == [each.number for each in requirements(FEATURES)]


@walked(
    ("level", "state"),
    [("1", "missed"), ("2", "missed"), ("2", "outside"), ("1&chapter=6", "met"), ("9", "no")],
)
async def test_asvs_is_filtered_by_level_and_state(admin: Visitor, level: str, state: str) -> None:
    await admin.get(f"{SYSTEM}/asvs?level={level}&state={state}")
    levels = re.findall(r'lang="en">Level (\d)</span>', admin.answer.text)
    told = set(re.findall(r'<span class="badge badge-\w+" lang="en">([^<]+)</span>', admin.answer.text))
    if level == "9":
        shown = f"Requirements shown: {len(requirements(FEATURES))}"
        assert shown in admin.page.texts["main"], "what there is not filters nothing"
        return
    assert levels
    assert max(levels) <= level[0]
    assert told == {{"met": "Met", "missed": "Not met", "outside": "Not applicable"}[state]}
    current = {link["href"] for link in admin.page.all("a") if link.get("aria-current") == "true"}
    assert current == {f"{SYSTEM}/asvs?level={level[0]}&state={state}"}


async def test_housekeeping_runs_when_asked_to_and_tells_what_it_did(admin: Visitor, db: Database) -> None:
    await db.execute(
        """
        INSERT INTO user_sessions (session_token, user_id, expires_at, created_at)
        SELECT 'old' || n, 1, '2001-01-01Z', '2001-01-01Z' FROM generate_series(1, 3) n
        """
    )
    await admin.get(f"{SYSTEM}/housekeeping")
    assert "Expired sessions to end 3" in admin.page.texts["main"]
    assert "No run has found anything to do yet" in admin.page.texts["main"]
    await admin.send(f"{SYSTEM}/housekeeping")
    await admin.follow()
    told = admin.page.texts["main"]
    # What ended that long ago is deleted by the same run.
    assert "Sessions ended and rows deleted: 6" in admin.page.texts["status"]
    assert "Expired sessions to end 0" in told
    assert "3 sessions were ended. Rows deleted: 3." in told
    (noted,) = await events(db, "cleanup.run")
    assert noted["user_id"] == 1
    assert noted["detail"]["sessions_expired"] == 3
