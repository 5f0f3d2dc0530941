"""`gatepost users`: what is said, and what the database then holds."""

import hashlib
import re
from pathlib import Path

import httpx
import pytest
from tests.cli.conftest import Command, Database, create, events
from tests.conftest import PASSWORD, bearer, login, register
from tests.secrecy import printed_on_purpose
from tests.walking import walked

from gatepost.security import policy
from gatepost.terminal.output import program
from gatepost.texts import Text

BY = {"by": "command"}


async def test_create_makes_a_user_who_can_sign_in(
    gatepost: Command, db: Database, client: httpx.AsyncClient
) -> None:
    made = await gatepost(
        "users",
        "create",
        "--email",
        " Ada@Example.com",
        "--name",
        "Ada",
        "--password-stdin",
        stdin=f"{PASSWORD}\n",
    )
    assert (made.code, made.err) == (0, "")
    assert made.out == "Created the user ada@example.com (id 1).\nNext: they sign in with this password\n"
    row = await db.fetchrow("SELECT email, name, is_admin, is_active FROM users")
    assert row is not None
    assert tuple(row) == ("ada@example.com", "Ada", False, True)
    assert await events(db, "user.created") == [("user.created", 1, BY | {"is_admin": False})]
    assert (await login(client, "ada@example.com"))["user"]["id"] == 1


async def test_create_makes_an_administrator(gatepost: Command, db: Database) -> None:
    user_id = await create(gatepost, "ada@example.com", "--admin")
    assert await db.fetchval("SELECT is_admin FROM users WHERE id = $1", user_id)
    assert await events(db, "user.created") == [("user.created", user_id, BY | {"is_admin": True})]


async def test_create_shows_the_user_as_json(gatepost: Command, db: Database) -> None:
    made = await gatepost(
        "users", "create", "--email", "a@b.test", "--name", "A", "--password-stdin", "--json", stdin=PASSWORD
    )
    user = made.json["user"]
    assert user == {
        "id": 1,
        "email": "a@b.test",
        "name": "A",
        "is_admin": False,
        "is_active": True,
        "created_at": user["created_at"],
    }
    created = await db.fetchval(
        "SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS') FROM users"
    )
    assert user["created_at"].startswith(created)
    assert user["created_at"].endswith("Z")


async def test_a_taken_email_is_refused_and_on_the_trail(gatepost: Command, db: Database, ada: int) -> None:
    arguments = ("users", "create", "--email", "ADA@example.com", "--name", "A", "--password-stdin")
    refused = await gatepost(*arguments, stdin=PASSWORD)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == "Error: An account with this e-mail address already exists\n"
    assert (await gatepost(*arguments, "--json", stdin=PASSWORD)).failed("email_taken")
    failure = BY | {"command": "users create", "code": "email_taken", "email": "ADA@example.com"}
    assert await events(db, "command.failed") == [("command.failed", None, failure)] * 2
    assert await db.fetchval("SELECT count(*) FROM users") == 1


async def test_every_field_that_does_not_fit_is_named(gatepost: Command, db: Database) -> None:
    refused = await gatepost(
        "users", "create", "--email", "nobody", "--name", " ", "--password-stdin", stdin="short"
    )
    assert refused.code == 1
    assert [line.split(":")[:2] for line in refused.err.splitlines()] == [
        ["Error", " email"],
        ["Error", " name"],
        ["Error", " password"],
    ]
    assert await db.fetchval("SELECT count(*) FROM users") == 0


async def test_a_password_that_is_no_text_is_refused(gatepost: Command, db: Database) -> None:
    refused = await gatepost(
        "users", "create", "--email", "a@b.test", "--name", "A", "--password-stdin", stdin=b"\xff" * 12
    )
    assert (refused.code, refused.err) == (1, "Error: password: It is not text in UTF-8\n")
    assert await db.fetchval("SELECT count(*) FROM users") == 0


