"""Recovery codes as the way back of who lost their second factors."""

from collections.abc import Sequence

from gatepost.db.pool import Connection
from gatepost.features.recovery_codes import codes, store
from gatepost.models import Answer, Client, Held, UserId
from gatepost.services.clock import Clock

METHOD = "recovery_code"

PROVES = ("otp",)
"""A one-time password (RFC 8176 §2)."""


class RecoveryCodes:
    """Makes codes, and takes each of them once (ASVS 6.5.1).

    Args:
        keys: the newest is for new codes, all verify.
        clock: what time it is.
    """

    method = METHOD

    def __init__(self, keys: Sequence[bytes], *, clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    async def held(self, conn: Connection, user_id: UserId) -> Sequence[Held]:
        """Return the codes of a user as one, also where all were used."""
        found = await store.standing(conn, user_id)
        if found.created_at is None:
            return ()
        return (
            Held(
                method=METHOD,
                created_at=found.created_at,
                last_used_at=found.used_at,
                last_used_from=found.used_from,
                left=found.left,
            ),
        )

    async def hand_out(self, conn: Connection, user_id: UserId) -> Sequence[str]:
        """Make new codes in the place of all that the user has."""
        made = codes.make()
        stored = [codes.digests(self._keys, user_id, code)[0] for code in made]
        await store.replace(conn, user_id, stored, at=self._clock())
        return made

    async def verify(
        self, conn: Connection, user_id: UserId, answer: Answer, client: Client
    ) -> tuple[str, ...] | None:
        """Use a code up."""
        digests = codes.digests(self._keys, user_id, answer.code or "")
        address, at = client.ip_address, self._clock()
        return PROVES if await store.claim(conn, user_id, digests, address=address, at=at) else None

    async def remove(self, conn: Connection, user_id: UserId) -> bool:
        """Take all codes of a user away."""
        return await store.remove(conn, user_id)
