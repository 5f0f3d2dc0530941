"""The audit trail as a whole: every action is documented and written, every attempt leaves one."""

import ast
import asyncio
import inspect
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from email.message import EmailMessage
from enum import StrEnum
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from tests.conftest import (
    NTH_USER,
    PASSWORD,
    SECRET_KEY,
    USER_IDS,
    MakeSettings,
    MovableClock,
    bearer,
    login,
    register,
    serving,
)
from tests.features import passkeys_by
from tests.features.authenticators import answered, challenged, enrolled
from tests.features.email.mailbox import MAIL_ON, read_mail
from tests.summed import ACTIONS
from tests.walking import walked

from gatepost.app import create_app
from gatepost.db.pool import Connection
from gatepost.feature import Feature
from gatepost.features import FEATURES
from gatepost.features.addresses.places import Place
from gatepost.features.addresses.service import Addresses
from gatepost.features.email.admin_resets import AdminResets
from gatepost.features.email.mails import Mail
from gatepost.features.email.outbox import Draft, Outbox
from gatepost.features.email.sender import Sender
from gatepost.features.imports.plan import Plan
from gatepost.features.imports.service import Imports
from gatepost.features.imports.sources import FASTAPI_USERS
from gatepost.features.invitations.service import Invitations
from gatepost.features.setup.service import Setup
from gatepost.gate import Gate
from gatepost.in_code import UserSessions
from gatepost.models import (
    Action,
    AuditAction,
    Client,
    Due,
    EndReason,
    EventFilter,
    Options,
    Proof,
    Proven,
    SessionFilter,
)
from gatepost.services.audit import REFUSALS_OF_A_PLACE
from gatepost.services.feature import Wired
from gatepost.settings import Settings

Database = Any


def documented(enum: type[StrEnum]) -> dict[str, str]:
    """Return the members of an enum that a docstring follows."""
    (tree,) = [
        node
        for node in ast.walk(ast.parse(inspect.getsource(sys.modules[enum.__module__])))
        if isinstance(node, ast.ClassDef) and node.name == enum.__name__
    ]
    found = {}
    for member, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(after, ast.Expr):
            assert isinstance(member.targets[0], ast.Name)
            assert isinstance(after.value, ast.Constant)
            found[member.targets[0].id] = str(after.value.value)
    return found


@pytest.mark.parametrize(
    "kind", [AuditAction, *(feature.actions for feature in FEATURES if feature.actions is not None)]
)
def test_every_action_says_what_it_means(kind: type[Action]) -> None:
    meanings = documented(kind)
    assert set(meanings) == {action.name for action in kind}
    assert all(meaning.partition("\n\n")[0].endswith(".") for meaning in meanings.values())
    assert len(set(meanings.values())) == len(meanings)


def test_every_action_is_named_as_a_noun_and_what_happened_to_it() -> None:
    alone = {AuditAction.THROTTLED}  # nobody's in particular
    assert all(action.value.count(".") == 1 for action in set(ACTIONS) - alone)
    assert all(action.value.islower() for action in ACTIONS)
    assert len(set(ACTIONS)) == len(ACTIONS)


