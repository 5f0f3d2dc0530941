"""Resets that an administrator starts: the user is mailed a link, and nobody else learns a password."""

from datetime import timedelta

from gatepost.errors import NotFound
from gatepost.features.email.actions import EmailAction
from gatepost.features.email.errors import NotMailable
from gatepost.features.email.link_store import Purpose
from gatepost.features.email.links import MailLinks, minutes
from gatepost.features.email.mails import Mail
from gatepost.features.email.outbox import Draft, Outbox, asked
from gatepost.models import Client, User
from gatepost.services.acts import Acts, By, Program, detail_of
from gatepost.services.clock import Clock
from gatepost.store import events as event_store
from gatepost.store import users as user_store
from gatepost.texts import Text

LIFETIME = timedelta(hours=24)
"""How long the link works: the user did not ask for it, and may read the mail a day later."""


class AdminResets:
    """Has users choose another password when an administrator wants them to (ASVS 6.4.6).

    Until they do, nothing changes: the password works, and sessions go on. As with what else administrators
    do, there is no limit; the newest link alone works.
    """

    def __init__(self, *, acts: Acts, links: MailLinks, outbox: Outbox, clock: Clock) -> None:
        self._acts = acts
        self._links = links
        self._outbox = outbox
        self._clock = clock

    @property
    def is_on(self) -> bool:
        """Whether there is a way to send mail."""
        return self._outbox.is_on

    async def send(self, user: User, *, client: Client, by: By = Program.COMMAND) -> None:
        """Have a link to choose another password sent to a user.

        Args:
            user: whose password it is.
            client: who asks, for the trail; neither the mail nor the user's own data tells of it.
            by: who does it.

        Raises:
            NotFound: there is no way to send mail, or the user is gone.
            NotMailable: the user is disabled, or a mail server refused their address for good.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        if not self.is_on:
            raise NotFound
        async with self._acts.begin("password-reset", user.id, by=by, client=client) as conn:
            found = await user_store.get(conn, user.id)
            if found is None:
                raise NotFound(Text("error.not_found.user"))
            if not found.is_active:
                raise NotMailable(Text("error.not_mailable.disabled"))
            if await self._outbox.is_undeliverable(conn, found.email):
                raise NotMailable
            link_id = await self._links.issue_for_user(
                conn, Purpose.PASSWORD_RESET, found.id, found.email, lifetime=LIFETIME, client=Client()
            )
            await self._outbox.put(
                conn,
                Draft(
                    mail=Mail.PASSWORD_RESET,
                    recipient=found.email,
                    lifetime=LIFETIME,
                    user_id=found.id,
                    link_id=link_id,
                    data={**asked(None, self._clock()), "minutes": minutes(LIFETIME), "by_admin": True},
                ),
            )
            await event_store.insert(
                conn,
                EmailAction.PASSWORD_RESET_SENT,
                client=client,
                at=self._clock(),
                user_id=found.id,
                detail=detail_of(by),
            )