@walked(
    ("given", "missing"),
    [
        (["create", "--name", "A", "--password-stdin"], "--email"),
        (["create", "--email", "a@b.test", "--password-stdin"], "--name"),
        (["create", "--email", "a@b.test", "--name", "A"], "--password-stdin"),
        (["set-password", "ada@example.com"], "--password-stdin"),
        (["delete", "ada@example.com"], "--yes"),
    ],
)
async def test_without_a_terminal_nothing_is_asked_for(
    gatepost: Command, db: Database, ada: int, given: list[str], missing: str
) -> None:
    before = await db.fetch("SELECT * FROM users")
    refused = await gatepost("users", *given)
    assert refused.code == 2
    assert refused.err.startswith(f"Error: Use {missing}: there is no terminal to ask")
    assert refused.err.endswith(f"See gatepost users {given[0]} --help\n")
    assert await db.fetch("SELECT * FROM users") == before


async def test_list_pages_through_the_users(gatepost: Command) -> None:
    empty = await gatepost("users", "list")
    assert (empty.code, empty.out) == (0, "No users.\n")
    for name in ("a", "b", "c"):
        await create(gatepost, f"{name}@example.com")
    page = await gatepost("users", "list", "--limit", "2", "--json")
    assert [user["email"] for user in page.json["users"]] == ["a@example.com", "b@example.com"]
    rest = await gatepost("users", "list", "--limit", "2", "--json", "--after", str(page.json["next_after"]))
    assert [user["email"] for user in rest.json["users"]] == ["c@example.com"]
    assert rest.json["next_after"] is None
    text = await gatepost("users", "list", "--limit", "2")
    head, *rows, then = text.out.splitlines()
    assert head.split() == ["Id", "E-mail", "Name", "Admin", "Active", "Created"]
    assert [row.split()[:5] for row in rows] == [
        ["1", "a@example.com", "Ada", "no", "yes"],
        ["2", "b@example.com", "Ada", "no", "yes"],
    ]
    assert then == "Next: gatepost users list --after 2"


async def test_a_name_cannot_act_on_the_terminal(gatepost: Command, db: Database, ada: int) -> None:
    await db.execute("UPDATE users SET name = E'[red]\\x1b[2J\\n\\u202eeve'")
    listed = await gatepost("users", "list")
    assert "[red]\\x1b[2J\\n\\u202eeve" in listed.out
    assert "\x1b" not in listed.out
    shown = await gatepost("users", "list", "--json")
    assert shown.json["users"][0]["name"] == "[red]\x1b[2J\n\u202eeve"


@pytest.mark.parametrize("named", ["ada@example.com", "ADA@example.com", "1"])
async def test_show_finds_a_user_by_email_and_id(
    gatepost: Command, ada: int, client: httpx.AsyncClient, named: str
) -> None:
    await login(client, "ada@example.com")
    shown = await gatepost("users", "show", named, "--json")
    assert (shown.json["user"]["email"], shown.json["user"]["active_sessions"]) == ("ada@example.com", 1)
    text = await gatepost("users", "show", named)
    assert text.out.splitlines()[1].split()[-1] == "1"
    assert text.out.splitlines()[-1] == "Next: gatepost sessions list ada@example.com"


@walked(
    "verb",
    ["show", "promote", "demote", "disable", "enable", "delete --yes", "set-password --password-stdin"],
)
@walked("named", ["nobody@example.com", "999999999999", "a\x1bb", "a\udcffb"])
async def test_an_unknown_user_is_refused_and_on_the_trail(
    gatepost: Command, db: Database, verb: str, named: str
) -> None:
    name, *options = verb.split()
    refused = await gatepost("users", name, named, *options, stdin=PASSWORD)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("Error: User not found: ")
    assert refused.err.endswith(f". {program()} users list lists them\n")
    failure = BY | {"command": f"users {name}", "code": "not_found", "user": named}
    failure["user"] = named.replace("\udcff", "\\udcff")
    assert await events(db, "command.failed") == [("command.failed", None, failure)]


