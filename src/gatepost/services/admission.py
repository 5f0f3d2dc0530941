"""Who may register: anybody, who has an invitation, or nobody."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from gatepost.db.pool import Connection
from gatepost.errors import GatepostError, RegistrationClosed
from gatepost.models import AuditAction, Client, Link, UserId
from gatepost.services.audit import Audit
from gatepost.services.feature import Inviter, Wiring
from gatepost.services.throttles import Throttles

Registration: TypeAlias = Literal["open", "invite", "closed"]


class EndedMeanwhile(Exception):
    """The invitation is needed, and somebody else was faster; it undoes the transaction."""


class Admission:
    """Applies REGISTRATION to those who want to register.

    Invitations are a feature's: without one that makes them, nobody is invited.

    Attributes:
        registration: the setting.
    """

    def __init__(
        self, registration: Registration, *, features: Wiring, throttles: Throttles, audit: Audit
    ) -> None:
        self.registration = registration
        self._features = features
        self._throttles = throttles
        self._audit = audit

    async def look(self, token: str | None, *, client: Client) -> Link | None:
        """Return the invitation with which somebody would register; None where they come without one.

        Raises:
            GatepostError: they may not register, by `RegistrationClosed` or by what the feature says.
            TooManyAttempts: there were too many invitations that are not good.
        """
        inviter = self._features.inviter
        refusal = self._refusal(token)
        if refusal is not None:
            raise refusal
        return None if token is None or inviter is None else await inviter.look(token, client=client)

    async def begin(self, token: str | None, *, client: Client) -> None:
        """Turn away who need not be asked anything, before anything that was sent is looked at.

        Raises:
            GatepostError: they may not register, as `look`; the trail has it.
            TooManyAttempts: there were too many of those.
        """
        refusal = self._refusal(token)
        if refusal is None:
            return
        await self._throttles.refuse_link(client, verb="register")
        await self._audit.refuse(
            AuditAction.USER_REGISTRATION_REFUSED, client=client, detail={"reason": refusal.code}
        )
        raise refusal

    async def admit(self, token: str | None, *, email: str, client: Client) -> Link | None:
        """Charge a registration and return the invitation that it is to use up; None where none is needed.

        Where anybody may register, one that is not good is on the trail and in nobody's way.

        Raises:
            GatepostError: one is needed, and this is not good for this canonical e-mail.
            TooManyAttempts: there were too many registrations, or too many invitations that were not good.
        """
        inviter = self._features.inviter
        found, reason = (None, None) if not token or inviter is None else await inviter.judge(token, email)
        is_open, is_invited = self.registration == "open", found is not None and reason is None
        if is_open or is_invited:
            await self._throttles.register(client, is_invited=is_invited)
        else:
            await self._throttles.refuse_link(client, verb="register")
        if inviter is not None and reason is not None:
            refusal = await inviter.refused(reason, found, client=client, email=email)
            if not is_open:
                raise refusal
        return found if is_invited else None

    async def claim(self, conn: Connection, link: Link | None, *, email: str) -> Link | None:
        """Claim the invitation in the transaction of the registration, whose end decides.

        Raises:
            EndedMeanwhile: one is needed, and somebody else was faster.
        """
        inviter = self._features.inviter
        if link is None or inviter is None or await inviter.claim(conn, link, email=email):
            return link
        if self.registration == "open":
            return None
        raise EndedMeanwhile

    async def use(self, conn: Connection, claimed: Link | None, user_id: UserId) -> None:
        """Use up the invitation that was claimed, if one was, and write down who was made by it."""
        if claimed is not None and self._features.inviter is not None:
            await self._features.inviter.use(conn, claimed, user_id)

    async def ended_meanwhile(self, link: Link | None, *, email: str, client: Client) -> GatepostError:
        """Put on the trail that somebody else was faster, and return the error to be raised."""
        if self._features.inviter is None:
            return RegistrationClosed()
        return await self._features.inviter.refused("ended_meanwhile", link, client=client, email=email)

    def _refusal(self, token: str | None) -> GatepostError | None:
        inviter: Inviter | None = self._features.inviter
        if self.registration == "closed" or (self.registration == "invite" and inviter is None):
            return RegistrationClosed()
        return inviter.required() if self.registration == "invite" and not token and inviter else None


def invitation_detail(claimed: Link | None) -> Mapping[str, Any] | None:
    """Return by which invitation somebody registered, as the detail of an event has it."""
    return None if claimed is None else {"invitation": claimed.id}
