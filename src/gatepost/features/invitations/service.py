"""Invitations: links by which somebody may register, once."""

from dataclasses import dataclass, field
from datetime import timedelta

from gatepost.db.pool import Connection, Database
from gatepost.errors import EmailTaken, NotFound
from gatepost.features.invitations.actions import InvitationAction
from gatepost.features.invitations.errors import InvalidInvitation, InvitationRequired
from gatepost.models import Client, Link, Session, UserId
from gatepost.security.emails import canonical_email
from gatepost.security.links import LinkCodec
from gatepost.services.acts import Acts, By, Program, detail_of
from gatepost.services.audit import Audit
from gatepost.services.clock import Clock
from gatepost.services.feature import Wiring
from gatepost.services.throttles import Throttles
from gatepost.services.typed import read
from gatepost.store import events as event_store
from gatepost.store import links as store
from gatepost.store import users as user_store
from gatepost.texts import Text

PURPOSE = "invitation"
"""Of its links, as `auth_links` has it."""

DEFAULT_LIFETIME = timedelta(days=7)
"""How long an invitation is good where nobody says otherwise."""

SIGN_UP_PATH = "/auth/sign-up"
"""The page that an invitation leads to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new invitation with its link, which is shown this once.

    Attributes:
        token: the raw token; it is stored nowhere and never logged.
        url: the link to click; a path where the public URL is not known.
        invitation: what is stored of it.
        sent: a mail with the link is on its way.
    """

    token: str = field(repr=False)
    url: str = field(repr=False)
    invitation: Link
    sent: bool


