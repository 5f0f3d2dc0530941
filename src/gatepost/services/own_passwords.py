"""What users do with their own password: have another one, a first one, or none any more."""

from dataclasses import dataclass
from datetime import datetime

from gatepost.db.pool import Connection, Database
from gatepost.errors import NotFound, ValidationFailed
from gatepost.models import AuditAction, Client, EndReason, Proven, Session, SignedIn, UserId
from gatepost.security.passwords import Password
from gatepost.services.feature import Happened, Wiring
from gatepost.services.hashing import Hashing
from gatepost.services.new_passwords import NewPasswords
from gatepost.services.reauthentication import Reauthentication, Reproven
from gatepost.services.sessions import Sessions
from gatepost.services.throttles import Throttles
from gatepost.services.typed import read
from gatepost.services.ways_in import PASSWORD, WaysIn
from gatepost.store import users as user_store
from gatepost.texts import Text


@dataclass(frozen=True, slots=True)
class OwnPassword:
    """How a user stands to a password.

    Attributes:
        is_set: they have one.
        may_go: they can sign in by something else as well.
    """

    is_set: bool
    may_go: bool


class OwnPasswords:
    """Changes and removes the password of whoever asks."""

    def __init__(
        self,
        database: Database,
        *,
        sessions: Sessions,
        hashing: Hashing,
        new_passwords: NewPasswords,
        throttles: Throttles,
        reauthentication: Reauthentication,
        features: Wiring,
        ways_in: WaysIn,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._hashing = hashing
        self._new_passwords = new_passwords
        self._throttles = throttles
        self._reauthentication = reauthentication
        self._features = features
        self._ways_in = ways_in

    async def of(self, user_id: UserId) -> OwnPassword:
        """Return how a user stands to a password."""
        async with self._database.connection() as conn:
            is_set = await user_store.has_password(conn, user_id)
            others = {*await self._ways_in.of(conn, user_id)} - {PASSWORD}
        return OwnPassword(is_set, may_go=is_set and bool(others))

    async def change(
        self, token: str, current: str | None, new: str, client: Client, *, by_cookie: bool = False
    ) -> SignedIn:
        """Give a user another password, end every session of theirs and start one for this client.

        Args:
            token: of a session of theirs.
            current: the password that they have; for one who has none the session has to be fresh.
            new: the one that is to be.
            client: who asks.
            by_cookie: the token came by cookie.

        Raises:
            ValidationFailed: a field does not fit, or the new password is the current one; of the new one
                alone, as `NewPasswords.accept`.
            InvalidCredentials: the current password is not this user's.
            FreshSessionRequired: as `Reauthentication.complete` and `standing`.
            TooManyAttempts: it was asked too often.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        session = await self._sessions.resolve_for(token, client, verb="change_password", by_cookie=by_cookie)
        user = session.user
        reproven, another = await self._proven_for_another(session, current, new, client)
        hashed = await self._hashing.hash(another, reproven.attempt.line)

        async def change(conn: Connection, at: datetime | None) -> Proven | None:
            stamp = await user_store.change_password(conn, reproven.proof, hashed, at=at)
            if stamp is not None:
                await self._throttles.forget(conn, user.id, user.email, by_owner=True)
                await self._features.tell(
                    conn, Happened(action=AuditAction.PASSWORD_CHANGED, user=user, client=client)
                )
            return None if stamp is None else Proven(stamp=stamp)

        return await self._reauthentication.begin_anew(
            reproven, change, reason=EndReason.PASSWORD_CHANGED, action=AuditAction.PASSWORD_CHANGED
        )

    async def _proven_for_another(
        self, session: Session, current: str | None, new: str, client: Client
    ) -> tuple[Reproven, Password]:
        """Return what a user has proven for another password, and that one."""
        verb, email = "change_password", session.user.email
        if not await self._reauthentication.has_password(session):
            first = await self._new_passwords.accept(new, email=email, field="new")
            return await self._reauthentication.standing(session, client, verb=verb), first
        attempt = await self._reauthentication.begin(session, client, verb=verb)
        if current is None:
            raise ValidationFailed({"current": Text("field.required")})
        given = read("current", current, Password.read)
        another = await self._new_passwords.another(given, new, email=email, field="new")
        return await self._reauthentication.check(session, given, attempt, verb=verb), another

    async def remove(self, token: str, client: Client, *, by_cookie: bool = False) -> SignedIn:
        """Take a user's password away, end every session of theirs and start one for this client.

        Raises:
            NotFound: they have none.
            LastWayIn: they could sign in by nothing else.
            InvalidCredentials: the credentials were changed meanwhile.
            FreshSessionRequired: as `Reauthentication.complete` and `standing`.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        verb = "remove_password"
        session = await self._sessions.resolve_for(token, client, verb=verb, by_cookie=by_cookie)
        user = session.user
        reproven = await self._reauthentication.standing(session, client, verb=verb)

        async def change(conn: Connection, at: datetime | None) -> Proven | None:
            if not await user_store.has_password(conn, user.id):
                raise NotFound(Text("error.not_found.password"))
            async with self._ways_in.kept(conn, user.id):
                stamp = await user_store.change_password(conn, reproven.proof, None, at=at)
            await self._features.tell(
                conn, Happened(action=AuditAction.PASSWORD_REMOVED, user=user, client=client)
            )
            return None if stamp is None else Proven(stamp=stamp)

        return await self._reauthentication.begin_anew(
            reproven, change, reason=EndReason.PASSWORD_CHANGED, action=AuditAction.PASSWORD_REMOVED
        )
