"""What a signed-in user does with their password: give it again, and change it."""

from gatepost.db.pool import Database
from gatepost.errors import AuthenticationError, InvalidCredentials, SessionRevoked, ValidationFailed
from gatepost.log import get_logger
from gatepost.models import AuditAction, Client, EndReason, Session, SignedIn
from gatepost.security.passwords import normalise, password_problem
from gatepost.services.clock import Clock
from gatepost.services.hashing import Hashing
from gatepost.services.lifetimes import Lifetimes
from gatepost.services.new_passwords import NewPasswords
from gatepost.services.refusals import Refusals
from gatepost.services.sessions import Sessions
from gatepost.services.throttles import Attempt, Throttles
from gatepost.store import endings, sign_ins
from gatepost.store import events as event_store
from gatepost.store import users as store

log = get_logger("gatepost.credentials")


class Credentials:
    """Confirms and changes passwords."""

    def __init__(
        self,
        database: Database,
        *,
        sessions: Sessions,
        hashing: Hashing,
        throttles: Throttles,
        new_passwords: NewPasswords,
        refusals: Refusals,
        clock: Clock,
        lifetimes: Lifetimes,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._hashing = hashing
        self._throttles = throttles
        self._new_passwords = new_passwords
        self._refusals = refusals
        self._clock = clock
        self._lifetimes = lifetimes

    async def confirm(self, token: str, password: str, client: Client) -> SignedIn:
        """Replace a token by one whose session is fresh (ASVS 7.2.4, 7.5.3).

        Raises:
            ValidationFailed: a password that none can have.
            InvalidCredentials: it is not this user's.
            TooManyAttempts: it was asked too often.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        session = await self._sessions.resolve_for(token, client, verb="confirm")
        if problem := password_problem(password, 0):
            raise ValidationFailed({"password": problem})
        attempt, stored = await self._check(session, password, client, verb="confirm")
        async with self._database.connection() as conn:
            await self._throttles.succeeded(conn, attempt)
        try:
            return await self._sessions.confirm(token, stored, client)
        except InvalidCredentials:
            raise await self._refused(session, attempt, verb="confirm", reason="changed_meanwhile") from None

    async def change(self, token: str, current: str, new: str, client: Client) -> SignedIn:
        """Give a user another password, end every session of theirs and start one for this client.

        Raises:
            ValidationFailed: a field does not fit, or the new password is the current one; of the new one
                alone, as `NewPasswords.check`.
            InvalidCredentials: the current password is not this user's.
            TooManyAttempts: it was asked too often.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        session = await self._sessions.resolve_for(token, client, verb="change_password")
        await self._validate(current, new, session.user.email)
        attempt, stored = await self._check(session, current, client, verb="change_password")
        hashed = await self._hashing.hash(new)
        try:
            return await self._change(session, stored, hashed, client)
        except InvalidCredentials:
            raise await self._refused(
                session, attempt, verb="change_password", reason="changed_meanwhile"
            ) from None
        except AuthenticationError as error:
            raise await self._refusals.of(
                error, client, verb="change_password", user_id=session.user.id, session_id=session.id
            ) from None

    async def _change(self, session: Session, stored: str, hashed: str, client: Client) -> SignedIn:
        user_id, at = session.user.id, self._clock()
        async with self._database.transaction() as conn:
            await sign_ins.lock_owner(conn, user_id)
            live = await sign_ins.lock_live(conn, session.id, at=at, idle=self._lifetimes.idle)
            if live is None:
                raise SessionRevoked  # it was ended while the password was checked
            if not await store.change_password(conn, user_id, old=stored, new=hashed, at=at):
                raise InvalidCredentials
            await self._throttles.forget(conn, session.user)
            await endings.end_of_user(conn, user_id, reason=EndReason.PASSWORD_CHANGED, client=client, at=at)
            signed_in = await self._sessions.start(
                conn, user_id=user_id, hashed_password=hashed, client=client, remembered=live.remembered
            )
            if signed_in is None:
                raise SessionRevoked  # the user was disabled meanwhile
            await event_store.insert(
                conn,
                AuditAction.PASSWORD_CHANGED,
                client=client,
                at=at,
                user_id=user_id,
                session_id=signed_in.session.id,
            )
            return signed_in

    async def _validate(self, current: str, new: str, email: str) -> None:
        # The least length is not asked for here: it may have been another when the password was set.
        if problem := password_problem(current, 0):
            raise ValidationFailed({"current": problem})
        await self._new_passwords.check(new, email=email, field="new")
        if normalise(new) == normalise(current):
            raise ValidationFailed({"new": "Use another password than the current one"})

    async def _check(
        self, session: Session, password: str, client: Client, *, verb: str
    ) -> tuple[Attempt, str]:
        """Check the password of a session's user; return the attempt and the hash that it fits.

        Raises:
            InvalidCredentials: it fits none; that is on the trail.
            TooManyAttempts: it was asked too often, and was not looked at.
        """
        user_id = session.user.id
        attempt = await self._throttles.confirm(user_id, client=client, verb=verb)
        async with self._database.connection() as conn:
            stored = await store.hash_of(conn, user_id)
        check = await self._hashing.check(password, stored)
        if check.corrupt:
            log.error("stored password hash can't be read", user_id=user_id)
        if not check.matches or stored is None or attempt.is_locked:
            reason = "corrupt_hash" if check.corrupt else "locked" if check.matches else "wrong_password"
            raise await self._refused(session, attempt, verb=verb, reason=reason)
        return attempt, stored

    async def _refused(
        self, session: Session, attempt: Attempt, *, verb: str, reason: str
    ) -> InvalidCredentials:
        """Put a refused password on the trail, count it, and hand the error back to be raised."""
        await self._throttles.failed(
            attempt,
            AuditAction.PASSWORD_REFUSED,
            session_id=session.id,
            detail={"verb": verb, "reason": reason},
            counts=reason == "wrong_password",
        )
        return InvalidCredentials("The password is wrong")
