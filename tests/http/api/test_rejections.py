"""What the application's constraints and triggers reject: an answer with a stable code, on every way in."""

from typing import Any

import httpx
import pytest
from tests.conftest import PASSWORD, bearer, login, register
from tests.http.conftest import Database, assert_error, events

from gatepost import errors
from gatepost.errors import Conflict, GatepostError, RejectedByDatabase
from gatepost.features.invitations.service import Invitations
from gatepost.features.setup.service import Setup
from gatepost.library import Gatepost
from gatepost.models import Client
from gatepost.texts import Text

BODY = {"email": "new@example.com", "name": "Ada", "password": PASSWORD}
TAKEN = str(Text("field.conflict"))
BROKEN = str(Text("field.rejected"))
TOO_LONG = str(Text("field.too_long_for_column"))


def raising(when: str, raised: str, timing: str = "BEFORE", kind: str = "TRIGGER") -> str:
    """Return a trigger of the application's that raises."""
    return f"""
        CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN {raised}; RETURN NEW; END $$;
        CREATE {kind} guard {timing} {when} FOR EACH ROW EXECUTE FUNCTION guard()
    """


ON_INSERT = "INSERT ON users"
RULES: dict[str, tuple[str, type[GatepostError], dict[str, str]]] = {
    "unique name": ("ALTER TABLE users ADD UNIQUE (name)", Conflict, {"name": TAKEN}),
    "unique whatever the case": (
        "CREATE UNIQUE INDEX one_name ON users (upper(name)) WHERE is_active",
        Conflict,
        {"name": TAKEN},
    ),
    "unique generated column": (
        "ALTER TABLE users ADD handle text GENERATED ALWAYS AS (lower(name)) STORED UNIQUE",
        Conflict,
        {"name": TAKEN},
    ),
    "exclusion": (
        "ALTER TABLE users ADD EXCLUDE USING btree (name WITH =)",
        Conflict,
        {"name": TAKEN},
    ),
    "unique at the commit": (
        "ALTER TABLE users ADD UNIQUE (name) DEFERRABLE INITIALLY DEFERRED",
        Conflict,
        {},
    ),
    "unique of what nobody sends": (
        "ALTER TABLE users ADD tenant integer DEFAULT 1 UNIQUE",
        Conflict,
        {},
    ),
    "check": (
        "ALTER TABLE users ADD CONSTRAINT email_or_not CHECK (length(name) >= 4)",
        RejectedByDatabase,
        {"name": BROKEN},
    ),
    "check of two columns": (
        "ALTER TABLE users ADD CHECK (strpos(email, lower(name)) > 0) NOT VALID",
        RejectedByDatabase,
        {"email": BROKEN, "name": BROKEN},
    ),
    "check of the hash": (
        "ALTER TABLE users ADD CHECK (hashed_password LIKE '$argon2%') NOT VALID",
        RejectedByDatabase,
        {},
    ),
    "domain": (
        """CREATE DOMAIN long_text AS varchar CHECK (length(value) > 3);
        ALTER TABLE users ALTER COLUMN name TYPE long_text""",
        RejectedByDatabase,
        {"name": BROKEN},
    ),
    "not null": (
        """ALTER TABLE users ADD company text NOT NULL DEFAULT 'ours';
        ALTER TABLE users ALTER COLUMN company DROP DEFAULT""",
        RejectedByDatabase,
        {},
    ),
    "foreign key": (
        """CREATE TABLE names (name varchar PRIMARY KEY); INSERT INTO names SELECT name FROM users;
        ALTER TABLE users ADD FOREIGN KEY (name) REFERENCES names""",
        RejectedByDatabase,
        {"name": BROKEN},
    ),
    "raised": (raising(ON_INSERT, "RAISE EXCEPTION 'not %', NEW.name"), RejectedByDatabase, {}),
    "raised of a column": (
        raising(ON_INSERT, "RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation', COLUMN = 'name'"),
        RejectedByDatabase,
        {"name": BROKEN},
    ),
    "raised with a state of its own": (
        raising(ON_INSERT, "RAISE EXCEPTION 'no' USING ERRCODE = 'APP01'"),
        RejectedByDatabase,
        {},
    ),
    "raised as a lack of rights": (
        raising(ON_INSERT, "RAISE insufficient_privilege"),
        RejectedByDatabase,
        {},
    ),
    "raised at the commit": (
        raising(
            f"{ON_INSERT} DEFERRABLE INITIALLY DEFERRED",
            "RAISE EXCEPTION 'too late'",
            timing="AFTER",
            kind="CONSTRAINT TRIGGER",
        ),
        RejectedByDatabase,
        {},
    ),
    "a number out of range": (
        raising(ON_INSERT, "PERFORM (length(NEW.name) * 100000)::smallint"),
        RejectedByDatabase,
        {},
    ),
    "a text that is no number": (
        raising(ON_INSERT, "PERFORM NEW.name::integer"),
        RejectedByDatabase,
        {},
    ),
    "too long": (
        "ALTER TABLE users ALTER COLUMN name TYPE varchar(2) USING 'J'",
        errors.ValidationFailed,
        {"email": TOO_LONG, "name": TOO_LONG},
    ),
}


