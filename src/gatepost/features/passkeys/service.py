"""What users do with their passkeys, besides setting them up and removing them."""

from collections.abc import Mapping

from gatepost.db.pool import Database
from gatepost.errors import NotFound
from gatepost.features.passkeys import store
from gatepost.features.passkeys.actions import PasskeyAction
from gatepost.features.passkeys.factor import Passkeys
from gatepost.features.passkeys.relying_party import encoded
from gatepost.models import Client, Session, User, UserId
from gatepost.security.emails import canonical_name
from gatepost.services.clock import Clock
from gatepost.services.typed import read
from gatepost.store import events as event_store
from gatepost.texts import Text


class OwnPasskeys:
    """Renames passkeys, and says which a user has."""

    def __init__(self, database: Database, *, passkeys: Passkeys, clock: Clock) -> None:
        self._database = database
        self._passkeys = passkeys
        self._clock = clock

    async def rename(self, session: Session, passkey_id: int, name: str, client: Client) -> str:
        """Give a passkey of a session's user another name; return the canonical one.

        Raises:
            ValidationFailed: that is no name.
            NotFound: they have no such passkey.
        """
        user_id, canonical = session.user.id, read("name", name, canonical_name)
        async with self._database.transaction() as conn:
            if not await store.rename(conn, user_id, passkey_id, canonical):
                raise NotFound(Text("error.not_found.factor"))
            await event_store.insert(
                conn,
                PasskeyAction.RENAMED,
                client=client,
                at=self._clock(),
                user_id=user_id,
                session_id=session.id,
                detail={"factor_id": str(passkey_id)},
            )
        return canonical

    async def of(self, user_id: UserId) -> list[store.Passkey]:
        """Return the passkeys of a user, the oldest first."""
        async with self._database.connection() as conn:
            return await store.of_user(conn, user_id)

    async def accepted(self, user_id: UserId) -> dict[str, object] | None:
        """Return what `PublicKeyCredential.signalAllAcceptedCredentials()` takes; None without passkeys.

        A browser then hides those that were removed here (WebAuthn §5.1.10.3).
        """
        party, held = self._passkeys.party, await self.of(user_id)
        if party is None or not held:
            return None
        return {
            "rpId": party.rp_id,
            "userId": encoded(held[0].user_handle),
            "allAcceptedCredentialIds": [encoded(each.credential_id) for each in held],
        }

    @staticmethod
    def details(user: User, accepted: Mapping[str, object] | None) -> dict[str, object] | None:
        """Return what `PublicKeyCredential.signalCurrentUserDetails()` takes; None without passkeys.

        A browser then shows the user's passkeys by the e-mail and name of now (WebAuthn §5.1.10.4).

        Args:
            user: whose passkeys they are.
            accepted: as `accepted` has returned it.
        """
        if accepted is None:
            return None
        whose = {name: accepted[name] for name in ("rpId", "userId")}
        return {**whose, "name": user.email, "displayName": user.name or user.email}
