"""Invitations by mail: the link is made here, and whoever invites keeps what recognises it."""

from datetime import timedelta

from gatepost.db.pool import Connection
from gatepost.features.email.mailroom import Mailroom, minutes
from gatepost.features.email.mails import Mail
from gatepost.features.email.outbox import Draft, asked

WORTH_SENDING = timedelta(days=2)
"""How long it is tried to send one: whoever invited has the link, too."""


class InvitationMails:
    """The kernel's `Courier`."""

    def __init__(self, mailroom: Mailroom) -> None:
        self._mailroom = mailroom

    @property
    def is_on(self) -> bool:
        """Whether there is a way to send mail."""
        return self._mailroom.is_on

    async def post_invitation(self, conn: Connection, email: str, *, lifetime: timedelta) -> str:
        """Write the mail of an invitation down; return the token of the link in it.

        Neither the mail nor its link tells who invited, or from where.
        """
        link_id, token = await self._mailroom.links.issue_for_invited(conn, email, lifetime=lifetime)
        await self._mailroom.outbox.put(
            conn,
            Draft(
                mail=Mail.INVITATION,
                recipient=email,
                lifetime=min(lifetime, WORTH_SENDING),
                link_id=link_id,
                data={**asked(None, self._mailroom.clock()), "minutes": minutes(lifetime)},
            ),
        )
        return token
