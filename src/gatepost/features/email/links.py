"""Links and codes that mails lead to: one door for all of them, however they are used."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from gatepost.db.pool import Connection, Database
from gatepost.features.email import link_store as store
from gatepost.features.email import new_link_store
from gatepost.features.email.actions import EmailAction
from gatepost.features.email.errors import InvalidLink
from gatepost.features.email.link_store import MailLink, Purpose
from gatepost.features.email.new_link_store import NewLink
from gatepost.features.email.secrets import MailSecrets
from gatepost.models import Client
from gatepost.security.emails import canonical_email
from gatepost.security.links import LinkCodec, StoredLink
from gatepost.services.audit import Audit
from gatepost.services.clock import Clock
from gatepost.services.throttles import Throttles
from gatepost.services.typed import read
from gatepost.store import links

PATHS = {
    Purpose.PASSWORD_RESET: "/auth/reset-password",
    Purpose.VERIFY_EMAIL: "/auth/verify-email",
    Purpose.SIGN_IN: "/auth/sign-in/email/finish",
    Purpose.INVITATION: "/auth/sign-up",
    Purpose.SIGN_UP: "/auth/finish-sign-up",
    Purpose.EMAIL_CHANGE: "/auth/confirm-email",
    Purpose.EMAIL_UNDO: "/auth/undo-email",
}
"""What a link is for → the page that it leads to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What somebody shows who has read a mail: the token of its link, or the code and whose it is.

    Attributes:
        token: of the link; None where a code is typed.
        email: as it was typed.
        code: as it was typed.
        browser: what the browser keeps in which that was; None where it keeps nothing.
    """

    token: str | None = None
    email: str | None = None
    code: str | None = None
    browser: str | None = field(default=None, repr=False)


class MailLinks:
    """Makes links for mails, knows good ones, and tells the sender what stands in them.

    Args:
        database: where they are.
        secrets: makes their tokens and codes.
        codec: knows the tokens of invitations, which are not kept here.
        throttles: limits how often one may be guessed.
        audit: told of those that are refused.
        clock: what time it is.
        root: what stands before the pages in links, from the settings alone: no header of a request has a
            say in it.
    """

    def __init__(
        self,
        database: Database,
        *,
        secrets: MailSecrets,
        codec: LinkCodec,
        throttles: Throttles,
        audit: Audit,
        clock: Clock,
        root: str,
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._codec = codec
        self._throttles = throttles
        self._audit = audit
        self._clock = clock
        self._root = root

    # --- For the sender ---

    async def reveal(self, conn: Connection, link_id: int) -> Mapping[str, str] | None:
        """Return the `url` and the `code` of a link; None where it can't be used any more, or is nobody's."""
        link = await store.get(conn, link_id, at=self._clock())
        if link is None or link.nonce is None or link.status != "open":
            return None
        made = self._secrets.reveal(link.nonce, link.digest)
        if made is None:
            return None
        purpose = Purpose(link.purpose)
        if purpose is Purpose.INVITATION and not await self._still_invites(conn, made.token):
            return None
        named = "invitation" if purpose is Purpose.INVITATION else "token"
        url = f"{self._root}{PATHS[purpose]}?{named}={made.token}"
        told = {"url": url, "code": made.code}
        if link.code_expires_at is None:
            del told["code"]
        if not link.kept.link:
            del told["url"]
        return told

    async def _still_invites(self, conn: Connection, token: str) -> bool:
        """Say whether the invitation of a token was neither used nor revoked meanwhile."""
        digests = self._codec.stored_forms(token)
        found = await links.find(conn, Purpose.INVITATION, digests, at=self._clock())
        return found is not None and found.status == "open"

    async def spent(self, conn: Connection, link_id: int) -> None:
        """Have nobody be able to make the token and the code again."""
        await store.forget_nonce(conn, link_id)

    # --- For those who are sent one ---

    async def issue(self, conn: Connection, new: NewLink) -> int:
        """Make a link, in the transaction of who has locked its user or mailbox; return its id."""
        return await new_link_store.insert(conn, new, self._secrets.seal(), at=self._clock())

    def bound_to(self, browser: str | None) -> StoredLink | None:
        """Return what binds a new link's code to the browser that keeps this."""
        return next(iter(self._secrets.browser_forms(browser)), None)

    async def issue_for_invited(
        self, conn: Connection, email: str, *, lifetime: timedelta
    ) -> tuple[int, str]:
        """Make a link for somebody who is invited, beside others that they were sent.

        Returns:
            Its id, and the token that its mail will have.
        """
        sealed = self._secrets.seal()
        made = self._secrets.reveal(sealed.nonce, sealed.token)
        assert made is not None  # noqa: S101 - the key that sealed it opens it
        new = NewLink(
            purpose=Purpose.INVITATION, email=email, lifetime=lifetime, bound=False, client=Client()
        )
        return await new_link_store.insert(conn, new, sealed, at=self._clock()), made.token

    async def look(self, purpose: Purpose, token: str, *, client: Client) -> MailLink:
        """Return the open link of a token, for the page that it leads to; it stays open.

        One that is not good is charged, so that guesses end in `TooManyAttempts`.

        Raises:
            InvalidLink: there is none, or it is over; the trail says which.
            TooManyAttempts: there were too many of those.
        """
        digests = self._secrets.token_forms(token)
        found = None
        if digests:
            async with self._database.connection() as conn:
                found = await store.find(conn, purpose, digests, at=self._clock())
        if found is not None and not found.kept.link:
            raise await self.refused(purpose, "code_alone", found, client=client)
        if found is not None and found.status == "open":
            return found
        raise await self.refused(purpose, "unknown" if found is None else found.status, found, client=client)

    async def find(self, purpose: Purpose, shown: Shown, *, client: Client) -> MailLink:
        """Return the open link that somebody shows, which `claim` uses; a code is one of five tries.

        Raises:
            InvalidLink, TooManyAttempts: as `look`.
            ValidationFailed: that is no e-mail.
        """
        if shown.token is not None:
            return await self.look(purpose, shown.token, client=client)
        email = read("email", shown.email or "", canonical_email)
        async with self._database.connection() as conn:
            tried = await store.try_code(
                conn, purpose, email, self._secrets.browser_forms(shown.browser), at=self._clock()
            )
            link = None if tried is None else await store.get(conn, tried[0], at=self._clock())
        if tried is None or link is None:
            raise await self.refused(purpose, "no_code", None, client=client, email=email)
        stored = tried[1]
        forms = self._secrets.code_forms(link.digest, shown.code or "")
        if not any(hmac.compare_digest(stored, form) for form in forms):
            raise await self.refused(purpose, "wrong_code", link, client=client)
        if link.status != "open":
            raise await self.refused(purpose, link.status, link, client=client)
        async with self._database.connection() as conn:
            await store.give_try_back(conn, link.id)
        return link

    def is_from(self, link: MailLink, browser: str | None) -> bool:
        """Say whether a link may have been asked for in the browser that keeps this."""
        return link.browser is None or link.browser in self._secrets.browser_forms(browser)

    async def claim(self, conn: Connection, link: MailLink) -> bool:
        """Use up a link in the caller's transaction, who has locked its user; False where it is over."""
        return await store.claim(conn, link, at=self._clock())

    async def claim_for_newcomer(self, conn: Connection, link: MailLink) -> bool:
        """Use up a link of somebody who is still to be a user; False where it is over."""
        return await store.claim_for_newcomer(conn, link, at=self._clock())

    async def revoke_newer(self, conn: Connection, link: MailLink) -> None:
        """Revoke newer links of the same user that the user's credentials don't end."""
        await store.revoke_newer(conn, link, at=self._clock())

    async def refused(
        self,
        purpose: Purpose,
        reason: str,
        link: MailLink | None,
        *,
        client: Client,
        email: str | None = None,
    ) -> InvalidLink:
        """Charge one that is not good, put it on the trail, and return the error to be raised.

        Raises:
            TooManyAttempts: there were too many of those from this address or network.
        """
        await self._throttles.refuse_link(client, verb=purpose)
        named = email if link is None else link.email
        await self._audit.refuse(
            EmailAction.LINK_REFUSED,
            client=client,
            user_id=None if link is None else link.user_id,
            detail={"purpose": purpose, "reason": reason, **({} if named is None else {"email": named})},
        )
        return InvalidLink()