async def test_promote_and_demote_bind_the_next_request(
    gatepost: Command, db: Database, ada: int, client: httpx.AsyncClient
) -> None:
    headers = bearer((await login(client, "ada@example.com"))["token"])
    assert (await client.post("/api/auth/cleanup", headers=headers)).status_code == 403
    promoted = await gatepost("users", "promote", "ada@example.com")
    assert promoted.out.startswith(
        "ada@example.com (id 1) is an administrator, with effect from the next request.\nNext: "
    )
    assert (await client.post("/api/auth/cleanup", headers=headers)).status_code == 200
    again = await gatepost("users", "promote", "1", "--json")
    assert (again.json["changed"], again.json["user"]["is_admin"]) == (False, True)
    demoted = await gatepost("users", "demote", "1")
    assert demoted.out.startswith("ada@example.com (id 1) is not an administrator, with effect")
    assert "Warning: No active administrator is left" in demoted.err
    assert (await client.post("/api/auth/cleanup", headers=headers)).status_code == 403
    assert await events(db, "user.promoted", "user.demoted") == [
        ("user.promoted", 1, BY | {"changed": True}),
        ("user.promoted", 1, BY | {"changed": False}),
        ("user.demoted", 1, BY | {"changed": True}),
    ]


async def test_disable_ends_every_session_and_enable_lets_in_again(
    gatepost: Command, db: Database, client: httpx.AsyncClient
) -> None:
    headers = bearer((await register(client, "ada@example.com"))["token"])
    disabled = await gatepost("users", "disable", "ada@example.com")
    assert disabled.out.startswith("ada@example.com (id 1) is disabled, and all their sessions were ended.")
    refused = await client.get("/api/auth/me", headers=headers)
    assert refused.json()["error"]["code"] == "session_revoked"
    body = {"email": "ada@example.com", "password": PASSWORD}
    assert (await client.post("/api/auth/login", json=body)).status_code == 401
    assert await db.fetchval("SELECT end_reason FROM user_sessions") == "user_disabled"
    again = await gatepost("users", "disable", "ada@example.com")
    assert again.out.startswith("Nothing to change: ada@example.com (id 1) is disabled")
    enabled = await gatepost("users", "enable", "ada@example.com", "--json")
    assert (enabled.json["changed"], enabled.json["user"]["is_active"]) == (True, True)
    assert (await client.post("/api/auth/login", json=body)).status_code == 200
    assert await events(db, "user.disabled", "user.enabled", "session.revoked_all") == [
        ("user.disabled", 1, BY | {"changed": True}),
        ("session.revoked_all", 1, BY | {"reason": "user_disabled", "sessions": 1}),
        ("user.disabled", 1, BY | {"changed": False}),
        ("session.revoked_all", 1, BY | {"reason": "user_disabled", "sessions": 0}),
        ("user.enabled", 1, BY | {"changed": True}),
    ]


async def test_set_password_replaces_it_and_ends_every_session(
    gatepost: Command, db: Database, client: httpx.AsyncClient
) -> None:
    await register(client, "ada@example.com")
    changed = await gatepost("users", "set-password", "1", "--password-stdin", stdin="another password\r\n")
    assert changed.code == 0
    assert changed.out.startswith("ada@example.com (id 1) has a new password, and all their sessions")
    await login(client, "ada@example.com", "another password")
    body = {"email": "ada@example.com", "password": PASSWORD}
    assert (await client.post("/api/auth/login", json=body)).status_code == 401
    ended = await db.fetch("SELECT end_reason FROM user_sessions ORDER BY id")
    assert [row["end_reason"] for row in ended] == ["password_set", None]
    assert await events(db, "user.password_set", "session.revoked_all") == [
        ("user.password_set", 1, BY | {"changed": True}),
        ("session.revoked_all", 1, BY | {"reason": "password_set", "sessions": 1}),
    ]


async def test_a_password_that_the_database_keeps_is_not_set(
    gatepost: Command, db: Database, ada: int
) -> None:
    await db.execute(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'kept'; END $$;"
        " CREATE TRIGGER keep BEFORE UPDATE OF hashed_password ON users FOR EACH ROW EXECUTE FUNCTION keep()"
    )
    for options in (["--password-stdin"], ["--temporary"]):
        refused = await gatepost("users", "set-password", "1", *options, "--json", stdin="another password")
        assert refused.failed("rejected_by_database")
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 0
    assert await events(db, "user.password_set") == []