async def drive_http(client: httpx.AsyncClient, gate: Gate, db: Database) -> None:
    """Do over HTTP all that HTTP can do, well and badly."""
    await register(client)
    body = {"email": "user@example.com", "name": "x", "password": PASSWORD}
    await client.post("/api/auth/register", json=body)
    await client.post("/api/auth/login", json=body | {"password": "wrong password"})
    await db.execute("UPDATE users SET hashed_password = 'bcrypt$' || hashed_password")
    tokens = [(await login(client))["token"] for _ in range(3)]
    await client.post("/api/auth/refresh", headers=bearer(tokens[0]))
    await client.post("/api/auth/logout", headers=bearer(tokens[1]))
    await client.post("/api/auth/logout", headers=bearer(tokens[1]))
    await client.post("/api/auth/cleanup", headers=bearer(tokens[2]))
    await db.execute("UPDATE users SET is_admin = true")
    await client.post("/api/auth/cleanup", headers=bearer(tokens[2]))
    await client.post("/api/auth/logout-all", headers=bearer(tokens[2]))
    elsewhere = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    by_cookie = {"email": "user@example.com", "password": PASSWORD, "cookie": True}
    await client.post("/api/auth/login", json=by_cookie, headers=elsewhere)
    token = (await login(client))["token"]
    for password in ("wrong password", PASSWORD):
        answer = await client.post("/api/auth/confirm", json={"password": password}, headers=bearer(token))
    await client.get("/api/auth/me", headers=bearer(answer.json()["data"]["token"]))
    await db.execute("UPDATE user_sessions SET ended_at = now() - interval '1 hour' WHERE replaced_by > 0")
    await client.post("/api/auth/refresh", headers=bearer(token))
    token = (await login(client))["token"]
    change = {"current": PASSWORD, "new": "another secure password"}
    await client.post("/api/auth/password", json=change, headers=bearer(token))
    leaver = (await register(client, "leaver@example.com"))["token"]
    await client.patch("/api/auth/me", json={"name": "Jane"}, headers=bearer(leaver))
    moved = {"email": "moved@example.com", "password": PASSWORD}
    leaver = (await client.post("/api/auth/email", json=moved, headers=bearer(leaver))).json()["data"][
        "token"
    ]
    await client.get("/api/auth/export", headers=bearer(leaver))
    admin = (await register(client, "admin@example.com"))["token"]
    await db.execute("UPDATE users SET is_admin = true WHERE email = 'admin@example.com'")
    for _ in range(2):
        await client.post("/api/auth/admin/invitations", json={}, headers=bearer(admin))
    await client.delete("/api/auth/admin/invitations/1", headers=bearer(admin))
    newcomer = {"email": "newcomer@example.com", "name": "x", "password": PASSWORD}
    await client.post("/api/auth/register", json=newcomer | {"invitation": "no token"})
    await client.post("/api/auth/setup", json=newcomer | {"token": "no token"})


async def drive_commands(gate: Gate) -> None:
    """Do what the commands do."""
    at_the_server = Client()
    user = await gate.administration.create(
        email="made@example.com", name="Made", password=PASSWORD, is_admin=False, client=at_the_server
    )
    for is_admin in (True, False):
        await gate.administration.set_admin(user, is_admin=is_admin, client=at_the_server)
    for is_active in (False, True):
        await gate.administration.set_active(user, is_active=is_active, client=at_the_server)
    await gate.administration.set_password(user, "another password", client=at_the_server)
    await gate.administration.unlock(user, client=at_the_server)
    await gate.administration.delete(user, client=at_the_server)
    await gate.throttles.clear(email=None, address=None, client=at_the_server)
    invited = await gate.service(Invitations).create(email=None, client=at_the_server)
    await gate.service(Invitations).revoke(invited.invitation.id, client=at_the_server)
    await gate.service(Invitations).restore(invited.invitation.id, client=at_the_server)
    blocked = await gate.service(Addresses).block(
        Place.of("203.0.113.66"), lifetime=None, client=at_the_server
    )
    await gate.service(Addresses).lift(blocked.id, client=at_the_server)
    nobodys = SessionFilter(user_id=99)
    await gate.oversight.end_all(nobodys, expected=0, client=at_the_server)
    await gate.trail.note_export(EventFilter(), form="csv", client=at_the_server)


async def refuse_often(gate: Gate) -> None:
    """Refuse more than has a row each, and put the number of the others on the trail."""
    for _ in range(REFUSALS_OF_A_PLACE.burst + 1):
        await gate.audit.refuse(AuditAction.SESSION_REFUSED, client=Client())
    await gate.housekeeping.run(client=Client())


async def import_users(settings: Settings, db: Database) -> None:
    await db.execute(NTH_USER)
    await db.execute(
        f"""
        CREATE TABLE "user" (
            id {USER_IDS}, email text, hashed_password text, is_active boolean, is_superuser boolean
        );
        INSERT INTO "user" VALUES (nth(1000), 'imported@example.com', '', true, false)
        """  # noqa: S608 - the type of the run
    )
    async with Gate(settings, features=FEATURES) as gate:
        await gate.service(Imports).run(Plan(source=FASTAPI_USERS, table="user"), dry_run=False)


