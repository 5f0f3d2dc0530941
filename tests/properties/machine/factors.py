"""Steps with second factors: apps, recovery codes, sign-ins and confirmations that wait for one."""

import asyncio
import base64
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import multiple, precondition, rule
from tests.properties.machine.accounts import AccountSteps
from tests.properties.machine.steps import MAILBOXES, flags, known, numbers, owners, picks
from tests.properties.model.factors import PROVES, ModelChallenge
from tests.properties.model.sessions import ModelSession
from tests.properties.model.users import OWNER, THIEF, Caller, ModelApp, ModelUser
from tests.properties.workers import STRICT, Answer

from gatepost.errors import LastWayIn
from gatepost.features.totp.codes import code_at
from gatepost.models import Client

WRONG = "000000"
apps = st.sampled_from([0, 0, 0, -1, -2, 1, None])
"""How many steps from now the code is that an app shows; None for a wrong one."""
answers = st.tuples(st.just("totp"), apps) | st.tuples(
    st.just("recovery_code"), st.sampled_from(["good", "good", "used", "wrong"])
)


class FactorSteps(AccountSteps):
    """What is done with second factors."""

    # Setting up.

    @rule(target=known, worker=numbers, token=picks, by=owners, by_cookie=flags, typed=apps, goes_on=flags)
    def set_an_app_up(
        self,
        worker: int,
        token: int,
        by: Caller,
        by_cookie: bool,
        typed: int | None,
        goes_on: bool,
    ) -> Any:
        """Have a secret made, and perhaps confirm it with a code at once."""
        session = self.session(token)
        answer = self.ask(worker, "POST", "factors/totp", by, session, by_cookie)
        opened = self.opens(answer, session, by, by_cookie)
        if opened is None or not self.is_fresh_enough(answer, session):
            return multiple()
        secret = base64.b32decode(answer.data["secret"])
        waiting = self.begun(session, "totp")
        waiting.secret = waiting.secret or secret
        assert waiting.secret == secret
        return self.confirm_an_app(worker, token, by, by_cookie, typed) if goes_on else multiple()

    @rule(target=known, worker=numbers, token=picks, by=owners, by_cookie=flags, typed=apps)
    def confirm_an_app(self, worker: int, token: int, by: Caller, by_cookie: bool, typed: int | None) -> Any:
        session = self.session(token)
        key = (session.user, session.authenticated_at, "totp")
        waiting = self.world.enrolling.get(key)
        code = WRONG if waiting is None else self.code_of(waiting.secret, typed)
        answer = self.ask(worker, "POST", "factors/totp/confirm", by, session, by_cookie, {"code": code})
        opened = self.opens(answer, session, by, by_cookie)
        if opened is None:
            return multiple()
        if session.is_fresh(self.world.now):
            self.world.enrolling.pop(key, None)
            if waiting is None or not self.world.is_good(waiting):
                self.refused(answer, "challenge_expired")
                return multiple()
        if waiting is None or not self.is_fresh_enough(answer, session):
            return multiple()
        assert waiting.secret is not None
        step = self.world.step_of(waiting.secret, code)
        if step is None:
            self.refused(answer, "invalid_code")
            self.world.miss(waiting)
            self.world.enrolling[key] = waiting
            return multiple()
        assert answer.status == 200
        app = ModelApp(waiting.secret, step)
        self.world.enrol(opened.user, app, answer.data.get("recovery_codes", []))
        assert self.happened() == ["factor.enrolled", "session.revoked_all", "session.started"]
        return self.begin_anew(session, opened, answer, by, PROVES)

    @rule(target=known, worker=numbers, token=picks, by=owners, by_cookie=flags)
    def remove_the_app(self, worker: int, token: int, by: Caller, by_cookie: bool) -> Any:
        session = self.session(token)
        answer = self.ask(worker, "DELETE", "factors/totp", by, session, by_cookie)
        opened = self.opens(answer, session, by, by_cookie)
        if opened is None or not self.is_fresh_enough(answer, session):
            return multiple()
        if opened.user.app is None:
            self.refused(answer, "not_found", 404)
            return multiple()
        assert answer.status == 200
        opened.user.lose(None)
        self.world.sent.append(("factor_changed", opened.user.email))
        assert self.happened() == ["factor.removed", "session.revoked_all", "session.started"]
        return self.begin_anew(session, opened, answer, by)

    def begun(self, session: ModelSession, method: str) -> ModelChallenge:
        """Return what waits for a factor that is set up in a session, from now on if nothing did."""
        key = (session.user, session.authenticated_at, method)
        waiting = self.world.enrolling.get(key)
        if waiting is None or not self.world.is_good(waiting):
            waiting = self.world.challenge(session.user, None, enrols=True)
            self.world.enrolling[key] = waiting
        return waiting

    def begin_anew(
        self,
        session: ModelSession,
        opened: ModelSession,
        answer: Answer,
        by: Caller,
        proven: tuple[str, ...] = (),
    ) -> ModelSession:
        """Note the session with which its user goes on after a change of factors, no fresher than before."""
        methods, at = [*session.newest, *proven], session.authenticated_at
        return self.world.begin_anew(opened, "factor_changed", answer.token, by, methods, at)

    @rule(worker=numbers, token=picks, by=owners, by_cookie=flags)
    def have_new_recovery_codes(self, worker: int, token: int, by: Caller, by_cookie: bool) -> None:
        session = self.session(token)
        answer = self.ask(worker, "POST", "factors/recovery-codes", by, session, by_cookie)
        opened = self.opens(answer, session, by, by_cookie)
        if opened is None or not self.is_fresh_enough(answer, session):
            return
        if not opened.user.has_factor:
            self.refused(answer, "not_found", 404)
            return
        assert answer.status == 200
        opened.user.recovery_codes = dict.fromkeys(answer.data["recovery_codes"], True)
        self.world.sent.append(("factor_changed", opened.user.email))
        assert self.happened() == ["factor.recovery_codes_made"]

    @rule(email=st.sampled_from(MAILBOXES))
    def an_administrator_removes_the_factors(self, email: str) -> None:
        user = self.world.user(email)
        if user is None or not user.has_factor:
            return

        async def reset() -> None:
            gate = self.workers.gate()
            found = await gate.administration.find(email)
            await gate.factors.reset(found, reason="the telephone is lost", client=Client())

        if user.ways_in and not (user.password or user.is_verified):
            with pytest.raises(LastWayIn):
                self.workers.run(reset())
            return
        self.workers.run(reset())
        user.lose_factors()
        user.move()
        self.world.end_all(user, "factor_changed")
        self.world.sent.append(("factor_changed", email))
        assert "factor.reset" in self.happened()

    # Signing in.

    @precondition(lambda self: self.world.challenges)
    @rule(target=known, pick=picks, worker=numbers, what=answers, by=st.sampled_from([OWNER, OWNER, THIEF]))
    def answer_a_challenge(self, pick: int, worker: int, what: tuple[str, Any], by: Caller) -> Any:
        """Answer the step that a sign-in waits for, whoever does."""
        challenge = self.picked(self.world.challenges, pick)
        if challenge.enrols:
            return self.set_an_app_up_on_the_way_in(challenge, what[1], by)
        method, code = what[0], self.typed(challenge.user, *what)
        body = {"challenge": challenge.token, "method": method, "code": code}
        answer = self.call(worker, "POST", "login/factor", by, None, body)
        if not self.world.is_good(challenge):
            challenge.is_gone = True
            self.refused(answer, "challenge_expired")
        elif method not in challenge.user.methods:
            self.refused(answer, "validation_failed", 422)
        elif not self.world.answer(challenge.user, method, code):
            self.refused(answer, "invalid_code")
            self.world.miss(challenge)
        else:
            assert answer.status == 200
            challenge.is_gone = True
            used = ["factor.recovery_code_used"] if method == "recovery_code" else []
            assert self.happened() == [*used, "session.started"]
            return self.world.start(challenge.user, answer.token, by, (*challenge.proven, *PROVES))
        assert "session.started" not in self.happened()
        return multiple()

    def set_an_app_up_on_the_way_in(self, challenge: ModelChallenge, typed: object, by: Caller) -> Any:
        """Set a factor up where one has to have one, and then have a session; no other one stays."""
        asked = {"challenge": challenge.token, "method": "totp"}
        begun = self.call(STRICT, "POST", "login/factor/options", by, None, asked)
        if self.world.is_good(challenge):
            secret = base64.b32decode(begun.data["secret"])
            assert challenge.secret in {None, secret}
            challenge.secret = secret
        else:
            self.refused(begun, "challenge_expired")
        code = self.code_of(challenge.secret, typed if isinstance(typed, int) else None)
        answer = self.call(STRICT, "POST", "login/factor", by, None, asked | {"code": code})
        if not self.world.is_good(challenge):
            challenge.is_gone = True
            self.refused(answer, "challenge_expired")
            return multiple()
        assert challenge.secret is not None
        step, user = self.world.step_of(challenge.secret, code), challenge.user
        if step is None:
            self.refused(answer, "invalid_code")
            self.world.miss(challenge)
            return multiple()
        assert answer.status == 200
        challenge.is_gone = True
        self.world.enrol(user, ModelApp(challenge.secret, step), answer.data["recovery_codes"])
        self.world.end_all(user, "factor_changed")
        user.move()
        assert "factor.enrolled" in self.happened()
        return self.world.start(user, answer.token, by, (*challenge.proven, *PROVES))

    @precondition(lambda self: len(self.world.challenges) > 1)
    @rule(target=known, what=answers)
    def answer_two_with_one_code_at_once(self, what: tuple[str, Any]) -> Any:
        """Send a code to two sign-ins of one user in both workers: one is heard."""
        good = [each for each in self.world.challenges if self.world.is_good(each) and not each.enrols]
        of_one = [each for each in good if each.user is good[-1].user][-2:]
        if len(of_one) < 2:
            return multiple()
        user, method, code = of_one[0].user, what[0], self.typed(of_one[0].user, *what)
        if method not in user.methods:
            return multiple()
        bodies = [{"challenge": each.token, "method": method, "code": code} for each in of_one]

        async def ask() -> list[Answer]:
            return await asyncio.gather(
                *(
                    self.workers.call(worker, "POST", "login/factor", OWNER, None, body)
                    for worker, body in enumerate(bodies)
                )
            )

        answered = list(zip(of_one, self.workers.run(ask()), strict=True))
        right = [(challenge, answer) for challenge, answer in answered if answer.status == 200]
        assert len(right) == int(self.world.answer(user, method, code))
        for challenge, answer in answered:
            if answer.status != 200:
                self.refused(answer, "invalid_code")
                self.world.miss(challenge)
        for challenge, answer in right:
            challenge.is_gone = True
            return self.world.start(user, answer.token, OWNER, (*challenge.proven, *PROVES))
        return multiple()

    @precondition(lambda self: self.world.challenges)
    @rule(pick=picks, worker=numbers, path=st.sampled_from(["me", "sessions", "verify", "refresh"]))
    def take_a_challenge_for_a_session(self, pick: int, worker: int, path: str) -> None:
        challenge = self.picked(self.world.challenges, pick)
        method = "POST" if path == "refresh" else "GET"
        answer = self.call(worker, method, path, OWNER, challenge.token)
        self.refused(answer, "invalid_session")

    # Confirming.

    @precondition(lambda self: self.world.confirming)
    @rule(target=known, token=picks, worker=numbers, what=answers, by=owners, by_cookie=flags)
    def answer_a_confirmation(
        self, token: int, worker: int, what: tuple[str, Any], by: Caller, by_cookie: bool
    ) -> Any:
        """Answer the step after the password, where a session is to be fresh."""
        session = self.session(token)
        method, code = what[0], self.typed(session.user, *what)
        body = {"method": method, "code": code}
        answer = self.ask(worker, "POST", "confirm", by, session, by_cookie, body)
        opened = self.opens(answer, session, by, by_cookie)
        if opened is None:
            return multiple()
        key = (session.user, session.authenticated_at)
        waiting = self.world.confirming.pop(key, None)
        if waiting is None or not self.world.is_good(waiting):
            self.refused(answer, "challenge_expired")
            return multiple()
        if method not in opened.user.methods or not waiting.proven:
            # With nothing proven before it a passkey alone would do.
            self.refused(answer, "validation_failed", 422)
        elif not self.world.answer(opened.user, method, code):
            self.refused(answer, "invalid_code")
            self.world.miss(waiting)
        else:
            assert answer.status == 200
            assert "session.confirmed" in self.happened()
            return self.world.confirm(opened, answer.token, by, ("pwd", *PROVES))
        self.world.confirming[key] = waiting
        return multiple()

    # What is typed.

    def typed(self, user: ModelUser, method: str, which: Any) -> str:
        """Return a code of a user's app, or a recovery code."""
        if method == "totp":
            return self.code_of(None if user.app is None else user.app.secret, which)
        those = [code for code, is_good in user.recovery_codes.items() if is_good is (which == "good")]
        return those[0] if those and which != "wrong" else "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF"

    def code_of(self, secret: bytes | None, steps: int | None) -> str:
        """Return what an app shows so many steps from now."""
        return WRONG if secret is None or steps is None else code_at(secret, self.world.step + steps)
