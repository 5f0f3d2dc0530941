"""Users, clients and time, at random, over HTTP and a real database, against a model in plain Python.

After every step it holds: which tokens open a session and how each other one is refused, what `sessions`
lists, and what the table has of every session there ever was. `make fuzz` looks longer.
"""

import asyncio
import math
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.conftest import (
    PASSWORD,
    SECRET_KEY,
    AsApp,
    bearer,
    scratch_database,
    serving,
    settings_for,
)

from gatepost.app import create_app
from gatepost.http.gatepost import Gatepost
from gatepost.models import Client
from gatepost.settings import Settings
from gatepost.settings.rates import Rate

T = TypeVar("T")

LIFETIME = timedelta(minutes=30)
ABSOLUTE = timedelta(minutes=75)
GRACE = timedelta(seconds=10)
HISTORY = timedelta(days=1)
USERS = ("ada@example.com", "bob@example.com")
GUESSES = Rate(3, 1, "minute")
KNOWN_FOR = timedelta(days=30)
KEYS = 3
PLENTY = "100000 then 100000/second"

BOUNDED = settings(
    max_examples=25,
    stateful_step_count=25,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
FUZZ = int(os.environ.get("FUZZ_EXAMPLES", "0"))
PROFILE = settings(BOUNDED, max_examples=FUZZ, stateful_step_count=50) if FUZZ else BOUNDED


# --- The model ---


@dataclass
class ModelUser:
    email: str
    id: int
    is_active: bool = True


@dataclass
class ModelSession:
    """A session as it must be; `reason` is None while nothing has ended it."""

    user: ModelUser
    token: str
    created_at: datetime
    expires_at: datetime
    absolute_end: datetime
    family: "ModelSession | None" = None
    ended_at: datetime | None = None
    reason: str | None = None
    successor: "ModelSession | None" = None
    is_fresh: bool = False
    purged: bool = False
    id: int = 0

    @property
    def root(self) -> "ModelSession":
        return self.family or self

    def refusal(self, now: datetime) -> str | None:
        """Say how its token is refused, None where it opens the session."""
        if self.purged:
            return "invalid_session"
        if self.reason is None:
            if now >= self.expires_at:
                return "session_expired"
            return None if self.user.is_active else "session_revoked"
        return {"refreshed": "session_replaced", "expired": "session_expired"}.get(
            self.reason, "session_revoked"
        )

    def end(self, now: datetime, reason: str) -> None:
        late = now >= self.expires_at
        self.ended_at, self.reason = (self.expires_at, "expired") if late else (now, reason)


@dataclass
class World:
    """All there is, and the verbs as they are meant."""

    now: datetime = datetime(2024, 1, 1, tzinfo=UTC)
    users: dict[str, ModelUser] = field(default_factory=dict)
    sessions: list[ModelSession] = field(default_factory=list)
    key: int = 0
    drained_at: dict[tuple[int, str], datetime] = field(default_factory=dict)
    """Of the buckets of accounts: another key has others, and the former ones stay where they are."""

    def is_known(self, email: str) -> bool:
        """Say whether the account signed in lately from the one place that all requests come from."""
        return any(
            s.user.email == email
            and s.family is None
            and not s.purged
            and s.created_at > self.now - KNOWN_FOR
            for s in self.sessions
        )

    def charge(self, email: str) -> int | None:
        """Charge a login from a strange place; return the seconds to wait where there were too many."""
        drained_at = max(self.drained_at.get((self.key, email), self.now), self.now)
        ahead = drained_at - self.now - GUESSES.tolerance
        if ahead > timedelta():
            return math.ceil(ahead.total_seconds())
        self.drained_at[self.key, email] = drained_at + GUESSES.emission
        return None

    def give_back(self, email: str) -> None:
        """Undo the charge of a login that succeeded."""
        self.drained_at[self.key, email] -= GUESSES.emission

    def rotate(self) -> None:
        self.key = (self.key + 1) % KEYS

    def start(self, user: ModelUser, token: str) -> ModelSession:
        session = ModelSession(
            user=user,
            token=token,
            created_at=self.now,
            expires_at=self.now + min(LIFETIME, ABSOLUTE),
            absolute_end=self.now + ABSOLUTE,
        )
        self.sessions.append(session)
        return session

    def replace(self, old: ModelSession, token: str) -> ModelSession:
        new = ModelSession(
            user=old.user,
            token=token,
            created_at=self.now,
            expires_at=min(self.now + LIFETIME, old.absolute_end),
            absolute_end=old.absolute_end,
            family=old.root,
        )
        old.ended_at, old.reason, old.successor = self.now, "refreshed", new
        self.sessions.append(new)
        return new

    def repeatable(self, session: ModelSession) -> ModelSession | None:
        """Return the successor whose token a repeated refresh is answered with."""
        successor = session.successor
        if session.purged or successor is None or successor.refusal(self.now) is not None:
            return None
        if successor.is_fresh:
            return None
        assert session.ended_at is not None
        return successor if self.now < session.ended_at + GRACE else None

    def replay(self, session: ModelSession) -> None:
        """End the line of a token that comes back after its grace; nothing otherwise."""
        was_replaced = session.reason == "refreshed" and not session.purged
        if was_replaced and session.ended_at is not None and self.now >= session.ended_at + GRACE:
            self.end_all(session.user, "replayed", session.root)

    def refresh_refusal(self, session: ModelSession) -> str | None:
        refusal = session.refusal(self.now)
        successor = session.successor
        if refusal != "session_replaced" or successor is None or session.ended_at is None:
            return refusal
        if self.now >= session.ended_at + GRACE or successor.purged:
            return refusal
        return successor.refusal(self.now) or ("session_replaced" if successor.is_fresh else None)

    def overlaps(self, session: ModelSession) -> bool:
        """Say whether a replaced token still opens its sign-in by cookie."""
        if session.purged or session.successor is None or session.ended_at is None:
            return False
        is_young = self.now < min(session.ended_at + GRACE, session.expires_at)
        line = [s for s in self.live(session.user) if s.root is session.successor.root]
        return is_young and session.user.is_active and bool(line)

    def confirm(self, old: ModelSession, token: str) -> ModelSession:
        """Begin a fresh session, whose token comes at once."""
        others = [s for s in self.sessions if s.root is old.root and s.reason is None]
        new = self.start(old.user, token)
        new.family, new.is_fresh = old.root, True
        for other in others:
            other.end(self.now, "refreshed")
            other.successor = new
        return new

    def live(self, user: ModelUser) -> list[ModelSession]:
        """Return what `sessions` lists: what has neither ended nor expired."""
        return [s for s in self.sessions if s.user is user and s.reason is None and self.now < s.expires_at]

    def end_all(
        self,
        user: ModelUser,
        reason: str,
        root: ModelSession | None = None,
        kept: ModelSession | None = None,
    ) -> int:
        ended = 0
        for session in self.sessions:
            chosen = session.user is user and (root is None or session.root is root)
            chosen = chosen and session.root is not kept
            if chosen and session.reason is None:
                ended += self.now < session.expires_at
                session.end(self.now, reason)
        return ended

    def cleanup(self) -> tuple[int, int]:
        expired = [s for s in self.sessions if s.reason is None and self.now >= s.expires_at]
        for session in expired:
            session.end(self.now, "expired")
        old = [s for s in self.sessions if not s.purged and s.ended_at and s.ended_at < self.now - HISTORY]
        for session in old:
            session.purged = True
        return len(expired), len(old)


UNLIMITED = [
    name
    for name, setting in Settings.model_fields.items()
    if isinstance(setting.default, Rate) and name != "throttle_login_account"
]


# --- The real thing ---


class Server:
    """Two workers on one database, asked from code that does not await."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.run: Callable[[Awaitable[Any]], Any] = lambda awaitable: runner.run(_await(awaitable))
        self._stack = AsyncExitStack()
        self._workers = AsyncExitStack()
        self._keys = [f"{number} {SECRET_KEY}" for number in range(KEYS)]
        self.clients: list[httpx.AsyncClient] = []
        self.now = World.now

    async def open(self, server_dsn: str, template: str, as_app: AsApp, home: Path) -> None:
        dsn = await self._stack.enter_async_context(scratch_database(server_dsn, template))
        self._make_settings = partial(
            settings_for,
            as_app(dsn),
            home,
            session_expire_minutes=int(LIFETIME.total_seconds() // 60),
            session_max_minutes=int(ABSOLUTE.total_seconds() // 60),
            refresh_grace_seconds=int(GRACE.total_seconds()),
            session_history_days=HISTORY.days,
            database_timeout_seconds=30,
            throttle_enabled=True,
            throttle_login_account=str(GUESSES),
            **dict.fromkeys(UNLIMITED, PLENTY),
        )
        self.db = await asyncpg.connect(dsn, server_settings={"timezone": "UTC"})
        await self._start()

    async def _start(self) -> None:
        values = self._make_settings(secret_key=self._keys[0], secret_key_fallbacks=self._keys[1:])
        apps = [create_app(values, clock=lambda: self.now) for _ in range(2)]
        self.clients = [await self._workers.enter_async_context(serving(app)) for app in apps]
        gate = apps[0].state.gatepost
        assert isinstance(gate, Gatepost)
        self.gate = gate

    async def rotate(self) -> None:
        """Stop the workers and start them with another newest key, the others behind it."""
        await self._workers.aclose()
        self._keys = [*self._keys[1:], self._keys[0]]
        await self._start()

    async def close(self) -> None:
        await self.db.close()
        await self._workers.aclose()
        await self._stack.aclose()

    async def empty(self) -> None:
        await self.db.execute("TRUNCATE users, user_sessions, auth_links, auth_failures, auth_throttles")

    async def call(
        self, worker: int, method: str, path: str, token: str | None = None, body: object = None
    ) -> httpx.Response:
        headers = {} if token is None else bearer(token)
        return await self.clients[worker].request(method, f"/api/auth/{path}", headers=headers, json=body)

    async def by_cookie(self, worker: int, path: str, token: str, site: str) -> tuple[httpx.Response, str]:
        """Post as a browser does; return the answer, and the token in the cookie that it sets."""
        client = self.clients[worker]
        headers = {"Cookie": f"gatepost={token}", "Sec-Fetch-Site": site}
        response = await client.post(f"/api/auth/{path}", headers=headers)
        handed = response.cookies.get("gatepost") or ""
        client.cookies.clear()
        return response, handed


async def _await(awaitable: Awaitable[T]) -> T:
    return await awaitable


workers = st.integers(0, 1)


class Sessions(RuleBasedStateMachine):
    """The steps, and what holds after each."""

    server: ClassVar[Server]
    known = Bundle("known")
    """Sessions whose tokens somebody holds, live or not."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.server.now = self.world.now
        self.server.run(self.server.empty())

    def call(self, *args: Any, **kwargs: Any) -> httpx.Response:
        response: httpx.Response = self.server.run(self.server.call(*args, **kwargs))
        return response

    def refused(self, response: httpx.Response, code: str) -> None:
        assert (response.status_code, response.json()["error"]["code"]) == (401, code)

    # Steps.

    @initialize(target=known, worker=workers)
    def register_the_first(self, worker: int) -> ModelSession:
        return self.register(worker, USERS[0])

    def register(self, worker: int, email: str) -> ModelSession:
        body = {"email": email, "name": "x", "password": PASSWORD}
        response = self.call(worker, "POST", "register", body=body)
        assert response.status_code == 201
        data = response.json()["data"]
        user = self.world.users[email] = ModelUser(email, data["user"]["id"])
        return self.world.start(user, data["token"])

    @precondition(lambda self: USERS[1] not in self.world.users)
    @rule(target=known, worker=workers)
    def register_another(self, worker: int) -> ModelSession:
        return self.register(worker, USERS[1])

    @rule(worker=workers, email=st.sampled_from(USERS))
    def register_again(self, worker: int, email: str) -> None:
        if email in self.world.users:
            body = {"email": email.upper(), "name": "x", "password": PASSWORD}
            assert self.call(worker, "POST", "register", body=body).status_code == 409

    def try_login(self, worker: int, email: str, password: str) -> httpx.Response | None:
        """Try to sign in; None where that was one too many, as it had to be."""
        wait = None if self.world.is_known(email) else self.world.charge(email)
        response = self.call(worker, "POST", "login", body={"email": email, "password": password})
        if wait is None:
            return response
        assert (response.status_code, response.headers["retry-after"]) == (429, str(wait))
        return None

    @rule(target=known, worker=workers, email=st.sampled_from(USERS))
    def login(self, worker: int, email: str) -> Any:
        was_known = self.world.is_known(email)
        response = self.try_login(worker, email, PASSWORD)
        if response is None:
            return multiple()
        user = self.world.users.get(email)
        if user is None or not user.is_active:
            self.refused(response, "invalid_credentials")
            return multiple()
        assert response.status_code == 200
        if not was_known:
            self.world.give_back(email)
        return self.world.start(user, response.json()["data"]["token"])

    @rule(
        worker=workers,
        email=st.sampled_from([*USERS, "nobody@example.com"]),
        times=st.integers(1, GUESSES.burst + 1),
    )
    def login_with_a_wrong_password(self, worker: int, email: str, times: int) -> None:
        for number in range(times):
            response = self.try_login((worker + number) % 2, email, PASSWORD + "!")
            if response is not None:
                self.refused(response, "invalid_credentials")

    @rule(target=known, worker=workers, session=known)
    def refresh(self, worker: int, session: ModelSession) -> Any:
        repeated = self.world.repeatable(session)
        refusal = self.world.refresh_refusal(session)
        response = self.call(worker, "POST", "refresh", session.token)
        if repeated is not None:
            assert response.status_code == 200
            assert response.json()["data"]["token"] == repeated.token
            return multiple()
        if refusal is not None:
            self.refused(response, refusal)
            self.world.replay(session)
            return multiple()
        assert response.status_code == 200
        return self.world.replace(session, response.json()["data"]["token"])

    @rule(target=known, worker=workers, session=known)
    def refresh_by_cookie(self, worker: int, session: ModelSession) -> Any:
        repeated = self.world.repeatable(session)
        refusal = self.world.refresh_refusal(session)
        overlaps = self.world.overlaps(session)
        response, handed = self.browser(worker, "refresh", session, "same-origin")
        if repeated is not None:
            assert (response.status_code, handed) == (200, repeated.token)
            return multiple()
        if overlaps:
            assert (response.status_code, handed) == (200, "")
            return multiple()
        if refusal is not None:
            self.refused(response, refusal)
            self.world.replay(session)
            return multiple()
        assert response.status_code == 200
        assert "token" not in response.json()["data"]
        return self.world.replace(session, handed)

    def browser(self, worker: int, path: str, session: ModelSession, site: str) -> tuple[httpx.Response, str]:
        answer: tuple[httpx.Response, str] = self.server.run(
            self.server.by_cookie(worker, path, session.token, site)
        )
        return answer

    @rule(
        worker=workers,
        session=known,
        path=st.sampled_from(["refresh", "logout", "logout-all", "logout-others", "cleanup"]),
        site=st.sampled_from(["cross-site", "same-site"]),
    )
    def another_site_tries(self, worker: int, session: ModelSession, path: str, site: str) -> None:
        response, handed = self.browser(worker, path, session, site)
        assert (response.status_code, handed) == (403, "")

    @rule()
    def keys_are_rotated(self) -> None:
        self.server.run(self.server.rotate())
        self.world.rotate()

    @rule(target=known, worker=workers, session=known)
    def confirm(self, worker: int, session: ModelSession) -> Any:
        response = self.call(worker, "POST", "confirm", session.token, {"password": PASSWORD})
        refusal = session.refusal(self.world.now)
        if refusal is not None:
            self.refused(response, refusal)
            return multiple()
        assert response.status_code == 200
        token = response.json()["data"]["token"]
        assert self.call(worker, "GET", "me", token).status_code == 200
        return self.world.confirm(session, token)

    @rule(target=known, session=known)
    def refresh_in_both_workers_at_once(self, session: ModelSession) -> Any:
        if session.refusal(self.world.now) is not None:
            return multiple()
        tokens = {answer.json()["data"]["token"] for answer in self.both("POST", "refresh", session.token)}
        (token,) = tokens
        return self.world.replace(session, token)

    def both(self, method: str, path: str, token: str) -> list[httpx.Response]:
        async def ask() -> list[httpx.Response]:
            return await asyncio.gather(*(self.server.call(w, method, path, token) for w in (0, 1, 0, 1)))

        answers: list[httpx.Response] = self.server.run(ask())
        return answers

    @rule(worker=workers, session=known, by_cookie=st.booleans())
    def logout(self, worker: int, session: ModelSession, by_cookie: bool) -> None:
        if by_cookie:
            response, _ = self.browser(worker, "logout", session, "none")
        else:
            response = self.call(worker, "POST", "logout", session.token)
        refusal = session.refusal(self.world.now)
        if refusal is not None and not (by_cookie and self.world.overlaps(session)):
            self.refused(response, refusal)
        else:
            assert response.status_code == 200
            self.world.end_all(session.user, "logout", session.root)

    @rule(worker=workers, session=known)
    def logout_everywhere(self, worker: int, session: ModelSession) -> None:
        response = self.call(worker, "POST", "logout-all", session.token)
        refusal = session.refusal(self.world.now)
        if refusal is not None:
            self.refused(response, refusal)
        else:
            ended = self.world.end_all(session.user, "logout_all")
            assert response.json()["data"] == {"sessions_revoked": ended}

    @rule(worker=workers, session=known)
    def logout_everywhere_else(self, worker: int, session: ModelSession) -> None:
        response = self.call(worker, "POST", "logout-others", session.token)
        refusal = session.refusal(self.world.now)
        if refusal is not None:
            self.refused(response, refusal)
        else:
            ended = self.world.end_all(session.user, "revoked", kept=session.root)
            assert response.json()["data"] == {"sessions_revoked": ended}

    @rule(worker=workers, session=known, other=known)
    def end_by_id(self, worker: int, session: ModelSession, other: ModelSession) -> None:
        response = self.call(worker, "DELETE", f"sessions/{other.id}", session.token)
        refusal = session.refusal(self.world.now)
        if refusal is not None:
            self.refused(response, refusal)
            return
        ended = 0
        if other.user is session.user and not other.purged:
            ended = self.world.end_all(session.user, "revoked", other.root)
        assert response.status_code == (200 if ended else 404)

    @rule(email=st.sampled_from(USERS), is_active=st.booleans())
    def disable_or_enable(self, email: str, is_active: bool) -> None:
        user = self.world.users.get(email)
        if user is None:
            return

        async def change() -> None:
            administration = self.server.gate.administration
            await administration.set_active(
                await administration.find(email), is_active=is_active, client=Client()
            )

        self.server.run(change())
        user.is_active = is_active
        if not is_active:
            self.world.end_all(user, "user_disabled")

    @rule(email=st.sampled_from(USERS), is_active=st.booleans())
    def disable_or_enable_by_sql(self, email: str, is_active: bool) -> None:
        user = self.world.users.get(email)
        if user is not None:
            sql = "UPDATE users SET is_active = $1 WHERE email = $2"
            self.server.run(self.server.db.execute(sql, is_active, email))
            user.is_active = is_active

    @rule(
        by=st.one_of(
            st.sampled_from([timedelta(microseconds=1), GRACE, LIFETIME, ABSOLUTE, HISTORY]),
            st.sampled_from([GRACE, LIFETIME, HISTORY]).map(lambda span: span - timedelta(microseconds=1)),
            st.integers(1, 40).map(lambda minutes: timedelta(minutes=minutes)),
        )
    )
    def time_passes(self, by: timedelta) -> None:
        self.world.now = self.server.now = self.world.now + by

    @rule(session=known, microseconds=st.sampled_from([-1, 0, 1]))
    def time_comes_to_the_end_of(self, session: ModelSession, microseconds: int) -> None:
        at = session.expires_at + timedelta(microseconds=microseconds)
        if at > self.world.now:
            self.world.now = self.server.now = at

    @rule()
    def cleanup(self) -> None:
        cleaned = self.server.run(self.server.gate.housekeeping.run(client=Client()))
        assert (cleaned.expired, cleaned.purged) == self.world.cleanup()

    @rule()
    def write_behind(self) -> None:
        self.server.run(self.server.gate.sessions._touches.flush())

    # What holds after each.

    @invariant()
    def the_table_is_the_models(self) -> None:
        rows = self.server.run(self.server.db.fetch("SELECT * FROM user_sessions ORDER BY id"))
        for session in self.world.sessions:
            session.id = session.id or self.id_of(session, rows)
        there = {row["id"]: row for row in rows}
        expected = [session for session in self.world.sessions if not session.purged]
        assert set(there) == {session.id for session in expected}
        for session in expected:
            row = there[session.id]
            assert row["session_token"].startswith(session.token[:8] + ".")
            assert row["user_id"] == session.user.id
            assert row["is_active"] == (session.reason is None)
            assert (row["created_at"], row["expires_at"]) == (session.created_at, session.expires_at)
            assert (row["ended_at"], row["end_reason"]) == (session.ended_at, session.reason)
            assert row["absolute_expires_at"] == session.absolute_end
            assert row["family_id"] == (None if session.family is None else session.family.id)
            assert row["replaced_by"] == (None if session.successor is None else session.successor.id)

    def id_of(self, session: ModelSession, rows: list[Any]) -> int:
        (found,) = [row["id"] for row in rows if row["session_token"].startswith(session.token[:8] + ".")]
        return int(found)

    @invariant()
    def each_token_opens_what_it_should(self) -> None:
        async def ask() -> list[httpx.Response]:
            asked = enumerate(self.world.sessions)
            return await asyncio.gather(*(self.server.call(n % 2, "GET", "me", s.token) for n, s in asked))

        for session, response in zip(self.world.sessions, self.server.run(ask()), strict=True):
            refusal = session.refusal(self.world.now)
            if refusal is None:
                assert response.json()["data"]["user"]["email"] == session.user.email
            else:
                self.refused(response, refusal)

    @invariant()
    def the_list_has_what_is_live(self) -> None:
        for user in self.world.users.values():
            live = self.world.live(user)
            if not live or not user.is_active:
                continue
            response = self.call(0, "GET", "sessions", live[0].token)
            data = response.json()["data"]
            assert {each["session_token"] for each in data["sessions"]} == {f"{s.token[:8]}..." for s in live}
            assert data["total_active_sessions"] == len(live)
            current = [each["session_token"] for each in data["sessions"] if each["is_current"]]
            assert current == [f"{live[0].token[:8]}..."]


def test_whatever_happens_the_sessions_are_as_the_model_has_them(
    server_dsn: str, template: str, as_app: AsApp, tmp_path: Path
) -> None:
    with asyncio.Runner() as runner:
        server = Server(runner)
        runner.run(server.open(server_dsn, template, as_app, tmp_path))
        try:
            machine = type("Machine", (Sessions,), {"server": server})
            run_state_machine_as_test(machine, settings=PROFILE)
        finally:
            runner.run(server.close())


@pytest.mark.parametrize("fault", ["replaced", "grace", "absolute"])
def test_the_model_itself_would_tell(fault: str) -> None:
    """Holds the model against what the contract says, so that it does not err as the code might."""
    world = World()
    user = ModelUser("ada@example.com", 1)
    first = world.start(user, "a" * 36)
    if fault == "replaced":
        second = world.replace(first, "b" * 36)
        assert (first.refusal(world.now), second.refusal(world.now)) == ("session_replaced", None)
    elif fault == "grace":
        second = world.replace(first, "b" * 36)
        world.now += GRACE - timedelta(microseconds=1)
        assert world.repeatable(first) is second
        world.now += timedelta(microseconds=1)
        assert world.repeatable(first) is None
    else:
        world.now = first.absolute_end - timedelta(minutes=1)
        assert world.replace(first, "b" * 36).expires_at == first.absolute_end