async def set_up(gate: Gate, db: Database) -> None:
    """Have a first administrator anew."""
    await db.execute("UPDATE users SET is_admin = false")
    token = await gate.service(Setup).issue()
    assert token is not None
    await gate.service(Setup).redeem(
        token=token, email="first@example.com", name="First", password=PASSWORD, client=Client()
    )


async def be_throttled(settings: Settings) -> None:
    """Try once more than may be tried."""
    async with serving(create_app(settings)) as client:
        for _ in range(2):
            body = {"email": "user@example.com", "password": "wrong password"}
            response = await client.post("/api/auth/login", json=body)
    assert response.status_code == 429


class OneMore:
    """A step that is always due."""

    async def due(self, _: Connection, proof: Proof) -> Due | None:
        return Due(methods=("test",)) if proof.aal < 2 else None

    async def options(self, *_: object) -> Options | None:
        return None

    async def verify(self, *_: object) -> Proven | None:
        return None


async def be_challenged(settings: Settings) -> None:
    """Sign in where one more step is due."""
    step = Feature(name="step", wire=lambda _: Wired(step=OneMore()))
    async with serving(create_app(settings, features=(*FEATURES, step))) as client:
        body = {"email": "first@example.com", "password": PASSWORD}
        response = await client.post("/api/auth/login", json=body)
    assert response.json()["error"]["code"] == "second_factor_required"


async def use_factors(client: httpx.AsyncClient, gate: Gate, clock: MovableClock) -> None:
    """Set an app up, lose it, and have both removed in either way; and a passkey that was copied."""
    app = await enrolled(client, (await register(client, "careful@example.com"))["token"], clock)
    headers = bearer(app.token)
    codes = (await client.post("/api/auth/factors/recovery-codes", headers=headers)).json()["data"]
    challenge = await challenged(client, email="careful@example.com")
    await answered(client, challenge, codes["recovery_codes"][0], "recovery_code")
    removed = await client.delete("/api/auth/factors/totp", headers=headers)
    app = await enrolled(client, removed.json()["data"]["token"], clock)
    device = await passkeys_by.enrolled(client, app.token)
    listed = (await client.get("/api/auth/factors", headers=bearer(device.token))).json()["data"]["factors"]
    path = f"/api/auth/factors/passkeys/{listed[0]['id']}"
    await client.patch(path, json={"name": "Key"}, headers=bearer(device.token))
    removed = await client.delete("/api/auth/password", headers=bearer(device.token))
    first = {"new": "another secure password"}  # without one, the last passkey would have to stay
    await client.post("/api/auth/password", json=first, headers=bearer(removed.json()["data"]["token"]))
    for count in (1, 0):  # the second time it has counted no further
        device.passkeys[0].count = count
        await passkeys_by.signed_in_by(client, device)
        device.passkeys[0].count = 0
    user = await gate.administration.find("careful@example.com")
    await gate.factors.reset(user, reason="lost", client=Client())