@pytest.mark.parametrize("rule", RULES)
async def test_registering_against_a_rule_is_an_answer(
    client: httpx.AsyncClient, db: Database, rule: str, caplog: pytest.LogCaptureFixture
) -> None:
    statement, kind, fields = RULES[rule]
    name = "Ada" if kind is Conflict else "John Doe"
    await db.execute("INSERT INTO users (email, name) VALUES ('user@example.com', $1)", name)
    await db.execute(statement)
    caplog.clear()
    refused = await client.post("/api/auth/register", json=BODY)
    assert_error(refused, kind, fields=fields)
    assert await db.fetchval("SELECT count(*) FROM users") == 1
    (event,) = await events(db, "user.registration_refused")
    assert event["detail"] == {"reason": kind.code, "email": BODY["email"]}
    (told,) = [record for record in caplog.records if "the database rejected a row" in record.getMessage()]
    assert told.levelname == "WARNING"
    assert "Ada" not in caplog.text
    assert BODY["email"] not in caplog.text


async def test_the_log_names_the_rule(
    client: httpx.AsyncClient, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await db.execute("ALTER TABLE users ADD CONSTRAINT names_are_long CHECK (length(name) > 9)")
    await client.post("/api/auth/register", json=BODY)
    assert "names_are_long" in caplog.text
    await db.execute("ALTER TABLE users DROP CONSTRAINT names_are_long")
    await db.execute(raising(ON_INSERT, "RAISE EXCEPTION 'no'"))
    await client.post("/api/auth/register", json=BODY)
    assert "function guard() line 2 at RAISE" in caplog.text


async def test_a_rule_on_the_email_is_no_other_account(client: httpx.AsyncClient, db: Database) -> None:
    await register(client, name="email")
    await db.execute(
        "ALTER TABLE users ADD CONSTRAINT email_is_ours CHECK (email NOT LIKE 'new%');"
        " ALTER TABLE users ADD CONSTRAINT no_second_email_name UNIQUE (name)"
    )
    assert_error(
        await client.post("/api/auth/register", json=BODY), RejectedByDatabase, fields={"email": BROKEN}
    )
    # What the index is on counts, neither its name nor the value.
    twice = BODY | {"email": "other@example.com", "name": "email"}
    assert_error(await client.post("/api/auth/register", json=twice), Conflict, fields={"name": TAKEN})


@pytest.mark.parametrize(
    "index",
    [
        "CREATE UNIQUE INDEX only_one ON users (email)",
        "CREATE UNIQUE INDEX only_one ON users (lower(email)) WHERE is_active",
        "ALTER TABLE users ADD tenant integer DEFAULT 1, ADD UNIQUE (tenant, email)",
    ],
)
async def test_an_email_that_another_index_refuses_is_taken(
    client: httpx.AsyncClient, db: Database, index: str
) -> None:
    await register(client, email=BODY["email"])
    await db.execute(f"DROP INDEX users_email_key; {index}")
    assert_error(await client.post("/api/auth/register", json=BODY), errors.EmailTaken)


async def test_another_name_and_another_email_against_a_rule(client: httpx.AsyncClient, db: Database) -> None:
    await register(client, email="other@example.com", name="Ada")
    token = (await register(client))["token"]
    await db.execute(
        "ALTER TABLE users ADD UNIQUE (name), ADD CHECK (name <> email), ADD CHECK (email NOT LIKE '%.org')"
    )
    named = await client.patch("/api/auth/me", json={"name": "Ada"}, headers=bearer(token))
    assert_error(named, Conflict, fields={"name": TAKEN})
    # The e-mail is no field of this request, though the rule is about both.
    named = await client.patch("/api/auth/me", json={"name": "user@example.com"}, headers=bearer(token))
    assert_error(named, RejectedByDatabase, fields={"name": BROKEN})
    body = {"email": "user@example.org", "password": PASSWORD}
    moved = await client.post("/api/auth/email", json=body, headers=bearer(token))
    assert_error(moved, RejectedByDatabase, fields={"email": BROKEN})
    row = await db.fetchrow("SELECT name, email FROM users WHERE name = 'John Doe'")
    assert tuple(row or ()) == ("John Doe", "user@example.com")
    (event,) = await events(db, "access.denied")
    assert event["detail"]["code"] == "rejected_by_database"
    assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200


async def test_a_password_that_the_database_keeps_is_an_answer_and_no_session_ends(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    await db.execute(raising("UPDATE OF hashed_password ON users", "RAISE EXCEPTION 'by the directory'"))
    body = {"current": PASSWORD, "new": "another secure password"}
    changed = await client.post("/api/auth/password", json=body, headers=bearer(token))
    assert_error(changed, RejectedByDatabase, fields={})
    assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200


async def test_a_hash_that_the_database_keeps_lets_its_user_in(
    client: httpx.AsyncClient, db: Database
) -> None:
    await register(client)
    await db.execute("UPDATE users SET hashed_password = replace(hashed_password, '$2b$', '$2a$')")
    await db.execute("ALTER TABLE users ADD CHECK (hashed_password LIKE '$2a$%')")
    await login(client)
    assert str(await db.fetchval("SELECT hashed_password FROM users")).startswith("$2a$")
    assert await events(db, "password.rehashed") == []


async def test_a_login_with_a_new_password_that_the_database_keeps_is_an_answer(
    client: httpx.AsyncClient, db: Database
) -> None:
    token = (await register(client))["token"]
    await db.execute(raising("UPDATE OF hashed_password ON users", "RAISE EXCEPTION 'by the directory'"))
    body = {"email": "user@example.com", "password": PASSWORD, "new_password": "another secure password"}
    assert_error(await client.post("/api/auth/login", json=body), RejectedByDatabase, fields={})
    assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200
    await login(client)


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "disable"), ("POST", "promote"), ("POST", "temporary-password"), ("DELETE", "")],
)
async def test_what_administrators_do_against_a_rule(
    client: httpx.AsyncClient, db: Database, method: str, path: str
) -> None:
    token = (await register(client, email="admin@example.com"))["token"]
    user = (await register(client))["user"]["id"]
    await db.execute("UPDATE users SET is_admin = true WHERE email = 'admin@example.com'")
    await db.execute(raising("UPDATE OR DELETE ON users", "RAISE EXCEPTION 'frozen' USING ERRCODE = 'U0001'"))
    url = f"/api/auth/admin/users/{user}" + (f"/{path}" if path else "")
    refused = await client.request(method, url, headers=bearer(token))
    if method == "DELETE":
        assert_error(refused, errors.AccountInUse)
    else:
        assert_error(refused, RejectedByDatabase, fields={})
    row = await db.fetchrow("SELECT is_active, is_admin FROM users WHERE id = $1", user)
    assert tuple(row or ()) == (True, False)


