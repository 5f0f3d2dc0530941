"""Who has the badge `guardian` names one of their badges when they sign in, besides the password."""

from collections.abc import Mapping

from tests.features.badges import store

from gatepost.db.pool import Connection
from gatepost.models import Answer, Client, Due, Options, Proof, Proven

GUARDIAN = "guardian"


class BadgeStep:
    """Asks for it."""

    async def due(self, conn: Connection, proof: Proof) -> Due | None:
        """Say whether it is to be asked for."""
        has_guardian = GUARDIAN in await store.of_user(conn, proof.user_id)
        return Due(methods=("badge",)) if has_guardian and proof.aal < 2 else None

    async def options(
        self, conn: Connection, proof: Proof, method: str, kept: Mapping[str, object]
    ) -> Options | None:
        """Return None: there is nothing to hand out."""

    async def verify(self, conn: Connection, proof: Proof, answer: Answer, _: Client) -> Proven | None:
        """Return that something known was proven (RFC 8176 §2) where the badge is one of theirs."""
        is_right = answer.code in await store.of_user(conn, proof.user_id)
        return Proven(methods=("kba",)) if is_right else None
