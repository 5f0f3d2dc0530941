"""`gatepost doctor`: everything is ok, or what to do is said."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
from tests.cli.conftest import Command, Database
from tests.conftest import SCHEMAS, Role, execute

from gatepost.db.grants import render_grants
from gatepost.doctor import judgements as checks
from gatepost.store.health import Numbering, Rights, Server
from gatepost.terminal.output import program

GOOD_KEY = "6d1f1c9be9b94a0f8a0b4fe2f3f4c9d1e7a6"


async def examined(command: Command, code: int, *options: str) -> dict[str, Any]:
    """Return the checks by their names; those of numbers by their table's."""
    done = await command(*options, "doctor", "--json")
    assert done.code == code, done
    assert done.json["ok"] is (code == 0)
    return {
        c["found"].partition(" ")[0] if c["name"] == "numbers" else c["name"]: c for c in done.json["checks"]
    }


async def test_a_sound_database_is_ok_in_every_point(
    gatepost: Command, ada: int, owner_dsn: str, app_role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    await execute(owner_dsn, render_grants(app_role.name, SCHEMAS))
    monkeypatch.setenv("DATABASE_URL", app_role.on(owner_dsn))
    found = await examined(gatepost, 0)
    assert {check["status"] for check in found.values()} == {"ok"}
    assert {check["advice"] for check in found.values()} == {None}
    assert list(found) == [
        "settings",
        "throttle",
        "mail",
        "passkeys",
        "database",
        "version",
        "encoding",
        "writable",
        "clock",
        "pooler",
        "connections",
        "schema",
        "objects",
        "privileges",
        "rights",
        "policies",
        "indexes",
        "effects",
        "sequences",
        "rules",
        "emails",
        "hashes",
        "auth_blocks.id",
        "auth_events.id",
        "auth_links.id",
        "user_sessions.id",
        "users.id",
    ]
    text = await gatepost("doctor")
    assert (text.code, text.err) == (0, "")
    assert [line.split()[0] for line in text.out.splitlines()] == ["ok"] * len(found)


async def test_settings_are_the_first_thing(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "nonsense")
    done = await command("doctor")
    assert done.code == 1
    assert done.out.splitlines()[0].split()[:3] == ["wrong", "settings", "PORT:"]
    found = await examined(command, 1)
    assert found["settings"]["advice"] == "Change it in the environment or in .env"


PRODUCTION = {"ENVIRONMENT": "production", "SECRET_KEY": GOOD_KEY, "BCRYPT_ROUNDS": "10"}


async def test_in_production_it_asks_where_browsers_and_proxies_are(
    gatepost: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    found = await examined(gatepost, 0)
    assert {found[name]["status"] for name in ("public_url", "proxies")} == {"warning"}
    assert found["public_url"]["advice"].startswith("Set it to the origin")

    monkeypatch.setenv("PUBLIC_URL", "https://auth.example.com")
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.0/8")
    found = await examined(gatepost, 0)
    assert (found["public_url"]["status"], found["public_url"]["found"]) == ("ok", "https://auth.example.com")
    assert (found["proxies"]["status"], found["proxies"]["found"]) == ("ok", "10.0.0.0/8")


async def test_a_key_that_production_would_refuse_is_told_in_development(
    gatepost: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "short")
    found = await examined(gatepost, 0)
    assert found["secret_key"]["status"] == "warning"
    assert "shorter than 32 characters" in found["secret_key"]["found"]


async def test_templates_are_looked_at(
    gatepost: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "templates"
    monkeypatch.setenv("TEMPLATES_DIR", str(own))
    assert (await examined(gatepost, 1))["pages"]["found"] == f"TEMPLATES_DIR: {own} is not a directory"
    own.mkdir()
    (own / "signin.html").write_text("Hello")
    found = (await examined(gatepost, 0))["pages"]
    assert (found["status"], found["found"]) == (
        "warning",
        f"TEMPLATES_DIR: no file in {own} has the name of a template",
    )
    (own / "sign_in.html").write_text("{% if %}")
    assert "sign_in.html can't be used" in (await examined(gatepost, 1))["pages"]["found"]
    (own / "sign_in.html").write_text("Hello")
    assert (await examined(gatepost, 0))["pages"]["found"] == "TEMPLATES_DIR replaces sign_in.html"


async def test_a_throttle_that_is_off_is_a_warning(
    gatepost: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THROTTLE_ENABLED", "false")
    found = await examined(gatepost, 0)
    assert (found["throttle"]["status"], found["throttle"]["advice"]) == ("warning", "Set it to True")


async def test_a_database_that_is_away(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ada:hidden@127.0.0.1:1/gatepost")
    found = await examined(command, 1)
    assert found["database"]["status"] == "wrong"
    assert found["database"]["advice"] == "It should be at 127.0.0.1:1/gatepost"


async def test_a_database_that_is_not_migrated(
    command: Command, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_dsn)
    found = await examined(command, 1)
    assert found["schema"]["advice"] == f"Next: {program()} migrate"
    assert "table user_sessions" in found["objects"]["found"]
    assert found["privileges"]["status"] == found["indexes"]["status"] == "ok"


async def test_a_schema_that_is_not_there_is_made_by_migrate(
    gatepost: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_SCHEMA", "auth")
    schema = (await examined(gatepost, 1))["schema"]
    assert schema["found"].startswith("there is no schema auth, or ")
    assert schema["advice"].startswith(f"Run {program()} migrate, or have the owner run: GRANT USAGE")


async def test_what_is_missing_is_named(gatepost: Command, db: Database) -> None:
    await db.execute(
        "DROP TRIGGER auth_events_append_only ON auth_events; DROP INDEX user_sessions_expires_at_idx"
    )
    objects = (await examined(gatepost, 1))["objects"]
    assert objects["found"] == (
        "missing or disabled: index user_sessions_expires_at_idx, trigger auth_events_append_only"
    )
    assert "gatepost migrate" in objects["advice"]


async def test_an_invalid_index_is_named_with_its_repair(gatepost: Command, db: Database) -> None:
    await db.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'user_sessions_expires_at_idx'::regclass"
    )
    indexes = (await examined(gatepost, 1))["indexes"]
    assert indexes["found"] == "not valid: user_sessions_expires_at_idx"
    assert indexes["advice"] == "Run: REINDEX INDEX CONCURRENTLY user_sessions_expires_at_idx"


async def test_what_the_role_may_not_is_named_as_a_grant(
    command: Command, owner_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"gatepost_{uuid4().hex[:12]}"
    await execute(
        owner_dsn,
        f"CREATE ROLE {role} LOGIN",
        f"GRANT SELECT, INSERT ON users, user_sessions, auth_events TO {role}",
        f"GRANT SELECT ON gatepost_version, auth_housekeeping TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON auth_throttles TO {role}",
        f"GRANT USAGE ON SEQUENCE users_id_seq, auth_events_id_seq TO {role}",
        "REVOKE EXECUTE ON FUNCTION gatepost_end_sessions FROM PUBLIC",
    )
    try:
        url = urlsplit(owner_dsn)
        place = url.netloc.rpartition("@")[2]
        monkeypatch.setenv("DATABASE_URL", urlunsplit(url._replace(netloc=f"{role}@{place}")))
        found = await examined(command, 1)
        privileges = found["privileges"]
        assert "DELETE ON users" in privileges["found"]
        assert "UPDATE (email, email_key, name, hashed_password" in privileges["found"]
        assert "GRANT DELETE ON user_sessions TO …" in privileges["advice"]
        assert "GRANT UPDATE (session_token, is_active," in privileges["advice"]
        assert "GRANT USAGE ON SEQUENCE public.user_sessions_id_seq TO …" in privileges["advice"]
        assert "GRANT DELETE, INSERT, SELECT, UPDATE ON auth_failures TO …" in privileges["advice"]
        assert "GRANT EXECUTE ON FUNCTION gatepost_end_sessions(" in privileges["advice"]
        assert "GRANT EXECUTE ON FUNCTION gatepost_redact_events(" in privileges["advice"]
        assert "GRANT EXECUTE ON FUNCTION gatepost_count_events(" in privileges["advice"]
        assert "GRANT SELECT ON auth_event_hours TO …" in privileges["advice"]
        assert "auth_events" not in privileges["found"]
        await execute(
            owner_dsn,
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON auth_failures, auth_refusals TO {role}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON auth_messages, auth_undeliverable TO {role}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON auth_totp, auth_recovery_codes TO {role}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON auth_passkeys, auth_email_links TO {role}",
            f"GRANT USAGE ON SEQUENCE auth_messages_id_seq, auth_email_links_id_seq TO {role}",
            f"GRANT USAGE ON SEQUENCE auth_passkeys_id_seq TO {role}",
            f"GRANT UPDATE, DELETE ON users, user_sessions TO {role}",
            f"GRANT USAGE ON SEQUENCE user_sessions_id_seq TO {role}",
            f"GRANT EXECUTE ON FUNCTION gatepost_end_sessions, gatepost_erase_user TO {role}",
            f"GRANT EXECUTE ON FUNCTION gatepost_redact_events, gatepost_count_events TO {role}",
            f"GRANT SELECT ON auth_event_hours, auth_last_sign_ins, gatepost_features TO {role}",
            f"GRANT UPDATE ON auth_housekeeping, auth_last_sign_ins TO {role}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON auth_links, auth_challenges, auth_blocks TO {role}",
            f"GRANT USAGE ON SEQUENCE auth_links_id_seq, auth_blocks_id_seq TO {role}",
        )
        assert (await examined(command, 0))["privileges"]["status"] == "ok"
    finally:
        await execute(owner_dsn, f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_a_role_with_more_rights_than_needed_is_a_warning(
    command: Command, owner_dsn: str, app_role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", app_role.on(owner_dsn))
    await execute(
        owner_dsn,
        render_grants(app_role.name, SCHEMAS),
        f"GRANT CREATE ON SCHEMA public TO {app_role.name}",
        f"GRANT DELETE ON auth_events TO {app_role.name}",
        f"GRANT EXECUTE ON FUNCTION gatepost_purge_events TO {app_role.name}",
        f"ALTER TABLE auth_failures OWNER TO {app_role.name}",
    )
    rights = (await examined(command, 0))["rights"]
    assert rights["status"] == "warning"
    assert rights["found"] == (
        f"{app_role.name} owns auth_failures, may create tables in the schema,"
        " may change or remove events, may purge events"
    )
    assert "gatepost migrate --grants ROLE" in rights["advice"]


async def test_a_superuser_is_a_warning(
    command: Command, owner_dsn: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await db.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    monkeypatch.setenv("DATABASE_URL", owner_dsn)
    rights = (await examined(command, 0))["rights"]
    assert rights["status"] == "warning"
    assert rights["found"].endswith(" is a superuser")


def test_the_embedded_databases_owner_is_for_development() -> None:
    everything: dict[str, Any] = {"is_superuser": True, "may_create": True}
    everything |= {"owned": "users", "may_alter_events": True, "may_purge_events": True}
    check = checks.rights(Rights(role="gatepost", **everything), embedded=True)
    assert check.status == "ok"
    assert check.found == "gatepost owns the embedded database (for development only)"


async def test_numbers_that_run_out_are_a_warning(gatepost: Command, db: Database) -> None:
    await db.execute("SELECT setval('user_sessions_id_seq', 1073741825)")
    done = await gatepost("doctor")
    assert done.code == 0
    (line,) = [line for line in done.out.splitlines() if line.startswith("warning  numbers ")]
    # What doctor tries uses up a number or two.
    assert re.search(r" user_sessions\.id is at 107374182\d \(50\.00% of the maximum\)$", line)
    assert "ALTER TABLE user_sessions ALTER COLUMN id TYPE bigint" in done.out


def server(**other: Any) -> Server:
    sound: dict[str, Any] = {
        "version": "18.6",
        "version_number": 180006,
        "encoding": "UTF8",
        "is_standby": False,
        "read_only_by": None,
        "role": "app",
        "database": "shop",
        "schema": "public",
        "now": datetime.now(UTC),
    }
    return Server(**(sound | other))


@pytest.mark.parametrize(
    ("number", "status"),
    [(130099, "wrong"), (140000, "ok"), (189999, "ok"), (190000, "warning")],
)
def test_release_lines_from_14_to_18_are_ok(number: int, status: str) -> None:
    assert checks.version(server(version_number=number)).status == status


def test_an_encoding_that_cannot_hold_every_name_is_wrong() -> None:
    assert checks.encoding(server(encoding="LATIN1")).status == "wrong"


def test_a_standby_is_wrong() -> None:
    assert checks.writable(server(is_standby=True)).status == "wrong"


@pytest.mark.parametrize(("seconds", "status"), [(0, "ok"), (-2, "ok"), (2.1, "warning"), (-3600, "warning")])
def test_clocks_that_differ_are_a_warning(seconds: float, status: str) -> None:
    assert checks.clock(timedelta(seconds=seconds)).status == status


@pytest.mark.parametrize(("last", "status"), [(0, "ok"), (50, "ok"), (51, "warning")])
def test_half_of_the_numbers_is_the_limit(last: int, status: str) -> None:
    assert checks.numbers(Numbering(table="users", last=last, highest=100)).status == status


async def test_a_schema_with_an_unusual_name_is_looked_at_as_well(
    command: Command, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await execute(empty_dsn, 'CREATE SCHEMA "My Schema"')
    monkeypatch.setenv(
        "DATABASE_URL", f'{empty_dsn}{"&" if "?" in empty_dsn else "?"}search_path="My Schema"'
    )
    assert (await command("migrate")).code == 0
    assert {check["status"] for check in (await examined(command, 0)).values()} <= {"ok", "warning"}
