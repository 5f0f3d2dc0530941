"""What users do with their own account: change it, take its data with them, and delete it."""

from datetime import datetime

import msgspec

from gatepost.db.pool import Connection, Database
from gatepost.errors import (
    AccountInUse,
    Conflict,
    EmailTaken,
    GatepostError,
    LastAdmin,
    RejectedByDatabase,
    SessionRevoked,
    ValidationFailed,
)
from gatepost.models import (
    AuditAction,
    Client,
    EndReason,
    PendingEmail,
    Proven,
    Session,
    SignedIn,
)
from gatepost.security.emails import canonical_email, canonical_name
from gatepost.services import emails
from gatepost.services.audit import Audit
from gatepost.services.clock import Clock
from gatepost.services.exports import Export
from gatepost.services.feature import Happened, Wiring
from gatepost.services.hooks import Hooks, Moment
from gatepost.services.reauthentication import Reauthentication
from gatepost.services.refusals import Refusals
from gatepost.services.sessions import Sessions
from gatepost.services.throttles import Throttles
from gatepost.services.typed import read
from gatepost.store import events as event_store
from gatepost.store import profiles as store
from gatepost.texts import Text


class Profiles:
    """Changes, exports and erases the account of whoever asks."""

    def __init__(
        self,
        database: Database,
        *,
        sessions: Sessions,
        throttles: Throttles,
        reauthentication: Reauthentication,
        audit: Audit,
        refusals: Refusals,
        clock: Clock,
        features: Wiring,
        hooks: Hooks,
    ) -> None:
        self._database = database
        self._features = features
        self._sessions = sessions
        self._throttles = throttles
        self._reauthentication = reauthentication
        self._audit = audit
        self._refusals = refusals
        self._hooks = hooks
        self._clock = clock

    async def rename(self, token: str, name: str, client: Client, *, by_cookie: bool = False) -> Session:
        """Give the user of a token another name; return the session with the user as they are now.

        Raises:
            ValidationFailed: the name does not fit.
            Conflict, RejectedByDatabase: the database's own rules stand against it.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        session = await self._sessions.resolve_for(token, client, verb="rename", by_cookie=by_cookie)
        name = read("name", name, canonical_name)
        async with self._database.connection() as conn:
            user = await store.rename(
                conn, session.user.id, name, session_id=session.id, client=client, at=self._clock()
            )
        if user is None:  # disabled or deleted since the session was looked up
            raise await self._refusals.record(
                SessionRevoked(), client, verb="rename", user_id=session.user.id, session_id=session.id
            )
        return msgspec.structs.replace(session, user=user)

    async def choose_language(
        self, token: str, language: str, client: Client, *, by_cookie: bool = False
    ) -> None:
        """Keep the language that the user of a token reads, as RFC 5646 writes it.

        Raises:
            Conflict, ValidationFailed, RejectedByDatabase: the database's own rules stand against it.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        session = await self._sessions.resolve_for(token, client, verb="choose_language", by_cookie=by_cookie)
        async with self._database.connection() as conn:
            await store.choose_language(conn, session.user.id, language, at=self._clock())

    async def change_email(
        self, token: str, email: str, password: str | None, client: Client, *, by_cookie: bool = False
    ) -> SignedIn | PendingEmail:
        """Give a user another e-mail, end every session of theirs and start one for this client.

        Where a feature has the new mailbox answer first, nothing is changed yet.

        The password comes first: without it nobody learns here which addresses have an account (ASVS 6.3.8,
        7.5.1).

        Raises:
            ValidationFailed: a field does not fit, or the e-mail is the current one.
            InvalidCredentials: the password is not this user's.
            TooManyAttempts: it was asked too often.
            EmailTaken: another user has this e-mail; the attempt stays charged.
            FreshSessionRequired: as `Reauthentication.complete`.
            Conflict, RejectedByDatabase: the database's own rules stand against it.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
            Exception: what a hook raised; nothing was changed.
        """
        session = await self._sessions.resolve_for(token, client, verb="change_email", by_cookie=by_cookie)
        # Charged before it is read: what is sent may be costly to read.
        reproven = await self._reauthentication.again(
            session, password, client, field="password", verb="change_email"
        )
        email = _another_email(email, session.user.email)
        attempt = reproven.attempt
        changer = self._features.email_changer
        if changer is not None:
            await changer.charge(email, client=client)
            async with self._reauthentication.transaction(reproven) as (conn, _):
                await self._reauthentication.complete(conn, reproven)
                await self._throttles.succeeded(conn, attempt)
                await changer.begin(conn, session.user, email, client=client)
            return PendingEmail(email=email)

        async def change(conn: Connection, at: datetime | None) -> Proven | None:
            await emails.settle(conn)
            stamp = await store.change_email(conn, session.user.id, email, at=at)
            await self._throttles.succeeded(conn, attempt)
            if stamp is None:
                return None
            user = msgspec.structs.replace(session.user, email=email, email_verified=False)
            await self._hooks.run(Moment.EMAIL_CHANGE, conn, user)
            await self._features.tell(
                conn,
                Happened(
                    action=AuditAction.USER_EMAIL_CHANGED,
                    user=user,
                    client=client,
                    former_email=session.user.email,
                ),
            )
            return Proven(stamp=stamp)

        try:
            return await self._reauthentication.begin_anew(
                reproven,
                change,
                reason=EndReason.EMAIL_CHANGED,
                action=AuditAction.USER_EMAIL_CHANGED,
                # What erasing the account looks for, to find what was tried with it.
                detail={"email": emails.former(session.user.email)},
            )
        except (EmailTaken, Conflict, RejectedByDatabase, ValidationFailed) as error:
            raise await self._denied(error, session, client, verb="change_email") from None

    async def export(self, session: Session, client: Client) -> Export:
        """Return what is stored about the user of a session; that it was asked for is on the trail.

        Raises:
            Exception: what a hook raised.
        """
        user = session.user
        async with self._database.transaction() as conn:
            newest = await event_store.page_of_user(conn, user.id, before=None, limit=1)
            await event_store.insert(
                conn,
                AuditAction.USER_EXPORTED,
                client=client,
                at=self._clock(),
                user_id=user.id,
                session_id=session.id,
            )
            application = await self._hooks.export(conn, user)
        return Export(
            self._database,
            user,
            before=newest[0].id + 1 if newest else 0,
            features=self._features.exports,
            application=application,
        )

    async def erase(
        self, token: str, password: str | None, client: Client, *, by_cookie: bool = False
    ) -> None:
        """Delete the user of a token, every session, and what the trail tells of the person.

        Raises:
            ValidationFailed: a password that none can have.
            InvalidCredentials: it is not this user's.
            TooManyAttempts: it was asked too often.
            LastAdmin: nobody would be left who may administer.
            AccountInUse: the application's own rows stand in the way.
            FreshSessionRequired: as `Reauthentication.complete`.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        session = await self._sessions.resolve_for(token, client, verb="erase", by_cookie=by_cookie)
        user = session.user
        reproven = await self._reauthentication.again(
            session, password, client, field="password", verb="erase"
        )
        try:
            async with self._reauthentication.transaction(reproven, lock=store.lock) as (conn, live):
                await self._reauthentication.complete(conn, reproven)
                await self._hooks.run(Moment.DELETE, conn, user)
                await self._features.erase(conn, user.id)
                if not await store.erase(conn, user.id, session_id=live.id, at=self._clock()):
                    raise SessionRevoked
                await self._throttles.erase(conn, user.id, user.email)
        except (LastAdmin, AccountInUse) as error:
            raise await self._denied(error, session, client, verb="erase") from None

    async def _denied(
        self, error: GatepostError, session: Session, client: Client, *, verb: str
    ) -> GatepostError:
        """Put on the trail what a user asked for in vain, and hand the error back to be raised."""
        await self._audit.refuse(
            AuditAction.ACCESS_DENIED,
            client=client,
            user_id=session.user.id,
            session_id=session.id,
            detail={"code": error.code, "verb": verb},
        )
        return error


def _another_email(typed: str, current: str) -> str:
    """Return the canonical e-mail.

    Raises:
        ValidationFailed: it is none, or the one that the user has.
    """
    email = read("email", typed, canonical_email)
    if email == current:
        raise ValidationFailed({"email": Text("field.email.same")})
    return email
