"""Notices: mails that tell whoever has an account what happened to it (ASVS 6.3.5, 6.3.7)."""

from datetime import timedelta

from gatepost.db.pool import Connection
from gatepost.features.email import notice_store
from gatepost.features.email.mails import Mail
from gatepost.features.email.outbox import Draft, Outbox, asked
from gatepost.models import AuditAction
from gatepost.services.clock import Clock
from gatepost.services.feature import Happened

LIFETIME = timedelta(days=2)
"""How long it is worth telling somebody."""

QUIET = timedelta(minutes=10)
"""After a notice of a new place another one says nothing more. Changes of credentials are told one by one."""

UNPROVEN_MAX = 10
"""Notices an hour to an address that nobody has proven: whoever typed it may want to annoy somebody else."""

_MAILS = {
    AuditAction.SESSION_STARTED: Mail.NEW_SIGN_IN,
    AuditAction.PASSWORD_CHANGED: Mail.PASSWORD_CHANGED,
    AuditAction.PASSWORD_REMOVED: Mail.PASSWORD_CHANGED,
    AuditAction.USER_PASSWORD_SET: Mail.PASSWORD_CHANGED,
    AuditAction.USER_EMAIL_CHANGED: Mail.EMAIL_CHANGED,
    AuditAction.FACTOR_ENROLLED: Mail.FACTOR_CHANGED,
    AuditAction.FACTOR_REMOVED: Mail.FACTOR_CHANGED,
    AuditAction.FACTOR_COPIED: Mail.FACTOR_CHANGED,
    AuditAction.FACTORS_RESET: Mail.FACTOR_CHANGED,
    AuditAction.RECOVERY_CODES_MADE: Mail.FACTOR_CHANGED,
    AuditAction.RECOVERY_CODE_USED: Mail.FACTOR_CHANGED,
}


class Notices:
    """Writes down the mail for what happened to an account.

    Args:
        outbox: takes it.
        clock: what time it is.
    """

    def __init__(self, outbox: Outbox, *, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock

    async def __call__(self, conn: Connection, happened: Happened) -> None:
        """Write the mail down in the transaction of the act, unless there is nothing new to tell."""
        mail = _MAILS.get(happened.action)
        if mail is None:
            return
        recipient = happened.former_email or happened.user.email
        if await self._outbox.is_undeliverable(conn, recipient):
            return
        if mail is Mail.NEW_SIGN_IN and not await self._is_news(conn, happened):
            return
        if not happened.user.email_verified and await self._is_flooded(conn, happened):
            return
        # Where an administrator or a command did it, the place would be theirs.
        client = None if happened.by_others else happened.client
        await self._outbox.put(
            conn,
            Draft(
                mail=mail,
                recipient=recipient,
                lifetime=LIFETIME,
                user_id=happened.user.id,
                data={**asked(client, self._clock()), "what": happened.action.value},
            ),
        )

    async def _is_news(self, conn: Connection, happened: Happened) -> bool:
        """Say whether a sign-in is from a place that nothing was told of, and is not the first."""
        return await notice_store.is_from_new_place(
            conn,
            happened.user.id,
            place=happened.client.address_block,
            template=Mail.NEW_SIGN_IN,
            quiet=QUIET,
            at=self._clock(),
        )

    async def _is_flooded(self, conn: Connection, happened: Happened) -> bool:
        """Say whether an address was told so much within an hour that it is told no more."""
        notices, since = sorted(set(_MAILS.values())), timedelta(hours=1)
        sent = await notice_store.count(conn, happened.user.id, notices, since=since, at=self._clock())
        return sent >= UNPROVEN_MAX
