"""A PostgreSQL of one's own that may be stopped, killed and paused, and every endpoint asked meanwhile."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, SCHEMAS, a_hurry, bearer, execute, register, serving, settings_for
from tests.features.email.mailbox import MAIL_ON
from tests.http.conftest import assert_error

from gatepost import errors
from gatepost.app import create_app
from gatepost.db import migrate
from gatepost.db.embedded import EmbeddedServer
from gatepost.features.email.sender import Sender
from gatepost.library import Gatepost

Database: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

People: TypeAlias = dict[str, dict[str, Any]]
"""Name of an attempt → `email`, `token`, `session` and `id` of who makes it."""

POOL_SIZE = 3
HURRY = 0.6
"""Seconds that a request waits for the database where it is to be refused; DATABASE_TIMEOUT_SECONDS is."""
PATIENCE = 60.0
"""Seconds that a test waits for what must come true; machines may be slow, so it says nothing of Gatepost."""
HANDFUL = 5
"""Requests that may be refused once the database is back."""


# --- A server that dies ---


class MortalServer:
    """An embedded server whose end and resurrection are the test's to decide."""

    def __init__(self, home: Path) -> None:
        self._server = EmbeddedServer.start(home, durable=False)
        self._postmaster = self._server._postmaster
        self._paused: list[int] = []

    def dsn(self, database: str = "postgres") -> str:
        return self._server.dsn(database)

    @property
    def data(self) -> Path:
        return self._postmaster.data

    def start(self) -> None:
        self._postmaster.start(durable=False)

    def stop(self) -> None:
        """End it in order, its clients' connections too."""
        self._postmaster.stop()

    def kill(self) -> None:
        """Kill it, so that nobody is told."""
        pid = self._pid()
        os.kill(pid, signal.SIGKILL)
        until(lambda: self._postmaster.pid() != pid)

    async def pause(self) -> None:
        """Have it neither answer nor go away, as a machine that swaps or a network that swallows all."""
        async with connected(self.dsn()) as admin:
            rows = await admin.fetch("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        for pid in (self._pid(), *(row["pid"] for row in rows)):
            os.kill(pid, signal.SIGSTOP)
            self._paused.append(pid)

    def resume(self) -> None:
        while self._paused:
            os.kill(self._paused.pop(), signal.SIGCONT)

    def revive(self) -> None:
        """Have it run, whatever a test left behind."""
        self.resume()
        self.start()

    def end(self) -> None:
        self.revive()
        self._server.stop()

    def _pid(self) -> int:
        pid = self._postmaster.pid()
        assert pid
        return pid


def until(true: Callable[[], object]) -> None:
    """Wait for another process."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


async def eventually(true: Callable[[], Awaitable[object]]) -> None:
    """Wait for another process without being in the way of this one's."""
    async with asyncio.timeout(PATIENCE):
        while not await true():  # noqa: ASYNC110 - it is another process that is watched
            await asyncio.sleep(0.01)


@pytest.fixture(scope="session")
def own_server() -> Iterator[MortalServer]:
    with TemporaryDirectory(prefix="gatepost-", ignore_cleanup_errors=True) as name:
        server = MortalServer(Path(name).resolve() / "home")
        # Few enough that others can take all of them.
        asyncio.run(execute(server.dsn(), "ALTER SYSTEM SET max_connections = 40"))
        server.stop()
        server.start()
        asyncio.run(_make_template(server))
        yield server
        server.end()


async def _make_template(server: MortalServer) -> None:
    await execute(server.dsn(), "CREATE DATABASE migrated")
    await migrate.migrate(server.dsn("migrated"), features=SCHEMAS)


@pytest.fixture
def mortal(own_server: MortalServer) -> Iterator[MortalServer]:
    """The server, running; whatever becomes of it, the next test finds it running again."""
    yield own_server
    own_server.revive()


@pytest.fixture
async def mortal_dsn(mortal: MortalServer, anyio_backend: str) -> AsyncIterator[str]:
    """A migrated database of this test alone, on the server that dies."""
    async with database_of(mortal, "migrated") as dsn:
        yield dsn


@asynccontextmanager
async def database_of(mortal: MortalServer, template: str) -> AsyncIterator[str]:
    """Make a database that is like another one, and drop it at the end."""
    name = f"gatepost_{uuid4().hex[:12]}"
    await execute(
        mortal.dsn(),
        f"CREATE DATABASE {name} TEMPLATE {template}",
        # The server is fast and forgetful; what was committed is to be there when it was killed.
        f"ALTER DATABASE {name} SET synchronous_commit = on",
    )
    try:
        yield mortal.dsn(name)
    finally:
        mortal.revive()
        await execute(mortal.dsn(), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


# --- Every endpoint ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A request, and what is answered to it when all is well.

    Attributes:
        operation: of the OpenAPI document.
        status: when all is well.
        writes: it needs a database that can be written.
        token: whose token is sent: one's own, an administrator's, one that nobody has, or none.
    """

    operation: str
    method: str
    path: str
    status: int = 200
    writes: bool = True
    token: str | None = "own"
    body: dict[str, Any] | None = None


MAIL = MAIL_ON | {"email_verification": "optional", "email_sign_in": "both", "passwordless_sign_up": True}
"""Settings with which there is everything that mails and passkeys lead to."""

NOBODYS_LINK = "A" * 43

ATTEMPTS: dict[str, Attempt] = {
    "register": Attempt(
        operation="register",
        method="POST",
        path="/register",
        status=201,
        token=None,
        body={"email": "{unique}@example.com", "name": "New", "password": PASSWORD},
    ),
    "register, e-mail taken": Attempt(
        operation="register",
        method="POST",
        path="/register",
        status=409,
        token=None,
        body={"email": "{email}", "name": "New", "password": PASSWORD},
    ),
    "login": Attempt(
        operation="login",
        method="POST",
        path="/login",
        token=None,
        body={"email": "{email}", "password": PASSWORD},
    ),
    "login, wrong password": Attempt(
        operation="login",
        method="POST",
        path="/login",
        status=401,
        token=None,
        body={"email": "{email}", "password": "not the password"},
    ),
    "login, unknown user": Attempt(
        operation="login",
        method="POST",
        path="/login",
        status=401,
        token=None,
        body={"email": "{unique}@example.com", "password": PASSWORD},
    ),
    "second step, no such challenge": Attempt(
        operation="answer_factor",
        method="POST",
        path="/login/factor",
        status=401,
        token=None,
        body={"challenge": NOBODYS_LINK, "method": "totp", "code": "123456"},
    ),
    "second step, options, no such challenge": Attempt(
        operation="factor_options",
        method="POST",
        path="/login/factor/options",
        status=401,
        token=None,
        body={"challenge": NOBODYS_LINK, "method": "passkey"},
    ),
    "me": Attempt(operation="me", method="GET", path="/me", writes=False),
    "me, unknown token": Attempt(
        operation="me", method="GET", path="/me", writes=False, status=401, token="nobody's"
    ),
    "verify": Attempt(operation="verify", method="GET", path="/verify", writes=False, status=204),
    "verify for Envoy": Attempt(
        operation="verify_for_envoy", method="GET", path="/verify/envoy", writes=False, status=200
    ),
    "verify, unknown token": Attempt(
        operation="verify", method="GET", path="/verify", writes=False, status=401, token="nobody's"
    ),
    "refresh": Attempt(operation="refresh", method="POST", path="/refresh"),
    "refresh, unknown token": Attempt(
        operation="refresh", method="POST", path="/refresh", status=401, token="nobody's"
    ),
    "confirm": Attempt(operation="confirm", method="POST", path="/confirm", body={"password": PASSWORD}),
    "confirm, wrong password": Attempt(
        operation="confirm", method="POST", path="/confirm", status=401, body={"password": "not the password"}
    ),
    "confirm, options where no step is due": Attempt(
        operation="confirm_options",
        method="POST",
        path="/confirm/options",
        status=401,
        body={"method": "passkey"},
    ),
    "password": Attempt(
        operation="change_password",
        method="POST",
        path="/password",
        body={"current": PASSWORD, "new": "another secure password"},
    ),
    "name": Attempt(operation="update_me", method="PATCH", path="/me", body={"name": "Other"}),
    "e-mail": Attempt(
        operation="change_email",
        method="POST",
        path="/email",
        status=202,
        body={"email": "{unique}@example.com", "password": PASSWORD},
    ),
    "export": Attempt(operation="export", method="GET", path="/export"),
    "delete": Attempt(operation="delete_me", method="DELETE", path="/me", body={"password": PASSWORD}),
    "unlock, no administrator": Attempt(
        operation="unlock_user", method="POST", path="/admin/users/1/unlock", status=403
    ),
    "logout": Attempt(operation="logout", method="POST", path="/logout"),
    "logout, unknown token": Attempt(
        operation="logout", method="POST", path="/logout", status=401, token="nobody's"
    ),
    "logout-all": Attempt(operation="logout_all", method="POST", path="/logout-all"),
    "logout-all, unknown token": Attempt(
        operation="logout_all", method="POST", path="/logout-all", status=401, token="nobody's"
    ),
    "logout-others": Attempt(operation="logout_others", method="POST", path="/logout-others"),
    "logout-others, unknown token": Attempt(
        operation="logout_others", method="POST", path="/logout-others", status=401, token="nobody's"
    ),
    "sessions": Attempt(operation="sessions", method="GET", path="/sessions", writes=False),
    "revoke a session": Attempt(operation="revoke_session", method="DELETE", path="/sessions/{session}"),
    "revoke a session, another's": Attempt(
        operation="revoke_session", method="DELETE", path="/sessions/{others}", status=404
    ),
    "events": Attempt(operation="events", method="GET", path="/events", writes=False),
    "cleanup": Attempt(operation="cleanup", method="POST", path="/cleanup", token="admin's"),
    "cleanup, no administrator": Attempt(operation="cleanup", method="POST", path="/cleanup", status=403),
    "overview": Attempt(
        operation="overview", method="GET", path="/admin/overview", token="admin's", writes=False
    ),
    "overview, no administrator": Attempt(
        operation="overview", method="GET", path="/admin/overview", status=403
    ),
    "register, unknown invitation": Attempt(
        operation="register",
        method="POST",
        path="/register",
        status=201,  # anybody may register here
        token=None,
        body={
            "email": "{unique}@example.com",
            "name": "New",
            "password": PASSWORD,
            "invitation": NOBODYS_LINK,
        },
    ),
    "setup, unknown link": Attempt(
        operation="setup",
        method="POST",
        path="/setup",
        status=403,
        token=None,
        body={
            "token": NOBODYS_LINK,
            "email": "{unique}@example.com",
            "name": "New",
            "password": PASSWORD,
        },
    ),
    "invite": Attempt(
        operation="create_invitation",
        method="POST",
        path="/admin/invitations",
        status=201,
        token="admin's",
        body={"email": "{unique}@example.com"},
    ),
    "invitations": Attempt(
        operation="invitations", method="GET", path="/admin/invitations", writes=False, token="admin's"
    ),
    "revoke an invitation, unknown": Attempt(
        operation="revoke_invitation",
        method="DELETE",
        path="/admin/invitations/9999",
        status=404,
        token="admin's",
    ),
    "end an address's sessions": Attempt(
        operation="end_address_sessions",
        method="POST",
        path="/admin/addresses/203.0.113.66/end-sessions",
        body={"expected": 0},
        token="admin's",
    ),
    "lift an address's throttles": Attempt(
        operation="lift_address_throttles",
        method="DELETE",
        path="/admin/addresses/203.0.113.66/throttles",
        token="admin's",
    ),
    "an address": Attempt(
        operation="address_overview",
        method="GET",
        path="/admin/addresses/203.0.113.66",
        writes=False,
        token="admin's",
    ),
    "blocks": Attempt(
        operation="list_blocks", method="GET", path="/admin/blocks", writes=False, token="admin's"
    ),
    "block": Attempt(
        operation="block_network",
        method="POST",
        path="/admin/blocks",
        status=201,
        body={"network": "203.0.113.66", "minutes": 1},
        token="admin's",
    ),
    "lift a block, unknown": Attempt(
        operation="lift_block", method="DELETE", path="/admin/blocks/9999", status=404, token="admin's"
    ),
    "everybody's sessions": Attempt(
        operation="admin_sessions", method="GET", path="/admin/sessions", writes=False, token="admin's"
    ),
    "end a session, no administrator": Attempt(
        operation="admin_revoke_session", method="DELETE", path="/admin/sessions/1", status=403
    ),
    "end all of a filter, no administrator": Attempt(
        operation="admin_end_sessions", method="POST", path="/admin/sessions/end", status=403
    ),
    "everybody's events": Attempt(
        operation="admin_events", method="GET", path="/admin/events", writes=False, token="admin's"
    ),
    "export of events": Attempt(
        operation="export_events", method="GET", path="/admin/events/export", token="admin's"
    ),
    "live events, no administrator": Attempt(
        operation="live_events", method="GET", path="/admin/events/live", status=403
    ),
    "unlock a user": Attempt(
        operation="unlock_user", method="POST", path="/admin/users/1/unlock", token="admin's"
    ),
    "find users": Attempt(
        operation="find_users", method="GET", path="/admin/users", token="admin's", writes=False
    ),
    "a user": Attempt(
        operation="get_user", method="GET", path="/admin/users/1", token="admin's", writes=False
    ),
    "disable user": Attempt(
        operation="disable_user", method="POST", path="/admin/users/1/disable", token="admin's"
    ),
    "enable user": Attempt(
        operation="enable_user", method="POST", path="/admin/users/1/enable", token="admin's"
    ),
    "promote user": Attempt(
        operation="promote_user", method="POST", path="/admin/users/1/promote", token="admin's"
    ),
    "demote user": Attempt(
        operation="demote_user", method="POST", path="/admin/users/1/demote", token="admin's"
    ),
    "logout user": Attempt(
        operation="logout_user", method="POST", path="/admin/users/1/logout-all", token="admin's"
    ),
    "set temporary password, with mail": Attempt(
        operation="set_temporary_password",
        method="POST",
        path="/admin/users/1/temporary-password",
        status=404,  # where there is mail, its owner chooses
        writes=False,
        token="admin's",
    ),
    "delete user": Attempt(
        operation="delete_user", method="DELETE", path="/admin/users/{unused}", token="admin's"
    ),
    "forgotten password": Attempt(
        operation="forgot_password",
        method="POST",
        path="/password/forgot",
        status=202,
        token=None,
        body={"email": "{email}"},
    ),
    "reset the password, unknown link": Attempt(
        operation="reset_password",
        method="POST",
        path="/password/reset",
        status=400,
        token=None,
        body={"token": NOBODYS_LINK, "new_password": "another secure password"},
    ),
    "confirm an e-mail, unknown link": Attempt(
        operation="confirm_email",
        method="POST",
        path="/email/confirm",
        status=400,
        token=None,
        body={"token": NOBODYS_LINK},
    ),
    "undo an e-mail, unknown link": Attempt(
        operation="undo_email",
        method="POST",
        path="/email/undo",
        status=400,
        token=None,
        body={"token": NOBODYS_LINK},
    ),
    "verify an e-mail, unknown link": Attempt(
        operation="verify_email",
        method="POST",
        path="/email/verify",
        status=400,
        token=None,
        body={"token": NOBODYS_LINK},
    ),
    "mail to verify the e-mail": Attempt(
        operation="send_verification", method="POST", path="/email/verification", status=202
    ),
    "mail to sign in with": Attempt(
        operation="login_by_email",
        method="POST",
        path="/login/email",
        status=202,
        token=None,
        body={"email": "{email}"},
    ),
    "login by mail, unknown link": Attempt(
        operation="finish_login_by_email",
        method="POST",
        path="/login/email/finish",
        status=400,
        token=None,
        body={"token": NOBODYS_LINK},
    ),
    "mail a user a reset": Attempt(
        operation="send_password_reset",
        method="POST",
        path="/admin/users/{own}/password-reset",
        status=202,
        token="admin's",
    ),
    "factors": Attempt(operation="factors", method="GET", path="/factors", writes=False),
    "begin to set up an app": Attempt(operation="begin_totp", method="POST", path="/factors/totp"),
    "set up an app, none begun": Attempt(
        operation="confirm_totp",
        method="POST",
        path="/factors/totp/confirm",
        status=401,
        body={"code": "123456"},
    ),
    "remove an app, none there": Attempt(
        operation="remove_totp", method="DELETE", path="/factors/totp", status=404
    ),
    "begin to sign up by passkey": Attempt(
        operation="passkey_sign_up_options",
        method="POST",
        path="/register/passkey/options",
        token=None,
        body={"email": "{unique}@example.com", "name": "New"},
    ),
    "remove the password": Attempt(operation="remove_password", method="DELETE", path="/password"),
    "begin to sign in by passkey": Attempt(
        operation="passkey_login_options", method="POST", path="/login/passkey/options", token=None
    ),
    "sign in by passkey, no such challenge": Attempt(
        operation="login_by_passkey",
        method="POST",
        path="/login/passkey",
        status=401,
        token=None,
        body={"challenge": NOBODYS_LINK, "credential": {}},
    ),
    "passkeys": Attempt(operation="passkeys", method="GET", path="/factors/passkeys", writes=False),
    "begin to set up a passkey": Attempt(
        operation="begin_passkey", method="POST", path="/factors/passkeys/options"
    ),
    "set up a passkey, none begun": Attempt(
        operation="add_passkey", method="POST", path="/factors/passkeys", status=401, body={"credential": {}}
    ),
    "rename a passkey, none there": Attempt(
        operation="rename_passkey",
        method="PATCH",
        path="/factors/passkeys/1",
        status=404,
        body={"name": "Key"},
    ),
    "remove a passkey, none there": Attempt(
        operation="remove_passkey", method="DELETE", path="/factors/passkeys/1", status=404
    ),
    "recovery codes, no factor": Attempt(
        operation="make_recovery_codes", method="POST", path="/factors/recovery-codes", status=404
    ),
    "reset a user's factors, none there": Attempt(
        operation="reset_factors",
        method="DELETE",
        path="/admin/users/1/factors",
        status=404,
        token="admin's",
        body={"reason": "lost"},
    ),
}
"""Every operation, and each of its answers that needs the database."""


@dataclass
class Site:
    """An application that runs on the server that dies, with a user signed in for every attempt."""

    app: FastAPI
    client: httpx.AsyncClient
    server: MortalServer
    dsn: str
    people: People

    @property
    def database(self) -> str:
        return urlsplit(self.dsn).path[1:]

    @property
    def gate(self) -> Gatepost:
        gate: Gatepost = self.app.state.gatepost
        return gate

    async def send_no_mail(self) -> None:
        """Leave mails in the outbox: the connections that tests count and take away are those of requests."""
        await self.gate.service(Sender).close()

    @contextmanager
    def in_a_hurry(self) -> Iterator[None]:
        """Have requests wait for the database as long as they do by default: all else has time."""
        pool = self.gate.database._opened()
        before = pool._seconds, pool._hold
        pool._seconds, pool._hold = HURRY, None if pool._hold is None else HURRY / 3
        with a_hurry(self.app, HURRY):
            yield
        pool._seconds, pool._hold = before

    async def ask(self, name: str) -> httpx.Response:
        """Make an attempt."""
        attempt, person = ATTEMPTS[name], self.people[name]
        others = next(iter(self.people.values()))["session"]
        filled = {
            "{unique}": uuid4().hex,
            "{email}": person["email"],
            "{own}": str(person["id"]),
            "{session}": str(person["session"]),
            "{others}": str(others),
            "{unused}": str(self.people["logout, unknown token"]["id"]),
        }
        path, body = attempt.path, dict(attempt.body or {})
        for gap, value in filled.items():
            path = path.replace(gap, value)
            body = {k: v.replace(gap, value) if isinstance(v, str) else v for k, v in body.items()}
        tokens = {None: None, "nobody's": str(uuid4())}
        token = tokens.get(attempt.token, person["token"])
        return await self.client.request(
            attempt.method,
            f"/api/auth{path}",
            json=body or None,
            headers=bearer(token) if token is not None else {},
        )

    async def ask_all(self, names: Iterable[str] = ATTEMPTS) -> dict[str, httpx.Response]:
        """Make attempts at once; none hangs."""
        names = list(names)
        async with asyncio.timeout(PATIENCE):
            return dict(zip(names, await asyncio.gather(*map(self.ask, names)), strict=True))

    async def refuses(self, *, but: Callable[[Attempt], bool] = lambda _: False) -> None:
        """Hold all attempts to 503, but those that can be served to their answer."""
        served = [name for name, attempt in ATTEMPTS.items() if but(attempt)]
        with self.in_a_hurry():
            answers = await self.ask_all(name for name in ATTEMPTS if name not in served)
        for name, answer in answers.items():
            assert answer.status_code == 503, (name, answer.text)
            assert_error(answer, errors.Unavailable)
            assert int(answer.headers["retry-after"]) >= 1
        for name, answer in (await self.ask_all(served)).items():
            assert answer.status_code == ATTEMPTS[name].status, (name, answer.text)

    async def recovers(self) -> None:
        """Hold it to be well again by itself: a handful of refusals at most, and all attempts succeed."""
        left, refused = list(ATTEMPTS), 0
        while left:
            answers = await self.ask_all(left)
            told = {name: answer.status_code for name, answer in answers.items()}
            left = [name for name, status in told.items() if status == 503]
            refused += len(left)
            assert refused <= HANDFUL, told
            assert {n: told[n] for n in told if n not in left} == {
                n: ATTEMPTS[n].status for n in told if n not in left
            }
        await eventually(self.holds_no_more_than_its_own)

    async def holds_no_more_than_its_own(self) -> bool:
        """Say whether it has the connections of its pool, and the one for the session checks, at the most."""
        return await self.connections() <= POOL_SIZE + 1

    async def connections(self) -> int:
        """Count Gatepost's connections at the server."""
        async with connected(self.server.dsn()) as admin:
            count = await admin.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'gatepost'",
                self.database,
            )
        return int(count)

    async def disconnect(self) -> None:
        """End Gatepost's connections at the server."""
        async with connected(self.server.dsn()) as admin:
            await admin.fetch(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
                " WHERE datname = $1 AND application_name = 'gatepost'",
                self.database,
            )

    async def alter_database(self, how: str, name: str | None = None) -> None:
        await execute(self.server.dsn(), f"ALTER DATABASE {name or self.database} {how}")


@pytest.fixture(scope="session")
def people(own_server: MortalServer, tmp_path_factory: pytest.TempPathFactory) -> People:
    """Somebody for each attempt, who has signed up in the database `peopled`."""
    own_server.revive()
    asyncio.run(execute(own_server.dsn(), "CREATE DATABASE peopled TEMPLATE migrated"))
    return asyncio.run(_signed_up(own_server.dsn("peopled"), tmp_path_factory.mktemp("home")))


@pytest.fixture
async def site(
    mortal: MortalServer, people: People, anyio_backend: str, tmp_path: Path
) -> AsyncIterator[Site]:
    """An application on the server that dies."""
    async with database_of(mortal, "peopled") as dsn:
        app = create_app(settings_for(dsn, tmp_path / "home", database_pool_size=POOL_SIZE, **MAIL))
        async with serving(app) as client:
            site = Site(app, client, mortal, dsn, deepcopy(people))
            await site.send_no_mail()
            yield site


async def _signed_up(dsn: str, home: Path) -> People:
    people: People = {}
    app = create_app(settings_for(dsn, home, **MAIL))
    async with serving(app) as client:
        await app.state.gatepost.service(Sender).close()
        for number, name in enumerate(ATTEMPTS):
            email = f"user{number}@example.com"
            people[name] = {"email": email, "token": (await register(client, email))["token"]}
    admins = [people[n]["email"] for n, attempt in ATTEMPTS.items() if attempt.token == "admin's"]
    async with connected(dsn) as db:
        await db.execute("UPDATE users SET is_admin = true WHERE email = ANY($1::varchar[])", admins)
        without = people["remove the password"]["email"]
        await db.execute("UPDATE users SET email_verified_at = now() WHERE email = $1", without)
        rows = await db.fetch(
            "SELECT u.email, u.id AS user_id, s.id FROM user_sessions s JOIN users u ON u.id = s.user_id"
        )
    ids = {row["email"]: row["id"] for row in rows}
    users = {row["email"]: row["user_id"] for row in rows}
    for person in people.values():
        person["session"] = ids[person["email"]]
        person["id"] = users[person["email"]]
    return people


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Database]:
    """A connection of the test's own; at the end it may have been lost."""
    conn = await asyncpg.connect(dsn)
    try:
        yield conn
    finally:
        conn.terminate()