async def test_signing_in_against_a_rule_on_sessions(client: httpx.AsyncClient, db: Database) -> None:
    await register(client)
    await db.execute(raising("INSERT ON user_sessions", "RAISE EXCEPTION 'two devices at most'"))
    body = {"email": "user@example.com", "password": PASSWORD}
    assert_error(await client.post("/api/auth/login", json=body), RejectedByDatabase, fields={})
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 1


async def test_a_number_that_was_given_out_twice_is_a_fault_and_the_log_says_where(
    client: httpx.AsyncClient, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await register(client)
    await db.execute("SELECT setval('users_id_seq', 1, false)")
    assert_error(await client.post("/api/auth/register", json=BODY), errors.InternalError)
    assert "a sequence is behind its table: see gatepost doctor" in caplog.text


async def test_a_statement_of_ours_that_fails_is_no_answer(client: httpx.AsyncClient, db: Database) -> None:
    await register(client)
    await db.execute("ALTER TABLE users DROP COLUMN name CASCADE")
    refused: Any = await client.post("/api/auth/register", json=BODY)
    assert_error(refused, errors.InternalError)


async def test_an_invitation_and_the_setup_link_outlast_a_rule(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    invitation = (await gate.service(Invitations).create(email=None, client=Client())).token
    link = await gate.service(Setup).issue()
    await db.execute("ALTER TABLE users ADD CONSTRAINT no_ada CHECK (name <> 'Ada')")
    for path, proof in (("register", {"invitation": invitation}), ("setup", {"token": link})):
        refused = await client.post(f"/api/auth/{path}", json=BODY | proof)
        assert_error(refused, RejectedByDatabase, fields={"name": BROKEN})
    await db.execute("ALTER TABLE users DROP CONSTRAINT no_ada")
    for path, proof in (("setup", {"token": link}), ("register", {"invitation": invitation})):
        body = BODY | proof | {"email": f"{path}@example.com"}
        assert (await client.post(f"/api/auth/{path}", json=body)).status_code == 201