async def test_a_password_that_does_not_fit_is_not_set(gatepost: Command, db: Database, ada: int) -> None:
    before = await db.fetchval("SELECT hashed_password FROM users")
    refused = await gatepost("users", "set-password", "1", "--password-stdin", "--json", stdin="short")
    assert refused.failed("validation_failed").startswith("password: ")
    assert await db.fetchval("SELECT hashed_password FROM users") == before


@pytest.mark.parametrize(
    ("password", "code", "sentence"),
    [
        ("password1", "password_too_common", str(policy.TOO_COMMON)),
        ("ada@example.com", "password_is_context", str(policy.IS_CONTEXT)),
        ("in the news, and stolen", "password_too_common", str(Text("field.password.breached"))),
    ],
)
async def test_a_password_that_is_easily_guessed_is_neither_set_nor_given_to_a_new_user(
    gatepost: Command,
    db: Database,
    ada: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    password: str,
    code: str,
    sentence: str,
) -> None:
    stolen = hashlib.sha1(b"in the news, and stolen", usedforsecurity=False).hexdigest()
    (tmp_path / "pwned.txt").write_text(f"{stolen}:3\n")
    monkeypatch.setenv("BREACHED_PASSWORDS", "pwned.txt")
    before = await db.fetchval("SELECT hashed_password FROM users")
    set_it = ("users", "set-password", "1", "--password-stdin")
    made = ("users", "create", "--email", "Ada@Example.com", "--name", "A", "--password-stdin")
    for arguments in (set_it, made):
        refused = await gatepost(*arguments, stdin=password)
        assert (refused.code, refused.out, refused.err) == (1, "", f"Error: password: {sentence}\n")
        assert (await gatepost(*arguments, "--json", stdin=password)).failed(code) == f"password: {sentence}"
    assert await db.fetchval("SELECT hashed_password FROM users") == before


