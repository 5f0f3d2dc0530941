"""Steps with mail: verifying, forgotten passwords, other e-mails and back, sign-ins by mail, invitations."""

import asyncio
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import multiple, precondition, rule
from tests.conftest import PASSWORD
from tests.properties.machine.accounts import AccountSteps
from tests.properties.machine.steps import MAILBOXES, PASSWORDS, flags, known, numbers, owners, picks
from tests.properties.model.mail import ModelLink
from tests.properties.model.sessions import ModelSession
from tests.properties.model.users import APP, OWNER, THIEF, Caller, ModelUser
from tests.properties.workers import STRICT, Answer

from gatepost.features.email.admin_resets import LIFETIME as ADMIN_RESET_LIFETIME
from gatepost.features.email.admin_resets import AdminResets
from gatepost.features.email.errors import NotMailable
from gatepost.features.invitations.service import Invitations
from gatepost.models import Client

NEW_NAME = "y"
DOORS = {
    "password_reset": "password/reset",
    "verify_email": "email/verify",
    "sign_in": "login/email/finish",
    "email_change": "email/confirm",
    "email_undo": "email/undo",
    "sign_up": "email/verify",
}
"""What a link is for → where it is used."""
CODED = ("password_reset", "verify_email", "sign_in", "sign_up")

hows = st.sampled_from(["link", "link", "code", "wrong code"])
doors = st.sampled_from([None, None, None, *DOORS])
"""Where a link is used; None: where it leads to."""