async def fail_a_command(dsn: str, environment: dict[str, str], folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gatepost", "users", "show", "nobody@example.com"),
        cwd=folder,
        env=environment | {"DATABASE_URL": dsn, "SECRET_KEY": SECRET_KEY, "ENVIRONMENT": "test"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 1


async def impersonate(client: httpx.AsyncClient, gate: Gate) -> None:
    """Have somebody open another's account, and sign out."""
    helped = (await register(client, "helped@example.com"))["user"]["id"]
    token = (await register(client, "support@example.com"))["token"]
    await UserSessions(gate).start(helped, by=await gate.session_tokens.resolve(token))
    await client.post("/api/auth/logout", headers=bearer(token))


async def mail_nobody(settings: Settings) -> None:
    """Have a mail fail, its recipient being no address."""

    async def send(_: EmailMessage) -> None:
        return

    gate = Gate(settings, features=FEATURES)
    gate.mailer = send
    await gate.open(background=False)
    draft = Draft(mail=Mail.TEST, recipient="nobody", lifetime=timedelta(hours=1))
    async with gate.database.transaction() as conn:
        await gate.service(Outbox).put(conn, draft)
    await gate.service(Sender).step()
    await gate.close()


async def answer_mails(settings: Settings, db: Database) -> None:
    """Mail a user who is there and a newcomer, and follow the links, one of them once too often."""
    app = create_app(settings)
    gate = app.state.gatepost
    email = {"email": "mailed@example.com"}
    async with serving(app) as client:

        async def post(path: str, session: str | None = None, **body: str) -> None:
            headers = {} if session is None else bearer(session)
            answer = await client.post(f"/api/auth/{path}", json=body or None, headers=headers)
            assert answer.is_success, answer.text

        async def mailed(mail: Mail) -> str:
            return (await read_mail(gate, db, mail)).token

        token = (await login(client, **email))["token"]
        await post("email/verification", token)
        await post("email/verify", token, token=await mailed(Mail.VERIFY_EMAIL))
        await post("email", token, email="elsewhere@example.com", password=PASSWORD)
        await post("email/confirm", token=await mailed(Mail.EMAIL_CHANGE))
        undo = await mailed(Mail.EMAIL_CHANGED)
        await post("email/undo", token=undo)
        refused = await client.post("/api/auth/email/undo", json={"token": undo})
        assert refused.status_code == 400
        await post("login/email", **email)
        await post("password/forgot", **email)
        chosen = {"token": await mailed(Mail.PASSWORD_RESET), "new_password": "another secure password"}
        await post("password/reset", **chosen)
        await post("register", email="asked@example.com", name="Asked")
        user = await gate.administration.find(email["email"])
        await gate.service(AdminResets).send(user, client=Client())


async def test_every_action_is_written_somewhere(
    client: httpx.AsyncClient,
    gate: Gate,
    db: Database,
    dsn: str,
    owner_dsn: str,
    environment: dict[str, str],
    tmp_path: Path,
    make_settings: MakeSettings,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await drive_http(client, gate, db)
    await be_throttled(make_settings(throttle_enabled=True, throttle_login_address="1 then 1/day"))
    await drive_commands(gate)
    await set_up(gate, db)
    await import_users(make_settings(database_url=owner_dsn), db)
    await be_challenged(make_settings())
    await refuse_often(gate)
    await mail_nobody(make_settings())
    await register(client, "mailed@example.com")
    monkeypatch.setattr(Sender, "start", lambda _: None)  # what waits stays to be read
    mailing = MAIL_ON | {"email_verification": "required", "email_sign_in": "both"}
    await answer_mails(make_settings(**mailing), db)
    await impersonate(client, gate)
    await use_factors(client, gate, clock)
    leaver = (await login(client, "moved@example.com"))["token"]
    await client.request("DELETE", "/api/auth/me", json={"password": PASSWORD}, headers=bearer(leaver))
    await fail_a_command(dsn, environment, tmp_path)
    await db.execute("SELECT gatepost_purge_events(now() - interval '1 year')")
    rows = await db.fetch("SELECT DISTINCT action FROM auth_events")
    assert {row["action"] for row in rows} == set(ACTIONS)


async def test_every_reason_for_an_end_is_given_somewhere(
    client: httpx.AsyncClient,
    gate: Gate,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    clock: MovableClock,
) -> None:
    await register(client)
    tokens = [(await login(client))["token"] for _ in range(4)]
    await client.post("/api/auth/logout", headers=bearer(tokens[0]))
    await client.post("/api/auth/refresh", headers=bearer(tokens[1]))
    await client.delete("/api/auth/sessions/4", headers=bearer(tokens[3]))
    await db.execute("UPDATE user_sessions SET expires_at = now() WHERE id = 1")
    await gate.housekeeping.run(client=Client())
    await client.post("/api/auth/logout-all", headers=bearer(tokens[3]))
    user = await gate.administration.find("user@example.com")
    await login(client)
    await gate.administration.set_password(user, PASSWORD, client=Client())
    await login(client)
    await db.execute("UPDATE user_sessions SET is_active = false WHERE is_active")
    await gate.session_tokens.supersede((await login(client))["token"], Client())
    replayed = (await login(client))["token"]
    successor = (await client.post("/api/auth/refresh", headers=bearer(replayed))).json()["data"]["token"]
    await client.get("/api/auth/me", headers=bearer(successor))
    await db.execute("UPDATE user_sessions SET ended_at = now() - interval '1 hour' WHERE replaced_by > 0")
    await client.post("/api/auth/refresh", headers=bearer(replayed))
    monkeypatch.setattr(gate.session_tokens, "_max_per_user", 1)
    changed = (await login(client), await login(client))[1]["token"]
    moved = {"email": "moved@example.com", "password": PASSWORD}
    changed = (await client.post("/api/auth/email", json=moved, headers=bearer(changed))).json()["data"][
        "token"
    ]
    body = {"current": PASSWORD, "new": "another secure password"}
    await client.post("/api/auth/password", json=body, headers=bearer(changed))
    await gate.administration.set_active(user, is_active=False, client=Client())
    await impersonate(client, gate)
    await enrolled(client, (await register(client, "careful@example.com"))["token"], clock)
    rows = await db.fetch("SELECT DISTINCT end_reason FROM user_sessions WHERE NOT is_active")
    assert {row["end_reason"] for row in rows} == set(EndReason)


async def test_what_a_command_did_is_told_from_what_a_request_did(
    client: httpx.AsyncClient, gate: Gate, db: Database
) -> None:
    await drive_http(client, gate, db)
    before = await db.fetchval("SELECT max(id) FROM auth_events")
    await drive_commands(gate)
    rows = await db.fetch(
        """
        SELECT id > $1 AS later, detail->>'by' AS by, ip_address FROM auth_events
        WHERE action NOT IN ('schema.migrated', 'user.erased') -- the event after it says who did it
        """,
        before,
    )
    assert {(row["by"], row["ip_address"]) for row in rows if row["later"]} == {("command", None)}
    assert {(row["by"], row["ip_address"]) for row in rows if not row["later"]} == {(None, "127.0.0.1")}


# --- Each attempt leaves exactly its events ---


ATTEMPTS: dict[str, tuple[str, str, int, list[str]]] = {
    "refresh": ("POST", "refresh", 200, ["session.refreshed"]),
    "logout": ("POST", "logout", 200, ["session.revoked"]),
    "logout everywhere": ("POST", "logout-all", 200, ["session.revoked_all"]),
    "logout elsewhere": ("POST", "logout-others", 200, ["session.revoked_all"]),
    "end one": ("DELETE", "sessions/1", 200, ["session.revoked"]),
    "end an unknown one": ("DELETE", "sessions/99", 404, ["access.denied"]),
    "clean up as a user": ("POST", "cleanup", 403, ["access.denied"]),
    "unlock as a user": ("POST", "admin/users/1/unlock", 403, ["access.denied"]),
    "look at the invitations as a user": ("GET", "admin/invitations", 403, ["access.denied"]),
    "revoke an invitation as a user": ("DELETE", "admin/invitations/1", 403, ["access.denied"]),
    "end one as a user": ("DELETE", "admin/sessions/1", 403, ["access.denied"]),
    "export the trail as a user": ("GET", "admin/events/export", 403, ["access.denied"]),
    "watch the trail as a user": ("GET", "admin/events/live", 403, ["access.denied"]),
    "look at oneself": ("GET", "me", 200, []),
    "look at the sessions": ("GET", "sessions", 200, []),
    "look at the events": ("GET", "events", 200, []),
    "export": ("GET", "export", 200, ["user.exported"]),
}


@walked("attempt", ATTEMPTS)
async def test_an_attempt_leaves_its_events_and_no_other(
    client: httpx.AsyncClient, db: Database, attempt: str
) -> None:
    method, path, status, expected = ATTEMPTS[attempt]
    token = (await register(client))["token"]
    before = await db.fetchval("SELECT max(id) FROM auth_events")
    response = await client.request(method, f"/api/auth/{path}", headers=bearer(token))
    assert response.status_code == status
    rows = await db.fetch("SELECT * FROM auth_events WHERE id > $1 ORDER BY id", before)
    assert [row["action"] for row in rows] == expected
    for row in rows:
        assert (row["user_id"], row["ip_address"]) == (1, "127.0.0.1")
        assert isinstance(json.loads(row["detail"]), dict)


@pytest.mark.parametrize("path", ["refresh", "logout", "logout-all", "logout-others", "cleanup"])
async def test_a_change_with_a_token_that_is_no_longer_good_is_on_the_trail(
    client: httpx.AsyncClient, db: Database, path: str
) -> None:
    token = (await register(client))["token"]
    await client.post("/api/auth/logout", headers=bearer(token))
    before = await db.fetchval("SELECT max(id) FROM auth_events")
    response = await client.post(f"/api/auth/{path}", headers=bearer(token))
    assert response.status_code == 401
    rows = await db.fetch("SELECT * FROM auth_events WHERE id > $1", before)
    assert [row["action"] for row in rows] == ["session.refused"]
    assert json.loads(rows[0]["detail"])["code"] == "session_revoked"
    # An operation for administrators refuses before it knows whose token that was.
    assert (rows[0]["user_id"], rows[0]["session_id"]) == ((None, None) if path == "cleanup" else (1, 1))


@pytest.mark.parametrize("header", ["Bearer", "Bearer a b", "Bearer é"])
async def test_a_change_with_what_is_no_token_at_all_is_on_the_trail(
    client: httpx.AsyncClient, db: Database, header: str
) -> None:
    response = await client.post("/api/auth/logout", headers=[(b"Authorization", header.encode())])
    assert response.status_code == 401
    rows = await db.fetch("SELECT detail FROM auth_events WHERE action = 'session.refused'")
    assert [json.loads(row["detail"])["code"] for row in rows] == ["invalid_session"]


# --- In the transaction of the act ---


async def test_what_can_not_be_recorded_does_not_happen(client: httpx.AsyncClient, db: Database) -> None:
    """Every act and its event are one: PostgreSQL keeps both or neither."""
    token = (await register(client))["token"]
    held = await db.fetch("SELECT * FROM user_sessions")
    await db.execute('ALTER TABLE auth_events ADD CONSTRAINT "full" CHECK (false) NOT VALID')
    verbs = [("POST", "refresh"), ("POST", "logout"), ("POST", "logout-all")]
    verbs += [("POST", "logout-others"), ("DELETE", "sessions/1")]
    for method, path in verbs:
        response = await client.request(method, f"/api/auth/{path}", headers=bearer(token))
        assert response.status_code == 500
    body = {"email": "other@example.com", "name": "x", "password": PASSWORD}
    assert (await client.post("/api/auth/register", json=body)).status_code == 500
    body = {"email": "user@example.com", "password": PASSWORD}
    assert (await client.post("/api/auth/login", json=body)).status_code == 500
    assert await db.fetch("SELECT * FROM user_sessions") == held
    assert await db.fetchval("SELECT count(*) FROM users") == 1


# The first user's first session has the number of its user.
ACTS: dict[str, Callable[[Gate, Any], Awaitable[object]]] = {
    "promote": lambda gate, user: gate.administration.set_admin(user, is_admin=True, client=Client()),
    "disable": lambda gate, user: gate.administration.set_active(user, is_active=False, client=Client()),
    "unlock": lambda gate, user: gate.administration.unlock(user, client=Client()),
    "clear": lambda gate, _: gate.throttles.clear(email=None, address=None, client=Client()),
    "set a password": lambda gate, user: gate.administration.set_password(
        user, "another one", client=Client()
    ),
    "delete": lambda gate, user: gate.administration.delete(user, client=Client()),
    "invite": lambda gate, _: gate.service(Invitations).create(email=None, client=Client()),
    "block": lambda gate, _: gate.service(Addresses).block(
        Place.of("203.0.113.66"), lifetime=None, client=Client()
    ),
    "revoke": lambda gate, user: gate.oversight.end(user.id, client=Client()),
    "revoke all": lambda gate, user: gate.administration.end_sessions(user, client=Client()),
}


@pytest.mark.parametrize("act", ACTS)
async def test_what_an_administrator_does_and_its_event_are_one(
    client: httpx.AsyncClient, gate: Gate, db: Database, act: str
) -> None:
    await register(client)
    user = await gate.administration.find("user@example.com")
    held = await db.fetch("SELECT * FROM users"), await db.fetch("SELECT * FROM user_sessions")
    await db.execute('ALTER TABLE auth_events ADD CONSTRAINT "full" CHECK (false) NOT VALID')
    with pytest.raises(asyncpg.CheckViolationError):
        await ACTS[act](gate, user)
    assert (await db.fetch("SELECT * FROM users"), await db.fetch("SELECT * FROM user_sessions")) == held
