"""Verbs that were refused: on the trail before the caller hears of it."""

from typing import TypeVar

from gatepost.errors import AuthenticationError, GatepostError
from gatepost.models import AuditAction, Client, UserId
from gatepost.security.tokens import StoredToken, TokenCodec
from gatepost.services.audit import Audit

Refusal = TypeVar("Refusal", bound=GatepostError)


class Refusals:
    """Writes `session.refused` and hands the error back to be raised."""

    def __init__(self, codec: TokenCodec, audit: Audit) -> None:
        self._codec = codec
        self._audit = audit

    async def parse(self, token: str, client: Client, *, verb: str) -> tuple[StoredToken, ...]:
        """Return the stored forms of the token that a verb came with.

        Raises:
            InvalidSession: it is none; that is on the trail.
        """
        try:
            return self._codec.parse(token)
        except AuthenticationError as error:
            raise await self.record(error, client, verb=verb) from None

    async def record(
        self,
        error: Refusal,
        client: Client,
        *,
        verb: str,
        user_id: UserId | None = None,
        session_id: int | None = None,
        reason: str | None = None,
    ) -> Refusal:
        """Record a refused verb on the trail, with what the caller is not told, and return the error."""
        await self._audit.refuse(
            AuditAction.SESSION_REFUSED,
            client=client,
            user_id=user_id,
            session_id=session_id,
            detail={"code": error.code, "verb": verb} | ({} if reason is None else {"reason": reason}),
        )
        return error
