"""What all steps have: who asks, how an answer is held against the model, and what holds after each."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant
from tests.conftest import PASSWORD
from tests.properties.model.factors import World
from tests.properties.model.mail import LIFETIMES, ModelLink
from tests.properties.model.sessions import ModelSession
from tests.properties.model.users import APP, OWNER, THIEF, Caller, ModelUser
from tests.properties.workers import STRICT, Answer, Workers

from gatepost.features.email.notices import UNPROVEN_MAX

FUZZ = int(os.environ.get("FUZZ_EXAMPLES", "0"))
PART = os.environ.get("FUZZ_PART", "")

USERS = ("ada@example.com", "bob@example.com")
"""Who registers by themselves."""
MAILBOXES = (*USERS, "new@example.com")
numbers = st.integers(0, 1)
all_workers = st.sampled_from([0, 0, 1, 1, STRICT])
callers = st.sampled_from([OWNER, OWNER, OWNER, APP, THIEF])
owners = st.sampled_from([OWNER, APP])
flags = st.booleans()
picks = st.integers(0, 2) | st.integers(0, 30)
"""Which of those that there are, the newest for 0; of sessions the first few numbers are live ones."""
PASSWORDS = (PASSWORD, "another " + PASSWORD)
known = Bundle("known")
"""Sessions whose tokens somebody holds, live or not."""


T = TypeVar("T")


class Mailed(NamedTuple):
    """A row of the outbox."""

    template: str
    recipient: str
    link_id: int | None
    user_id: int | str | None


class Steps(RuleBasedStateMachine):
    """What all of them have."""

    workers: ClassVar[Workers]
    examples: ClassVar[int] = 0
    wanted: ClassVar[int] = 1

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.workers.now = self.world.now
        self.workers.run(self.workers.begin_again())
        self.newest = self.run("SELECT coalesce(max(id), 0) FROM auth_events")[0][0]
        self.unread: list[Mailed] = []
        """Mails of this step that no step has read yet."""
        self.notices: list[tuple[str, datetime]] = []
        """To which mailbox a notice went, and when."""
        self.never_mailed: set[int] = set()
        """Links that nobody ever has."""
        self.newest_mail = 0

    def teardown(self) -> None:
        type(self).examples += 1
        done, former = (100 * examples // self.wanted for examples in (self.examples, self.examples - 1))
        if FUZZ and done > former:
            bar = "#" * (done // 5)
            sys.stderr.write(f"{PART} [{bar:20}] {self.examples:,} of {self.wanted:,} examples\n")

    def run(self, sql: str, *args: object) -> list[Any]:
        rows: list[Any] = self.workers.run(self.workers.db.fetch(sql, *args))
        return rows

    def call(self, worker: int, method: str, path: str, by: Caller, *args: object) -> Answer:
        answer: Answer = self.workers.run(self.workers.call(worker, method, path, by, *args))  # type: ignore[arg-type]  # passed on
        return answer

    def ask(
        self,
        worker: int,
        method: str,
        path: str,
        by: Caller,
        session: ModelSession,
        by_cookie: bool,
        body: object = None,
        site: str = "same-origin",
    ) -> Answer:
        if by_cookie:
            asked = self.workers.by_cookie(worker, method, path, by, session.token, body, site)
        else:
            asked = self.workers.call(worker, method, path, by, session.token, body)
        answer: Answer = self.workers.run(asked)
        return answer

    def picked(self, those: Sequence[T], pick: int) -> T:
        """Return one of those that there are, the newest for 0."""
        return those[-1 - pick % len(those)]

    def session(self, pick: int) -> ModelSession:
        """Return a session, live or not."""
        live = [each for each in self.world.sessions if each.refusal(self.world.now) is None]
        return self.picked(live if live and pick < 3 else self.world.sessions, pick)

    # What is held against the model.

    def refused(self, answer: Answer, code: str | None, status: int = 401) -> None:
        assert (answer.status, answer.code, answer.status >= 400 and answer.token) == (status, code, "")

    def opens(
        self, answer: Answer, session: ModelSession, by: Caller, by_cookie: bool
    ) -> ModelSession | None:
        """Hold the answer to whether this token opens anything; return the live session that it opens.

        A token that was replaced opens what took its place, and is no fresher than it was itself.
        """
        held = self.world.held(session, by) if by_cookie else None
        refusal = session.refusal(self.world.now)
        if refusal is not None and held is None:
            self.refused(answer, refusal)
            return None
        if refusal is not None:
            return held
        self.world.come(session)
        if by_cookie:
            self.world.renew(session)
        return session

    def happened(self) -> list[str]:
        """Return what is on the trail of this step so far, in the order of names."""
        rows = self.run("SELECT action FROM auth_events WHERE id > $1 ORDER BY action", self.newest)
        return [row["action"] for row in rows]

    def entered(
        self, answer: Answer, user: ModelUser, proven: tuple[str, ...], by: Caller, worker: int
    ) -> ModelSession | None:
        """Hold what a proof leads to: a session, or None where one more step is due before there is one."""
        enrols = worker == STRICT and not user.has_factor
        methods = ("passkey", "totp") if enrols else user.methods
        if not methods or "mfa" in proven:
            assert answer.status in {200, 201}
            return self.world.start(user, answer.token, by, proven)
        self.refused(answer, "factor_enrolment_required" if enrols else "second_factor_required")
        assert tuple(answer.error["methods"]) == methods
        challenge = self.world.challenge(user, answer.error["challenge"], proven, enrols=enrols)
        self.world.challenges.append(challenge)
        assert "session.started" not in self.happened()
        return None

    def may_change(self, answer: Answer, session: ModelSession) -> bool:
        """Hold whether the password changes what one signs in with, or this session for who has none."""
        is_enough = session.user.password is not None and not session.user.has_factor
        return is_enough or self.is_fresh_enough(answer, session)

    def is_fresh_enough(self, answer: Answer, session: ModelSession) -> bool:
        """Hold whether its user has proven who they are a moment ago, as far as they can."""
        if session.is_fresh(self.world.now) and ("mfa" in session.newest or not session.user.has_factor):
            return True
        self.refused(answer, "fresh_session_required", 403)
        return False

    # Mail.

    def collect(self) -> None:
        """Take what was put into the outbox since."""
        rows = self.run(
            "SELECT id, template, recipient, link_id, user_id FROM auth_messages WHERE id > $1 ORDER BY id",
            self.newest_mail,
        )
        for row in rows:
            self.newest_mail = row["id"]
            self.unread.append(Mailed(row["template"], row["recipient"], row["link_id"], row["user_id"]))

    def posted(
        self,
        template: str,
        email: str,
        user: ModelUser | None,
        *,
        purpose: str | None = None,
        has_code: bool = False,
        is_bound: bool = True,
        by_mailbox: bool = False,
        makes_account: bool = False,
        lifetime: timedelta | None = None,
    ) -> ModelLink:
        """Hold that one mail with a link was written, to this mailbox, and read it."""
        self.collect()
        (mail,) = (mail for mail in self.unread if mail.link_id is not None)
        self.unread.remove(mail)
        assert mail[:2] == (template, email)
        assert mail.user_id == (None if user is None else user.id)
        assert mail.link_id is not None
        url, code = self.workers.run(self.workers.reveal(mail.link_id))
        purpose = purpose or template
        link = ModelLink(
            id=mail.link_id,
            purpose=purpose,
            email=email,
            user=user,
            token=url.partition("=")[2],
            code=code if has_code else None,
            made_at=self.world.now,
            lifetime=lifetime or LIFETIMES[purpose],
            stamp=user.stamp if user is not None and is_bound else None,
            makes_account=makes_account,
        )
        is_somebodys = user is not None or (makes_account and self.world.user(email) is None)
        # A mail for nobody is never sent, and its link has no token that anybody learns.
        assert (bool(link.token), bool(code)) == (is_somebodys, is_somebodys and has_code)
        return self.world.issue(link, by_mailbox=by_mailbox)

    # What holds after each.

    @invariant()
    def all_is_as_the_model_has_it(self) -> None:
        self.users_are_the_models()
        self.sessions_are_the_models()
        self.each_token_opens_what_it_should()
        self.links_are_the_models()
        self.challenges_are_the_models()
        self.mails_are_the_models()
        self.newest = self.run("SELECT coalesce(max(id), 0) FROM auth_events")[0][0]

    def users_are_the_models(self) -> None:
        rows = self.run(
            """
            SELECT u.*, a.last_step, ARRAY(SELECT p.sign_count FROM auth_passkeys p WHERE p.user_id = u.id
                ORDER BY p.id) AS passkeys, (SELECT count(*) FILTER (WHERE c.used_at IS NULL)
                FROM auth_recovery_codes c WHERE c.user_id = u.id) AS codes
            FROM users u LEFT JOIN auth_totp a ON a.user_id = u.id ORDER BY u.id
            """
        )
        assert [row["id"] for row in rows] == [user.id for user in self.world.users]
        for user, row in zip(self.world.users, rows, strict=True):
            assert (row["email"], row["is_active"]) == (user.email, user.is_active)
            assert (row["email_verified_at"] is not None) is user.is_verified
            assert (row["hashed_password"] is not None) is (user.password is not None)
            assert row["last_step"] == (user.app and user.app.last_step)
            assert row["passkeys"] == [device.passkeys[0].count for device in user.passkeys]
            assert row["codes"] == sum(user.recovery_codes.values())
            # Whoever has no password has a passkey, or a mailbox that answered, by which they choose one.
            ways = row["hashed_password"], row["email_verified_at"], row["passkeys"] or None
            assert any(way is not None for way in ways)

    def sessions_are_the_models(self) -> None:
        rows = self.run("SELECT * FROM user_sessions ORDER BY id")
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
            assert row["authenticated_at"] == session.authenticated_at
            times = row["methods_at"] or [None] * len(row["methods"])
            proven = {m: at or row["authenticated_at"] for m, at in zip(row["methods"], times, strict=True)}
            assert (proven, row["aal"]) == (session.proven, session.aal)
            assert (row["ip_address"], row["user_agent"]) == session.by
            assert row["family_id"] == (None if session.family is None else session.family.id)
            assert row["replaced_by"] == (None if session.successor is None else session.successor.id)
            assert row["handed_by"] == session.handed
            # Whoever has a second factor has no session without it.
            assert row["aal"] == 2 or not (row["is_active"] and session.user.has_factor)

    def id_of(self, session: ModelSession, rows: list[Any]) -> int:
        (found,) = [row["id"] for row in rows if row["session_token"].startswith(session.token[:8] + ".")]
        return int(found)

    def each_token_opens_what_it_should(self) -> None:
        opening = self.workers.gate().session_tokens

        async def look() -> list[Any]:
            parsed = [opening._codec.parse(session.token) for session in self.world.sessions]
            return await asyncio.gather(*(opening._lookups.find(tokens) for tokens in parsed))

        for session, found in zip(self.world.sessions, self.workers.run(look()), strict=True):
            refusal = session.refusal(self.world.now)
            refused = None if found is None else found.refused
            opened = None if found is None else found.session
            assert (opened is not None) == (refusal is None)
            if opened is not None:
                assert (opened.id, opened.is_fresh) == (session.id, session.is_fresh(self.world.now))
            else:
                assert refusal == ("invalid_session" if refused is None else refused.error.code)

    def links_are_the_models(self) -> None:
        """Hold which links still work, without using one."""
        statuses = self.workers.run(self.workers.link_statuses())
        for link in self.world.links:
            assert (statuses.pop(link.id, "purged") == "open") is self.world.is_open(link)
        assert "open" not in {status for link, status in statuses.items() if link not in self.never_mailed}

    def challenges_are_the_models(self) -> None:
        """Hold which challenges could still be answered, without answering one."""
        good = self.run(
            """
            SELECT c.purpose, c.tries FROM auth_challenges c JOIN users u ON u.id = c.user_id
            WHERE c.expires_at > $1 AND u.is_active AND gatepost.credentials_stamp(u) = c.stamp
            ORDER BY c.purpose, c.tries
            """,
            self.world.now,
        )
        waiting = (
            ("confirm", self.world.confirming.values()),
            ("enrol", self.world.enrolling.values()),
            ("sign_in", self.world.challenges),
        )
        expected = [
            (purpose, each.tries) for purpose, those in waiting for each in those if self.world.is_good(each)
        ]
        assert [tuple(row) for row in good] == sorted(expected)

    def mails_are_the_models(self) -> None:
        """Hold that what was not read in the step is what people are told, each at their own mailbox."""
        self.collect()
        owners: dict[object, str] = {user.id: user.email for user in self.world.users}
        told = [mail for mail in self.unread if mail.template != "new_sign_in"]
        assert all(mail.recipient == owners[mail.user_id] for mail in self.unread if mail not in told)
        assert all(mail.link_id is None for mail in self.unread)
        sent, due = Counter(mail[:2] for mail in told), Counter(self.world.sent)
        assert not sent - due
        assert all(self.is_flooded(mailbox) for _, mailbox in due - sent), due - sent
        self.notices += [(mail.recipient, self.world.now) for mail in self.unread]
        self.unread.clear()
        self.world.sent.clear()

    def is_flooded(self, mailbox: str) -> bool:
        """Say whether an address that nobody has proven was told as much as it is in an hour."""
        user, since = self.world.user(mailbox), self.world.now - timedelta(hours=1)
        lately = [at for each, at in self.notices if each == mailbox and at > since]
        return user is not None and not user.is_verified and len(lately) >= UNPROVEN_MAX
