"""Steps with accounts: registering, signing in, confirming, being disabled; and time."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, multiple, precondition, rule
from tests.conftest import PASSWORD
from tests.properties.machine.steps import (
    MAILBOXES,
    USERS,
    Steps,
    all_workers,
    flags,
    known,
    numbers,
    owners,
    picks,
)
from tests.properties.model.sessions import ABSOLUTE, FRESH, GRACE, HISTORY, LIFETIME, ModelSession
from tests.properties.model.users import OWNER, Caller, ModelUser
from tests.properties.workers import Answer

from gatepost.features.totp.codes import PERIOD
from gatepost.models import Client

TICK = timedelta(microseconds=1)
STEP = timedelta(seconds=PERIOD)


class AccountSteps(Steps):
    """What is done with accounts, and time."""

    # Accounts.

    @initialize(target=known, worker=numbers)
    def register_the_first(self, worker: int) -> ModelSession:
        session = self.register(worker, USERS[0])
        assert session is not None
        return session

    def register(self, worker: int, email: str) -> ModelSession | None:
        body = {"email": email, "name": "x", "password": PASSWORD}
        answer = self.call(worker, "POST", "register", OWNER, None, body)
        if self.world.is_held(email):
            self.refused(answer, "email_taken", 409)
            return None
        assert answer.status == 201
        user = ModelUser(email, answer.data["user"]["id"])
        self.world.users.append(user)
        self.posted("verify_email", email, user, has_code=True)
        return self.world.start(user, answer.token, OWNER)

    @precondition(lambda self: len(self.world.users) < 3)
    @rule(target=known, worker=numbers, email=st.sampled_from(USERS))
    def register_another(self, worker: int, email: str) -> Any:
        session = None if self.world.user(email) else self.register(worker, email)
        return multiple() if session is None else session

    def try_login(self, worker: int, email: str, password: str, by: Caller) -> Answer | None:
        """Try to sign in; None where that was one too many, as it had to be."""
        wait = self.world.charge(email)
        answer = self.call(worker, "POST", "login", by, None, {"email": email, "password": password})
        if wait is None:
            return answer
        assert (answer.status, dict(answer.headers)["retry-after"]) == (429, str(wait))
        return None

    @rule(target=known, worker=all_workers, email=st.sampled_from(MAILBOXES), by=owners)
    def login(self, worker: int, email: str, by: Caller) -> Any:
        user = self.world.user(email)
        password = None if user is None else user.password
        answer = self.try_login(worker, email, password or PASSWORD, by)
        if answer is None:
            return multiple()
        if user is None or not user.is_active or password is None:
            self.refused(answer, "invalid_credentials")
            return multiple()
        session = self.entered(answer, user, ("pwd",), by, worker)
        if session is None:
            return multiple()
        self.world.give_back(email)
        return session

    @rule(email=st.sampled_from(MAILBOXES), is_active=flags, by_sql=flags)
    def disable_or_enable(self, email: str, is_active: bool, by_sql: bool) -> None:
        user = self.world.user(email)
        if user is None:
            return

        async def change() -> None:
            if by_sql:
                sql = "UPDATE users SET is_active = $1 WHERE email = $2"
                await self.workers.db.execute(sql, is_active, email)
                return
            administration = self.workers.gate().administration
            await administration.set_active(
                await administration.find(email), is_active=is_active, client=Client()
            )

        self.workers.run(change())
        if user.is_active != is_active:
            user.move()
        user.is_active = is_active
        if not (is_active or by_sql):
            self.world.end_all(user, "user_disabled")

    @rule(
        target=known,
        worker=numbers,
        token=picks,
        by=owners,
        by_cookie=flags,
        then=st.sampled_from(["lost", "kept", "used"]),
    )
    def confirm(self, worker: int, token: int, by: Caller, by_cookie: bool, then: str) -> Any:
        """Prove once more who one is, with the password; a second factor comes after it."""
        session = self.session(token)
        body = {"password": session.user.password or PASSWORD}
        answer = self.ask(worker, "POST", "confirm", by, session, by_cookie, body)
        opened = self.opens(answer, session, by, by_cookie)
        if opened is None:
            return multiple()
        user = opened.user
        if user.password is None:
            self.refused(answer, "invalid_credentials")
            return multiple()
        if user.has_factor:
            self.refused(answer, "second_factor_required")
            assert (tuple(answer.error["methods"]), answer.error.get("challenge")) == (user.methods, None)
            waiting = self.world.challenge(user, None, ("pwd",))
            self.world.confirming[user, session.authenticated_at] = waiting
            return multiple()
        assert answer.status == 200
        new = self.world.confirm(opened, answer.token, by)
        if then == "used":
            self.use(worker, "me", new, by, by_cookie)
        return multiple() if then == "lost" else new

    def use(self, worker: int, path: str, session: ModelSession, by: Caller, by_cookie: bool) -> None:
        answer = self.ask(worker, "GET", path, by, session, by_cookie)
        is_refused = answer.code == "fresh_session_required"
        opened = self.opens(Answer(200, [], b"") if is_refused else answer, session, by, by_cookie)
        if opened is None:
            return
        is_fresh = session.is_fresh(self.world.now)
        assert answer.status == (403 if path == "export" and not is_fresh else 200)
        if path == "me":
            until = session.expires_at.isoformat()[:19]
            assert answer.data["session_info"]["expires_at"].startswith(until)
            assert (answer.data["user"]["email"], answer.token) == (session.user.email, "")
        elif path == "sessions":
            listed = {each["session_token"]: each["is_current"] for each in answer.data["sessions"]}
            live = self.world.live(session.user)
            assert listed == {f"{s.token[:8]}...": s is opened for s in live}

    # What goes on by itself.

    @rule(
        by=st.one_of(
            st.sampled_from([TICK, GRACE, STEP, FRESH, LIFETIME, ABSOLUTE, HISTORY]),
            st.sampled_from([GRACE, LIFETIME / 2, LIFETIME, HISTORY]).map(lambda span: span - TICK),
            st.integers(1, 40).map(lambda minutes: timedelta(minutes=minutes)),
        )
    )
    def time_passes(self, by: timedelta) -> None:
        self.world.now = self.workers.now = self.world.now + by

    @rule(session=known, microseconds=st.sampled_from([-1, 0, 1]))
    def time_comes_to_the_end_of(self, session: ModelSession, microseconds: int) -> None:
        at = session.expires_at + timedelta(microseconds=microseconds)
        if at > self.world.now:
            self.world.now = self.workers.now = at

    @rule(what=st.sampled_from(["clean-up", "write-behind", "another key"]))
    def the_server_goes_on(self, what: str) -> None:
        if what == "clean-up":
            cleaned = self.workers.run(self.workers.gate().housekeeping.run(client=Client()))
            assert (cleaned.expired, cleaned.purged) == self.world.cleanup()
        elif what == "write-behind":
            self.workers.run(self.workers.write_behind())
        else:
            self.workers.run(self.workers.rotate())
            self.world.rotate()
