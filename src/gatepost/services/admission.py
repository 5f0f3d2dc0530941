"""Who may register: anybody, who has an invitation, or nobody."""

from typing import Literal, TypeAlias

from gatepost.db.pool import Connection
from gatepost.errors import InvalidInvitation, InvitationRequired, RegistrationClosed
from gatepost.models import AuditAction, Client, Invitation
from gatepost.services.audit import Audit
from gatepost.services.invitations import Invitations
from gatepost.services.throttles import Throttles

Registration: TypeAlias = Literal["open", "invite", "closed"]


class Admission:
    """Applies REGISTRATION to those who want to register.

    Attributes:
        registration: the setting.
    """

    def __init__(
        self, registration: Registration, *, invitations: Invitations, throttles: Throttles, audit: Audit
    ) -> None:
        self.registration = registration
        self._invitations = invitations
        self._throttles = throttles
        self._audit = audit

    async def begin(self, token: str | None, *, client: Client) -> None:
        """Turn away who need not be asked anything, before anything that was sent is looked at.

        Raises:
            RegistrationClosed, InvitationRequired: they may not register; the trail has it.
            TooManyAttempts: there were too many of those.
        """
        refusal: RegistrationClosed | InvitationRequired
        if self.registration == "closed":
            refusal = RegistrationClosed()
        elif self.registration == "invite" and not token:
            refusal = InvitationRequired()
        else:
            return
        await self._throttles.refuse_link(client, verb="register")
        await self._audit.refuse(
            AuditAction.USER_REGISTRATION_REFUSED, client=client, detail={"reason": refusal.code}
        )
        raise refusal

    async def admit(self, token: str | None, *, email: str, client: Client) -> Invitation | None:
        """Charge a registration and return the invitation that it is to use up; None where none is needed.

        Where anybody may register, one that is not good is on the trail and in nobody's way.

        Raises:
            InvalidInvitation: one is needed, and this is not good for this canonical e-mail.
            TooManyAttempts: there were too many registrations, or too many invitations that were not good.
        """
        found, reason = (None, None) if not token else await self._invitations.judge(token, email)
        is_open, is_invited = self.registration == "open", found is not None and reason is None
        if is_open or is_invited:
            await self._throttles.register(client, is_invited=is_invited)
        else:
            await self._throttles.refuse_link(client, verb="register")
        if reason is not None:
            refusal = await self._invitations.refused(reason, found, client=client, email=email)
            if not is_open:
                raise refusal
        return found if is_invited else None

    async def claim(
        self, conn: Connection, invitation: Invitation | None, *, email: str
    ) -> Invitation | None:
        """Use the invitation up in the transaction of the registration, whose end decides.

        Raises:
            InvalidInvitation: one is needed, and somebody else was faster.
        """
        if invitation is None or await self._invitations.claim(conn, invitation, email=email):
            return invitation
        if self.registration == "open":
            return None
        raise InvalidInvitation