async def test_a_list_of_breached_passwords_that_is_not_there_is_told_at_the_start(
    gatepost: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREACHED_PASSWORDS", "missing")
    refused = await gatepost("users", "list", "--json")
    assert refused.failed("settings_invalid").startswith(
        "BREACHED_PASSWORDS: missing: No such file or directory; set a directory of ranges or a file"
    )


async def test_delete_takes_the_user_and_leaves_the_trail(
    gatepost: Command, db: Database, client: httpx.AsyncClient
) -> None:
    headers = bearer((await register(client, "ada@example.com"))["token"])
    deleted = await gatepost("users", "delete", "ada@example.com", "--yes")
    assert deleted.out == (
        "Deleted ada@example.com (id 1).\nNext: gatepost events list --user 1 shows their activity\n"
    )
    assert await db.fetchval("SELECT count(*) FROM users") == 0
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 0
    assert (await client.get("/api/auth/me", headers=headers)).json()["error"]["code"] == "invalid_session"
    assert await events(db, "user.deleted") == [("user.deleted", 1, BY | {"changed": True})]
    listed = await gatepost("events", "list", "--user", "1", "--json")
    assert [event["action"] for event in listed.json["events"]] == [
        "user.deleted",
        "user.erased",
        "session.started",
        "user.registered",
    ]


# --- Searching, temporary passwords, and what deleting leaves ---


async def test_list_searches(gatepost: Command, db: Database) -> None:
    for email, options in (("a@x.test", ()), ("b@x.test", ("--admin",)), ("bo@x.test", ())):
        await create(gatepost, email, *options)
    await db.execute("UPDATE users SET is_active = false WHERE email = 'bo@x.test'")

    async def listed(*options: str) -> list[str]:
        page = await gatepost("users", "list", "--json", *options)
        return [user["email"][:-7] for user in page.json["users"]]

    assert await listed("--search", "B") == ["b", "bo"]
    assert await listed("--search", "ada") == ["a", "b", "bo"]
    assert await listed("--search", "b", "--role", "user") == ["bo"]
    assert await listed("--role", "admin") == ["b"]
    assert await listed("--status", "disabled") == ["bo"]
    assert await listed("--status", "active", "--search", "%") == []
    first = await gatepost("users", "list", "--search", "ad a", "--search", "ada", "-n", "2", "--json")
    assert await listed("--search", "ada", "--cursor", first.json["next_cursor"]) == ["bo"]
    text = await gatepost("users", "list", "--search", "ada", "--limit", "2")
    cursor = first.json["next_cursor"]
    assert text.out.splitlines()[-1] == f"Next: gatepost users list --search ada --cursor {cursor}"
    none = await gatepost("users", "list", "--search", "nobody")
    assert (none.code, none.out) == (0, "No matching users.\n")


@walked(
    ("options", "code"),
    [
        (("--search", "a", "--after", "1"), 2),
        (("--role", "root"), 2),
        (("--search", "a\nb"), 1),
        (("--search", "a", "--cursor", "x"), 1),
    ],
)
async def test_list_refuses_what_is_no_search(gatepost: Command, options: tuple[str, ...], code: int) -> None:
    assert (await gatepost("users", "list", *options)).code == code


async def test_a_temporary_password_is_made_and_printed(
    gatepost: Command, db: Database, ada: int, client: httpx.AsyncClient
) -> None:
    made = await gatepost("users", "set-password", "ada@example.com", "--temporary", "--json")
    assert made.code == 0, made
    body = {"email": "ada@example.com", "password": made.json["password"]}
    refused = await client.post("/api/auth/login", json=body)
    assert refused.json()["error"]["code"] == "password_change_required"
    [(_, _, detail)] = await events(db, "user.password_set")
    assert detail == BY | {"temporary": True, "changed": True}
    text = await gatepost("users", "set-password", "ada@example.com", "--temporary")
    printed = re.match(r"ada@example\.com \(id 1\) can sign in with (\w{20}) until 20", text.out)
    assert printed is not None
    for password in (made.json["password"], printed[1]):
        printed_on_purpose(password)
    both = await gatepost("users", "set-password", "1", "--temporary", "--password-stdin", stdin=PASSWORD)
    assert both.code == 2


async def test_delete_leaves_events_that_name_nobody(
    gatepost: Command, db: Database, ada: int, client: httpx.AsyncClient
) -> None:
    await login(client, "ada@example.com")
    assert (await gatepost("users", "delete", "ada@example.com", "--yes")).code == 0
    assert await events(db, "user.erased", "user.deleted") == [
        ("user.erased", ada, {"events": 2}),
        ("user.deleted", ada, BY | {"changed": True}),
    ]
    started = await db.fetchrow("SELECT ip_address FROM auth_events WHERE action = 'session.started'")
    assert started is not None
    assert started["ip_address"] is None


async def test_a_rule_of_the_application_is_said_in_a_line(gatepost: Command, db: Database) -> None:
    await db.execute("ALTER TABLE users ADD CONSTRAINT long_names CHECK (length(name) > 3)")
    arguments = ("users", "create", "--email", "ada@example.com", "--name", "Ada", "--password-stdin")
    refused = await gatepost(*arguments, stdin=PASSWORD)
    assert refused.code == 1
    assert "Error: name: This value is not accepted" in refused.err
    await db.execute(
        "ALTER TABLE users DROP CONSTRAINT long_names, ADD company text NOT NULL DEFAULT '';"
        " ALTER TABLE users ALTER COLUMN company DROP DEFAULT"
    )
    refused = await gatepost(*arguments, stdin=PASSWORD)
    assert refused.code == 1
    assert "Error: The rules of this application's database don't allow this" in refused.err
    assert [each[2]["code"] for each in await events(db, "command.failed")] == ["rejected_by_database"] * 2
    assert await db.fetchval("SELECT count(*) FROM users") == 0