class Invitations:
    """Makes invitations, lists them, takes them back, and knows a good one.

    Args:
        database: where they are.
        codec: makes their tokens.
        acts: lends transactions to administrators.
        throttles: limits how often one may be guessed.
        audit: told of those that are refused.
        clock: what time it is.
        features: may have a way to mail one.
        root: what stands before the pages in links: the origin where it is known, and ROOT_PATH.
    """

    def __init__(
        self,
        database: Database,
        *,
        codec: LinkCodec,
        acts: Acts,
        throttles: Throttles,
        audit: Audit,
        clock: Clock,
        features: Wiring,
        root: str,
    ) -> None:
        self._database = database
        self._codec = codec
        self._acts = acts
        self._throttles = throttles
        self._audit = audit
        self._clock = clock
        self._features = features
        self._root = root

    async def create(
        self,
        *,
        email: str | None,
        lifetime: timedelta = DEFAULT_LIFETIME,
        send: bool = False,
        client: Client,
        by: By = Program.COMMAND,
    ) -> Issued:
        """Make an invitation.

        Args:
            email: the only one that may use it; None for whoever has the link.
            lifetime: from now on.
            send: it is mailed to the e-mail, where there is one and a way to.
            client: who asks.
            by: who does it.

        Raises:
            ValidationFailed: that is no e-mail.
            EmailTaken: who is to be invited has an account.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        if email is not None:
            email = read("email", email, canonical_email)
        async with self._acts.begin("invite", by=by, client=client) as conn:
            if email is not None and await user_store.find(conn, email) is not None:
                raise EmailTaken
            courier = self._features.courier if send and email is not None else None
            if courier is None or email is None:
                token = self._codec.issue().raw
            else:
                token = await courier.post_invitation(conn, email, lifetime=lifetime)
            invitation = await store.insert(
                conn,
                PURPOSE,
                self._codec.stored_forms(token)[0],
                lifetime=lifetime,
                email=email,
                created_by=by.user.id if isinstance(by, Session) else None,
                at=self._clock(),
            )
            await self._note(conn, InvitationAction.CREATED, invitation, client, by)
        url = f"{self._root}{SIGN_UP_PATH}?invitation={token}"
        return Issued(token=token, url=url, invitation=invitation, sent=courier is not None)

    async def page(self, *, before: int | None, limit: int) -> list[Link]:
        """Return invitations, open and ended, newest first, those with an id below `before`."""
        async with self._database.connection() as conn:
            return await store.page(conn, PURPOSE, before=before, limit=limit, at=self._clock())

    async def revoke(self, invitation_id: int, *, client: Client, by: By = Program.COMMAND) -> Link:
        """Take an invitation back.

        Raises:
            NotFound: there is none that is open.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        async with self._acts.begin("revoke-invitation", by=by, client=client) as conn:
            invitation = await store.revoke(conn, PURPOSE, invitation_id, at=self._clock())
            if invitation is None:
                raise NotFound(Text("error.not_found.invitation"))
            await self._note(conn, InvitationAction.REVOKED, invitation, client, by)
        return invitation

    async def restore(self, invitation_id: int, *, client: Client, by: By = Program.COMMAND) -> Link:
        """Undo taking an invitation back: its link works until when it would have.

        Raises:
            NotFound: none was taken back whose time is not over.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        async with self._acts.begin("restore-invitation", by=by, client=client) as conn:
            invitation = await store.restore(conn, PURPOSE, invitation_id, at=self._clock())
            if invitation is None:
                raise NotFound(Text("error.not_found.invitation"))
            await self._note(conn, InvitationAction.RESTORED, invitation, client, by)
        return invitation

    @property
    def can_send(self) -> bool:
        """Whether there is a way to mail one."""
        return self._features.courier is not None

    @staticmethod
    def required() -> InvitationRequired:
        """Return the error of who may not register without one."""
        return InvitationRequired()

    async def look(self, token: str, *, client: Client) -> Link:
        """Return the open invitation of a token, for the page that it leads to; it stays open.

        One that is not good is charged, so that guesses end in `TooManyAttempts`.

        Raises:
            InvalidInvitation: there is none, or it is over; the trail says which.
            TooManyAttempts: there were too many of those.
        """
        found, reason = await self.judge(token)
        if reason is None and found is not None:
            return found
        await self._throttles.refuse_link(client, verb="invitation")
        raise await self.refused(reason or "unknown", found, client=client)

    async def judge(self, token: str, email: str | None = None) -> tuple[Link | None, str | None]:
        """Return the invitation of a token, and why it is not good for this e-mail; None where it is.

        It stays open, and nothing is on the trail yet.
        """
        digests = self._codec.stored_forms(token)
        if not digests:
            return None, "unknown"
        async with self._database.connection() as conn:
            found = await store.find(conn, PURPOSE, digests, at=self._clock())
        if found is None:
            return None, "unknown"
        if found.status != "open":
            return found, found.status
        is_others = email is not None and found.email is not None and found.email != email
        return found, "other_email" if is_others else None

    async def get(self, link_id: int) -> Link | None:
        """Return the invitation of an id, open or ended."""
        found = await self.page(before=link_id + 1, limit=1)
        return found[0] if found and found[0].id == link_id else None

    async def claim(self, conn: Connection, invitation: Link, *, email: str) -> bool:
        """Lock an invitation in the caller's transaction; False where it is over, or was used."""
        return await store.claim(conn, invitation.id, email=email, at=self._clock())

    async def use(self, conn: Connection, invitation: Link, user_id: UserId) -> None:
        """Use up an invitation that was claimed, and write down who was made by it."""
        await store.use(conn, invitation.id, user_id, at=self._clock())

    async def refused(
        self, reason: str, invitation: Link | None, *, client: Client, email: str | None = None
    ) -> InvalidInvitation:
        """Put an invitation that is not good on the trail, and return the error to be raised."""
        await self._audit.refuse(
            InvitationAction.REFUSED,
            client=client,
            detail={
                "reason": reason,
                **({} if invitation is None else {"invitation": invitation.id}),
                **({} if email is None else {"email": email}),
            },
        )
        return InvalidInvitation()

    async def _note(
        self,
        conn: Connection,
        action: InvitationAction,
        invitation: Link,
        client: Client,
        by: By,
    ) -> None:
        whom = {} if invitation.email is None else {"email": invitation.email}
        await event_store.insert(
            conn,
            action,
            client=client,
            at=self._clock(),
            # It is the administrator whom the event is about: who was invited is nobody yet.
            user_id=by.user.id if isinstance(by, Session) else None,
            detail={**detail_of(by), "invitation": invitation.id, **whom},
        )
