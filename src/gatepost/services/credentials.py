"""How a signed-in user changes their password."""

from datetime import datetime
from uuid import UUID

from gatepost.db.pool import Connection, Database
from gatepost.models import AuditAction, Client, EndReason, SignedIn
from gatepost.security.passwords import Password
from gatepost.services.hashing import Hashing
from gatepost.services.new_passwords import NewPasswords
from gatepost.services.reauthentication import Reauthentication
from gatepost.services.sessions import Sessions
from gatepost.services.throttles import Throttles
from gatepost.services.typed import read
from gatepost.store import users as store


class Credentials:
    """Changes passwords."""

    def __init__(
        self,
        database: Database,
        *,
        sessions: Sessions,
        hashing: Hashing,
        throttles: Throttles,
        new_passwords: NewPasswords,
        reauthentication: Reauthentication,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._hashing = hashing
        self._throttles = throttles
        self._new_passwords = new_passwords
        self._reauthentication = reauthentication

    async def change(
        self, token: str, current: str, new: str, client: Client, *, by_cookie: bool = False
    ) -> SignedIn:
        """Give a user another password, end every session of theirs and start one for this client.

        Raises:
            ValidationFailed: a field does not fit, or the new password is the current one; of the new one
                alone, as `NewPasswords.accept`.
            InvalidCredentials: the current password is not this user's.
            FreshSessionRequired: as `Reauthentication.complete`.
            TooManyAttempts: it was asked too often.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        session = await self._sessions.resolve_for(token, client, verb="change_password", by_cookie=by_cookie)
        user = session.user
        attempt = await self._reauthentication.begin(session, client, verb="change_password")
        given = read("current", current, Password.read)
        another = await self._new_passwords.another(given, new, email=user.email, field="new")
        reproven = await self._reauthentication.check(session, given, attempt, verb="change_password")
        hashed = await self._hashing.hash(another, attempt.line)

        async def change(conn: Connection, at: datetime | None) -> UUID | None:
            stamp = await store.change_password(conn, reproven.proof, hashed, at=at)
            if stamp is not None:
                await self._throttles.forget(conn, user.id, user.email, by_owner=True)
            return stamp

        return await self._reauthentication.begin_anew(
            reproven, change, reason=EndReason.PASSWORD_CHANGED, action=AuditAction.PASSWORD_CHANGED
        )
