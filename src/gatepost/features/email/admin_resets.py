"""Resets that an administrator starts: the user is mailed a link, and nobody else learns a password."""

from datetime import timedelta

from gatepost.errors import NotFound
from gatepost.features.email.actions import EmailAction
from gatepost.features.email.errors import NotMailable
from gatepost.features.email.link_store import Purpose
from gatepost.features.email.mailroom import Mailroom, see_that
from gatepost.features.email.mails import Mail
from gatepost.models import Client, User
from gatepost.services.acts import Acts, By, Program, detail_of
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

    def __init__(self, mailroom: Mailroom, *, acts: Acts) -> None:
        self._mailroom = mailroom
        self._acts = acts

    @property
    def is_on(self) -> bool:
        """Whether there is a way to send mail."""
        return self._mailroom.is_on

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
        see_that(self.is_on)
        async with self._acts.begin("password-reset", user.id, by=by, client=client) as conn:
            found = await user_store.get(conn, user.id)
            if found is None:
                raise NotFound(Text("error.not_found.user"))
            if not found.is_active:
                raise NotMailable(Text("error.not_mailable.disabled"))
            if await self._mailroom.outbox.is_undeliverable(conn, found.email):
                raise NotMailable
            await self._mailroom.post_to_user(
                conn,
                Mail.PASSWORD_RESET,
                Purpose.PASSWORD_RESET,
                found,
                client=None,
                lifetime=LIFETIME,
                by_admin=True,
            )
            await event_store.insert(
                conn,
                EmailAction.PASSWORD_RESET_SENT,
                client=client,
                at=self._mailroom.clock(),
                user_id=found.id,
                detail=detail_of(by),
            )