class MailSteps(AccountSteps):
    """What is done by mail."""

    # What has a mail sent.

    @rule(worker=numbers, email=st.sampled_from(MAILBOXES), what=st.sampled_from(["password", "session"]))
    def ask_for_a_mail(self, worker: int, email: str, what: str) -> None:
        """Forget a password, or want to sign in by mail; whoever it is, the answer is the same."""
        path = "password/forgot" if what == "password" else "login/email"
        answer = self.call(worker, "POST", path, OWNER, None, {"email": email.upper()})
        assert (answer.status, answer.data) == (202, None)
        owner = self.world.user(email)
        user = owner if owner is not None and owner.is_active else None
        purpose = "password_reset" if what == "password" else "sign_in"
        template = "sign_up" if what == "session" and owner is None else purpose
        self.posted(
            template,
            email,
            user,
            purpose=purpose,
            has_code=True,
            by_mailbox=True,
            makes_account=what == "session",
        )
        assert self.happened() == ["password.forgotten" if what == "password" else "login.mail_requested"]

    @rule(worker=numbers, token=picks, by_cookie=flags)
    def have_the_e_mail_verified(self, worker: int, token: int, by_cookie: bool) -> None:
        session = self.session(token)
        answer = self.ask(worker, "POST", "email/verification", OWNER, session, by_cookie)
        opened = self.opens(answer, session, OWNER, by_cookie)
        if opened is not None:
            assert answer.status == 202
            if not opened.user.is_verified:
                self.posted("verify_email", opened.user.email, opened.user, has_code=True)

    @rule(worker=numbers, token=picks, email=st.sampled_from(MAILBOXES), by_cookie=flags)
    def want_another_e_mail(self, worker: int, token: int, email: str, by_cookie: bool) -> None:
        """Give another e-mail, whether or not somebody has it: that is told to its mailbox alone."""
        session = self.session(token)
        body = {"email": email, "password": session.user.password or PASSWORD}
        answer = self.ask(worker, "POST", "email", OWNER, session, by_cookie, body)
        opened = self.opens(answer, session, OWNER, by_cookie)
        if opened is None:
            return
        if email == opened.user.email:
            self.refused(answer, "validation_failed", 422)
        elif self.may_change(answer, session):
            assert (answer.status, answer.data) == (202, {"pending_email": email})
            self.posted("email_change", email, opened.user)
            assert self.happened() == ["email.change_requested"]

    @rule(email=st.sampled_from(MAILBOXES))
    def an_administrator_has_a_password_reset(self, email: str) -> None:
        user = self.world.user(email)
        if user is None:
            return

        async def send() -> bool:
            gate = self.workers.gate()
            found = await gate.administration.find(email)
            try:
                await gate.service(AdminResets).send(found, client=Client())
            except NotMailable:
                return False
            return True

        assert self.workers.run(send()) is user.is_active
        if user.is_active:
            self.posted("password_reset", email, user, lifetime=ADMIN_RESET_LIFETIME)
            assert self.happened() == ["password.reset_sent"]

    @rule(email=st.sampled_from(MAILBOXES))
    def an_administrator_invites(self, email: str) -> None:
        if self.world.user(email) is None:
            invitations = self.workers.gate().service(Invitations)
            issued = self.workers.run(invitations.create(email=email, send=True, client=Client()))
            link = self.posted("invitation", email, None, makes_account=True)
            assert (link.token, issued.sent) == (issued.token, True)
            assert self.happened() == ["invitation.created"]

    @precondition(lambda self: any(link.purpose == "invitation" for link in self.world.links))
    @rule(
        worker=st.sampled_from([0, STRICT, STRICT]), pick=picks, email=st.sampled_from(MAILBOXES), own=flags
    )
    def register_invited(self, worker: int, pick: int, email: str, own: bool) -> None:
        """Register with an invitation, one's own or another's, where one is needed or not."""
        link = self.picked([each for each in self.world.links if each.purpose == "invitation"], pick)
        email = link.email if own else email
        is_good = link.email == email and self.is_open_invitation(link)
        if worker != STRICT and self.world.user(email) is not None:
            return  # as everybody who registers with an e-mail that is taken
        body = {"email": email, "name": "x", "password": PASSWORD, "invitation": link.token}
        answer = self.call(worker, "POST", "register", OWNER, None, body)
        if worker == STRICT:
            if not is_good:
                self.refused(answer, "invalid_invitation", 403)
                return
            assert (answer.status, answer.data) == (202, {"pending_email": email})
            if self.world.user(email) is None:
                self.posted(
                    "verify_email",
                    email,
                    None,
                    purpose="sign_up",
                    has_code=True,
                    by_mailbox=True,
                    makes_account=True,
                )
                self.world.links[-1].invitation = link
            else:
                self.world.sent.append(("address_taken", email))
                self.world.supersede("sign_up", email)
                # As much is written as for a newcomer, and nobody is told what it is.
                ((link_id,),) = self.run("SELECT max(id) FROM auth_email_links")
                self.never_mailed.add(link_id)
            return
        if self.world.is_held(email):
            self.refused(answer, "email_taken", 409)
            return
        assert answer.status == 201
        link.is_used = link.is_used or is_good
        user = self.newcomer(email)
        self.posted("verify_email", email, user, has_code=True)
        self.world.start(user, answer.token, OWNER)

    def is_open_invitation(self, link: ModelLink) -> bool:
        return link.is_untouched() and self.world.now < link.made_at + link.lifetime

    def newcomer(self, email: str) -> ModelUser:
        """Note who has just got an account."""
        ((user_id,),) = self.run("SELECT id FROM users WHERE email = $1", email)
        user = ModelUser(email, user_id)
        self.world.users.append(user)
        return user

    # What a mail leads to.

    @precondition(lambda self: self.world.links)
    @rule(
        target=known,
        worker=st.sampled_from([0, 1, STRICT]),
        pick=picks,
        door=doors,
        how=hows,
        by=st.sampled_from([OWNER, APP, THIEF]),
        password=st.sampled_from(PASSWORDS),
    )
    def use_a_link(
        self, worker: int, pick: int, door: str | None, how: str, by: Caller, password: str
    ) -> Any:
        """Use any link or code there ever was, where it leads to or at another door."""
        link = self.picked(self.world.links, pick)
        door = door or (link.purpose if link.purpose in DOORS else "sign_up")
        how = how if door in CODED else "link"
        worker = STRICT if door == "sign_up" else worker
        is_good = self.would_work(link, door, how)
        if door == "sign_in" and link.user is None and worker == STRICT:
            is_good = False  # nobody signs up there without an invitation
        answer = self.call(worker, "POST", DOORS[door], by, None, self.shown(link, door, how, password))
        session = self.used(answer, link if is_good else None, door, by, worker, password)
        return multiple() if session is None else session

    @precondition(lambda self: self.world.links)
    @rule(target=known, worker=numbers, how=st.sampled_from(["link", "code"]), by=owners)
    def follow_the_newest_link(self, worker: int, how: str, by: Caller) -> Any:
        return self.use_a_link(worker, 0, None, how, by, PASSWORD)

    @precondition(lambda self: self.world.links)
    @rule(token=picks, worker=numbers, pick=picks, how=hows)
    def verify_while_signed_in(self, token: int, worker: int, pick: int, how: str) -> None:
        """Answer for an e-mail from a session, of its own account or another's."""
        session = self.session(token)
        link = self.picked(self.world.links, pick)
        is_good = self.would_work(link, "verify_email", how)
        body = self.shown(link, "verify_email", how, PASSWORD)
        answer = self.call(worker, "POST", "email/verify", session.by, session.token, body)
        if is_good and link.user is not None:
            is_own = link.user is session.user and session.refusal(self.world.now) is None
            assert answer.status == 200
            link.is_used = True
            self.world.verify(link.user, is_own=is_own)
        else:
            self.refused(answer, "invalid_link", 400)
        if session.refusal(self.world.now) is None:
            self.world.come(session)

    @precondition(lambda self: self.world.links)
    @rule(pick=picks, how=hows)
    def use_a_link_four_times_at_once(self, pick: int, how: str) -> None:
        """Reset a password four times at once in both workers: one of them counts."""
        link = self.picked(self.world.links, pick)
        if link.purpose != "password_reset":
            return
        goods = [self.would_work(link, link.purpose, how) for _ in range(4)]
        body = self.shown(link, link.purpose, how, PASSWORD)

        async def ask() -> list[Answer]:
            return await asyncio.gather(
                *(self.workers.call(n, "POST", DOORS[link.purpose], OWNER, None, body) for n in (0, 1, 0, 1))
            )

        statuses = sorted(answer.status for answer in self.workers.run(ask()))
        assert statuses == ([200] if any(goods) else [400]) + [400] * 3
        if any(goods):
            assert link.user is not None
            link.is_used = True
            self.world.set_password(link.user, PASSWORD)

    def shown(self, link: ModelLink, door: str, how: str, password: str) -> dict[str, str]:
        """Return what somebody sends who has read a mail."""
        body = (
            {"token": link.token} if how == "link" else {"email": link.email, "code": link.code or "00000000"}
        )
        if how == "wrong code":
            body["code"] = "00000001"
        if door == "password_reset":
            body["new_password"] = password
        elif door == "sign_up":
            body |= {"password": password, "name": NEW_NAME}
        elif door == "sign_in":
            body["name"] = NEW_NAME
        return body

    def would_work(self, link: ModelLink, door: str, how: str) -> bool:
        """Say whether it has to be good, and note the try at a code that it is."""
        if how == "link":
            return link.purpose == door and bool(link.token) and self.world.is_open(link)
        tried = self.world.try_code(door, link.email)
        if tried is not link or how != "code" or not link.token or not self.world.is_open(link):
            return False
        link.tries -= 1  # a right one is none
        return True

    def used(
        self, answer: Answer, link: ModelLink | None, door: str, by: Caller, worker: int, password: str
    ) -> ModelSession | None:
        """Hold the answer to a good link, or to what is none; return the session that it starts."""
        if link is None:
            self.refused(answer, "invalid_link", 400)
            assert not {"session.started", "user.registered", "password.reset"} & set(self.happened())
            return None
        if door == "sign_up":
            return self.signed_up(answer, link, by, worker, password)
        if link.user is None:
            assert answer.data is None or answer.status == 201
            link.is_used = True
            user = self.newcomer(link.email)
            user.password, user.is_verified = None, True
            return self.entered(answer, user, ("email",), by, worker)
        user = link.user
        if door in {"email_change", "email_undo"} and self.world.user(link.email) not in {None, user}:
            self.refused(answer, "email_taken", 409)
            return None
        link.is_used = True
        if door == "sign_in":
            self.world.verify(user, is_own=False)
            return self.entered(answer, user, ("email",), by, worker)
        assert (answer.status, answer.data, answer.token) == (200, None, "")
        if door == "password_reset":
            self.world.set_password(user, password)
        elif door == "verify_email":
            self.world.verify(user, is_own=False)
        elif door == "email_undo":
            self.world.undo(link)
        else:
            former = user.email
            self.world.change_email(user, link.email)
            self.posted("email_changed", former, user, purpose="email_undo", is_bound=False)
        assert EVENTS[door] in self.happened()
        return None

    def signed_up(
        self, answer: Answer, link: ModelLink, by: Caller, worker: int, password: str
    ) -> ModelSession | None:
        """Hold that there is a user now, whose mailbox has answered, with the password chosen then."""
        if link.invitation is None or not self.is_open_invitation(link.invitation):
            self.refused(answer, "invalid_invitation", 403)
            return None
        link.is_used = link.invitation.is_used = True
        user = self.newcomer(link.email)
        user.is_verified, user.password = True, password
        assert "user.registered" in self.happened()
        return self.entered(answer, user, ("pwd",), by, worker)


EVENTS = {
    "password_reset": "password.reset",
    "verify_email": "email.verified",
    "email_change": "user.email_changed",
    "email_undo": "email.change_undone",
}
"""What each door leaves on the trail."""
