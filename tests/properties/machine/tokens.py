"""Steps with tokens that are used, replaced, lost, stolen and ended, and with guessed passwords."""

import asyncio
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import multiple, rule
from tests.conftest import PASSWORD
from tests.properties.machine.accounts import TICK, AccountSteps
from tests.properties.machine.steps import MAILBOXES, PASSWORDS, callers, flags, known, numbers, owners
from tests.properties.model.sessions import GRACE, LIFETIME, ModelSession
from tests.properties.model.users import APP, GUESSES, OWNER, Caller
from tests.properties.workers import Answer


class TokenSteps(AccountSteps):
    """What is done with tokens and passwords."""

    @rule(
        worker=numbers,
        email=st.sampled_from(MAILBOXES),
        times=st.integers(0, GUESSES.burst + 1),
    )
    def strangers_try(self, worker: int, email: str, times: int) -> None:
        """Register an e-mail that is taken, or guess a password."""
        if times == 0 and self.world.user(email):
            body = {"email": email.upper(), "name": "x", "password": PASSWORD}
            assert self.call(worker, "POST", "register", APP, None, body).status == 409
        for number in range(times):
            answer = self.try_login((worker + number) % 2, email, PASSWORD + "!", OWNER)
            if answer is not None:
                self.refused(answer, "invalid_credentials")

    # Tokens that are used.

    @rule(
        worker=numbers,
        path=st.sampled_from(["me", "sessions", "export"]),
        session=known,
        by=callers,
        by_cookie=flags,
    )
    def look(self, worker: int, path: str, session: ModelSession, by: Caller, by_cookie: bool) -> None:
        """Use a token, whoever has it; the copy of all data is for a fresh session alone."""
        self.use(worker, path, session, by, by_cookie)

    @rule(worker=numbers, session=known, times=st.integers(1, 5))
    def a_browser_goes_on(self, worker: int, session: ModelSession, times: int) -> None:
        """Use a cookie whenever half of its session's life is over."""
        for _ in range(times):
            self.time_passes(max(timedelta(), session.expires_at - LIFETIME / 2 - self.world.now))
            self.use(worker, "me", session, session.by, by_cookie=True)

    @rule(session=known, by=callers)
    def tabs_at_once(self, session: ModelSession, by: Caller) -> None:
        """Tabs of a browser, while one of them refreshes: all of them are answered."""
        if session.refusal(self.world.now) is not None:
            return

        async def ask() -> list[Answer]:
            asked = [("POST", "refresh"), ("GET", "me"), ("GET", "sessions"), ("GET", "me")]
            return await asyncio.gather(
                *(
                    self.workers.by_cookie(number % 2, method, path, by, session.token)
                    for number, (method, path) in enumerate(asked)
                )
            )

        # Whoever comes first has its use noted, and perhaps its end moved.
        self.world.come(session)
        self.world.renew(session)
        self.workers.run(self.workers.by_cookie(0, "GET", "me", by, session.token))
        refreshed, *others = self.workers.run(ask())
        assert [answer.status for answer in (refreshed, *others)] == [200] * 4
        self.world.replace(session, refreshed.token, by)

    # Tokens that are replaced.

    @rule(
        target=known,
        worker=numbers,
        session=known,
        by=callers,
        how=st.sampled_from(["by cookie", "as bearer", "in both workers at once"]),
        is_lost=flags,
        then=st.none() | st.tuples(st.sampled_from([timedelta(), GRACE - TICK, GRACE]), callers),
    )
    def refresh(
        self,
        worker: int,
        session: ModelSession,
        by: Caller,
        how: str,
        is_lost: bool,
        then: tuple[timedelta, Caller] | None,
    ) -> Any:
        """Refresh a token, and once more, as one whose answer was lost, a tab that is late, or a thief."""
        if how == "in both workers at once" and session.refusal(self.world.now) is None:
            new: ModelSession | None = self.refresh_at_once(session, by)
        else:
            new = self.try_refresh(worker, session, by, how == "by cookie")
        found = [] if new is None or is_lost else [new]
        if then is not None:
            after, another = then
            self.time_passes(after)
            again = self.try_refresh(1 - worker, session, another, how == "by cookie")
            found += [] if again is None or again in found else [again]
        return multiple(*found)

    def try_refresh(
        self, worker: int, session: ModelSession, by: Caller, by_cookie: bool
    ) -> ModelSession | None:
        """Hold the answer to a refresh; return the session whose token it hands out."""
        world, answer = self.world, self.ask(worker, "POST", "refresh", by, session, by_cookie)
        repeated = world.repeated(session, by)
        if repeated is not None:
            assert (answer.status, answer.token) == (200, repeated.token)
            return repeated
        if by_cookie and session.refusal(world.now) is not None and world.held(session, by):
            assert (answer.status, answer.token) == (200, "")
            return None
        refusal = world.refuse_refresh(session, by)
        if refusal is not None:
            self.refused(answer, refusal)
            return None
        assert answer.status == 200
        assert ("token" in answer.data) is not by_cookie
        return world.replace(session, answer.token, by)

    def refresh_at_once(self, session: ModelSession, by: Caller) -> ModelSession:
        async def ask() -> list[Answer]:
            return await asyncio.gather(
                *(self.workers.call(n, "POST", "refresh", by, session.token) for n in (0, 1, 0, 1))
            )

        (token,) = {answer.token for answer in self.workers.run(ask())}
        return self.world.replace(session, token, by)

    @rule(
        target=known,
        worker=numbers,
        session=known,
        by=owners,
        by_cookie=flags,
        is_lost=flags,
    )
    def change_password(
        self, worker: int, session: ModelSession, by: Caller, by_cookie: bool, is_lost: bool
    ) -> Any:
        current = session.user.password or PASSWORD
        (another,) = (each for each in PASSWORDS if each != current)
        body = {"current": current, "new": another}
        answer = self.ask(worker, "POST", "password", by, session, by_cookie, body)
        opened = self.opens(answer, session, by, by_cookie)
        if opened is None or not self.may_change(answer, session):
            return multiple()
        assert answer.status == 200
        new = self.world.change_password(session, opened, another, answer.token, by)
        assert self.happened() == ["password.changed", "session.revoked_all", "session.started"]
        return multiple() if is_lost else new

    # Sessions that are ended.

    @rule(worker=numbers, session=known, by=callers, by_cookie=flags, everywhere=flags)
    def logout(
        self, worker: int, session: ModelSession, by: Caller, by_cookie: bool, everywhere: bool
    ) -> None:
        path = "logout-all" if everywhere else "logout"
        answer = self.ask(worker, "POST", path, by, session, by_cookie)
        refusal = session.refusal(self.world.now)
        held = self.world.held(session, by) if by_cookie and refusal is not None else None
        if refusal is not None and held is None:
            self.refused(answer, refusal)
            return
        root = None if everywhere else (held or session).root
        ended = self.world.end_all(session.user, path.replace("-", "_"), root)
        assert (answer.status, answer.data) == (200, {"sessions_revoked": ended} if everywhere else None)

    @rule(worker=numbers, session=known, by=callers, by_cookie=flags)
    def logout_everywhere_else(self, worker: int, session: ModelSession, by: Caller, by_cookie: bool) -> None:
        answer = self.ask(worker, "POST", "logout-others", by, session, by_cookie)
        opened = self.opens(answer, session, by, by_cookie)
        if opened is not None:
            ended = self.world.end_all(session.user, "revoked", kept=opened.root)
            assert answer.data == {"sessions_revoked": ended}

    @rule(worker=numbers, session=known, other=known, by=callers, by_cookie=flags)
    def end_by_id(
        self, worker: int, session: ModelSession, other: ModelSession, by: Caller, by_cookie: bool
    ) -> None:
        answer = self.ask(worker, "DELETE", f"sessions/{other.id}", by, session, by_cookie)
        refusal = session.refusal(self.world.now)
        if refusal is not None and not (by_cookie and self.world.held(session, by)):
            self.refused(answer, refusal)
            return
        ended = 0
        if other.user is session.user and not other.purged:
            ended = self.world.end_all(session.user, "revoked", other.root)
        assert answer.status == (200 if ended else 404)
        if refusal is None and session.reason is None:
            self.world.come(session, only="confirm")

    @rule(
        worker=numbers,
        session=known,
        path=st.sampled_from(["refresh", "logout", "logout-all", "logout-others", "cleanup"]),
        site=st.sampled_from(["cross-site", "same-site"]),
    )
    def another_site_tries(self, worker: int, session: ModelSession, path: str, site: str) -> None:
        answer = self.ask(worker, "POST", path, OWNER, session, by_cookie=True, site=site)
        assert (answer.status, answer.token) == (403, "")
