"""The session core, five verbs: start, resolve, refresh, revoke, revoke_all."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

import msgspec

from gatepost.db.pool import Connection, Database, transaction_on
from gatepost.errors import (
    AdminRequired,
    AuthenticationError,
    ImpersonationRefused,
    InvalidSession,
    NotFound,
    SessionRevoked,
)
from gatepost.log import get_logger
from gatepost.models import (
    AuditAction,
    Beginning,
    Client,
    EndReason,
    Proof,
    Session,
    SessionCursor,
    SignedIn,
    SignIn,
    UserId,
    as_json,
)
from gatepost.security.tokens import StoredToken, TokenCodec
from gatepost.services.audit import Audit
from gatepost.services.clock import Clock
from gatepost.services.hooks import Hooks, Moment
from gatepost.services.lifetimes import Lifetimes
from gatepost.services.limits import Limits
from gatepost.services.lookups import Lookups
from gatepost.services.opening import Opening
from gatepost.services.refreshing import Refreshing
from gatepost.services.refusals import Refusals
from gatepost.services.touches import Touches
from gatepost.store import endings, sign_ins, successors
from gatepost.store import events as event_store
from gatepost.store import sessions as store
from gatepost.store import users as user_store
from gatepost.texts import Text

log = get_logger("gatepost.sessions")

LISTED = 100
"""Sessions a page, where nobody says otherwise."""


class Sessions(Opening):
    """Starts, opens, refreshes and revokes sessions.

    Args:
        limits: how often tokens may be refreshed.
        max_per_user: live sessions that a user may have; 0 for no limit.
    """

    def __init__(
        self,
        database: Database,
        *,
        codec: TokenCodec,
        lookups: Lookups,
        touches: Touches,
        audit: Audit,
        refusals: Refusals,
        clock: Clock,
        lifetimes: Lifetimes,
        limits: Limits,
        max_per_user: int,
        hooks: Hooks,
    ) -> None:
        self._hooks = hooks
        super().__init__(
            database,
            codec=codec,
            lookups=lookups,
            touches=touches,
            refusals=refusals,
            clock=clock,
            lifetimes=lifetimes,
        )
        self._audit = audit
        self._max_per_user = max_per_user
        self._refreshing = Refreshing(
            database,
            codec=codec,
            opening=self,
            refusals=refusals,
            clock=clock,
            lifetimes=lifetimes,
            limits=limits,
        )

    async def start(
        self,
        conn: Connection,
        proof: Proof,
        *,
        client: Client,
        remembered: bool = False,
        counts: bool = True,
    ) -> SignedIn | None:
        """Start a session on the caller's connection, for a user who has just proven who they are.

        None where the user was disabled or their credentials changed since then. Where the user may have
        only so many sessions, the oldest sign-in ends: under the user's lock, so that logins at the same
        moment count each other (ASVS 7.1.2). One that doesn't count among them, because somebody else is to
        have it, ends none.
        """
        issued = self._codec.issue()
        most = self._max_per_user if counts else 0
        async with AsyncExitStack() as stack:
            if most:
                await stack.enter_async_context(transaction_on(conn))
                await sign_ins.lock_owner(conn, proof.user_id)
            session = await store.start(
                conn,
                issued.stored,
                proof,
                client=client,
                remembered=remembered,
                at=self._clock(),
                lifetime=self._lifetimes.absolute if remembered else self._lifetimes.session,
                absolute=self._lifetimes.absolute,
            )
            if session is None:
                return None
            if most:
                await sign_ins.end_beyond(
                    conn,
                    proof.user_id,
                    kept=most,
                    client=client,
                    at=self._clock(),
                    idle=self._lifetimes.idle,
                )
        return SignedIn(
            token=issued.raw, session=session, remembered=remembered, credentials_stamp=proof.stamp
        )

    async def impersonate(
        self, conn: Connection, proof: Proof, by: Session, *, client: Client, remembered: bool
    ) -> SignedIn | None:
        """Start a session that somebody else is to have, on the caller's connection.

        None as `start`. Whoever is to have it is locked first, then their session and then its user: as by
        what ends their session, and with it this one.

        Raises:
            ImpersonationRefused: its user is an administrator or the same, or `by` is an impersonation.
            SessionRevoked: `by` is over.
            AdminRequired: they are no administrator any more.
        """
        if by.user.id == proof.user_id or by.impersonator_id is not None:
            raise ImpersonationRefused
        await sign_ins.lock_owner(conn, by.user.id)
        at = self._clock()
        live = await sign_ins.lock_live(conn, by.id, at=at, idle=self._lifetimes.idle)
        if live is None:
            raise SessionRevoked
        if by.user.is_admin and not await user_store.is_active_admin(conn, by.user.id):
            raise AdminRequired
        signed_in = await self.start(conn, proof, client=client, remembered=remembered, counts=False)
        if signed_in is None:
            return None
        session = signed_in.session
        if session.user.is_admin:
            raise ImpersonationRefused
        expires_at = await store.impersonate(conn, session.id, by.user.id, live_id=live.id)
        await event_store.insert(
            conn,
            AuditAction.SESSION_IMPERSONATED,
            client=client,
            at=at,
            user_id=session.user.id,
            session_id=session.id,
            detail={"admin_id": as_json(by.user.id)},
        )
        session = msgspec.structs.replace(
            session, expires_at=expires_at, is_fresh=False, impersonator_id=by.user.id
        )
        # The browser that has it is no device of its user.
        return replace(signed_in, session=session, credentials_stamp=None)

    @asynccontextmanager
    async def noting(self, client: Client, *, user_id: UserId, by: Session | None) -> AsyncIterator[None]:
        """Put it on the trail where somebody may not have a session in the place of a user."""
        try:
            yield
        except (ImpersonationRefused, AdminRequired) as error:
            if by is not None:
                await self._audit.refuse(
                    AuditAction.ACCESS_DENIED,
                    client=client,
                    user_id=by.user.id,
                    session_id=by.id,
                    detail={"code": error.code, "verb": "impersonate", "wanted_user": as_json(user_id)},
                )
            raise

    async def confirm(self, conn: Connection, live_id: int, proof: Proof, client: Client) -> SignedIn | None:
        """Start a fresh session of a sign-in on the caller's connection, for a user who proved themselves.

        It takes the place of the live one once its token comes (`Opening.settle`). None where the credentials
        are others by now. The caller has locked the user's row.
        """
        issued = self._codec.issue()
        started = await successors.start_fresh(
            conn,
            issued.stored,
            live_id=live_id,
            proof=proof,
            client=client,
            at=self._clock(),
            lifetime=self._lifetimes.session,
            absolute=self._lifetimes.absolute,
        )
        if started is None:
            return None
        session, remembered = started
        return SignedIn(token=issued.raw, session=session, remembered=remembered)

    async def refresh(self, token: str, client: Client) -> SignedIn:
        """Replace a token by its successor, as `Refreshing.refresh` says."""
        return await self._refreshing.refresh(token, client)

    async def refresh_cookie(self, token: str, client: Client) -> SignedIn | Session:
        """Replace the token of a cookie, as `Refreshing.refresh_cookie` says."""
        return await self._refreshing.refresh_cookie(token, client)

    async def supersede(self, token: str, client: Client) -> None:
        """End the session of a cookie whose browser signs in once more; one that is not live is passed over.

        Raises:
            Unavailable: the database can't be asked.
        """
        with suppress(AuthenticationError):
            tokens = self._codec.parse(token)
            await self._end(token, tokens, client, by_cookie=True, reason=EndReason.SIGNED_IN_AGAIN)

    async def revoke(self, token: str, client: Client, *, by_cookie: bool = False) -> None:
        """End the sign-in that a token belongs to: a logout.

        Raises:
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: it is not live.
        """
        verb = "revoke"
        ended = await self._end_for(token, client, by_cookie=by_cookie, verb=verb, reason=EndReason.LOGOUT)
        if ended.count == 0:  # another logout was quicker
            raise await self._refusals.record(
                SessionRevoked(), client, verb=verb, user_id=ended.user_id, session_id=ended.session_id
            )

    async def revoke_all(self, token: str, client: Client, *, by_cookie: bool = False) -> int:
        """End every session of the user whose live token this is; return how many were live.

        Raises:
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: it is not live.
        """
        ended = await self._end_for(
            token,
            client,
            by_cookie=by_cookie,
            verb="revoke_all",
            reason=EndReason.LOGOUT_ALL,
            everywhere=True,
        )
        return ended.count

    async def revoke_one(
        self, token: str, session_id: int, client: Client, *, by_cookie: bool = False
    ) -> None:
        """End one session of the user whose live token this is.

        Raises:
            NotFound: no live session of this user has that id.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        verb = "revoke"
        ended = await self._end_for(
            token, client, by_cookie=by_cookie, verb=verb, reason=EndReason.REVOKED, session_id=session_id
        )
        if ended.count == 0:
            await self._audit.refuse(
                AuditAction.ACCESS_DENIED,
                client=client,
                user_id=ended.user_id,
                session_id=ended.session_id,
                detail={"code": NotFound.code, "verb": verb, "wanted_session": session_id},
            )
            raise NotFound(Text("error.not_found.session"))

    async def revoke_others(self, token: str, client: Client, *, by_cookie: bool = False) -> int:
        """End every session of the user whose live token this is, but its own; return how many were live.

        Raises:
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: it is not live.
        """
        verb, at = "revoke_others", self._clock()
        session = await self.resolve_for(token, client, verb=verb, by_cookie=by_cookie)
        user_id = session.user.id
        async with self._database.transaction() as conn:
            await sign_ins.lock_owner(conn, user_id)
            live = await sign_ins.lock_live(conn, session.id, at=at, idle=self._lifetimes.idle)
            if live is not None:
                return await sign_ins.end_others(
                    conn, user_id, kept=live.id, client=client, at=at, idle=self._lifetimes.idle
                )
        # It was ended while this waited for its turn.
        raise await self._refusals.record(
            SessionRevoked(), client, verb=verb, user_id=user_id, session_id=session.id
        )

    async def _end_for(
        self,
        token: str,
        client: Client,
        *,
        by_cookie: bool,
        verb: str,
        reason: EndReason,
        session_id: int | None = None,
        everywhere: bool = False,
    ) -> endings.Ended:
        """End sessions for a verb: one that is refused is on the trail."""
        tokens = await self._refusals.parse(token, client, verb=verb)
        ended = await self._end(
            token,
            tokens,
            client,
            by_cookie=by_cookie,
            reason=reason,
            session_id=session_id,
            everywhere=everywhere,
        )
        if ended is None:
            raise await self._refusals.record(InvalidSession(), client, verb=verb)
        if ended.refusal is not None:
            raise await self._refusals.record(
                ended.refusal, client, verb=verb, user_id=ended.user_id, session_id=ended.session_id
            )
        return ended

    async def _end(
        self,
        token: str,
        tokens: Sequence[StoredToken],
        client: Client,
        *,
        by_cookie: bool,
        reason: EndReason,
        session_id: int | None = None,
        everywhere: bool = False,
    ) -> endings.Ended | None:
        """End all sessions of a token's user, the sign-in of the one named, or the token's own."""
        signs_out = reason in {EndReason.LOGOUT, EndReason.LOGOUT_ALL} and self._hooks.has(Moment.SIGN_OUT)
        lent = self._database.transaction if signs_out else self._database.connection
        async with lent() as conn:
            ended = await endings.end_by_presented(
                conn,
                tokens,
                reason=reason,
                session_id=session_id,
                everywhere=everywhere,
                client=client,
                at=self._clock(),
                idle=self._lifetimes.idle,
            )
            # Who had a session in the place of its user is not the user who signs out.
            if signs_out and ended is not None and ended.count and (everywhere or not ended.is_impersonation):
                await self._part(conn, ended.user_id, None if everywhere else ended.session_id)
        if ended is not None and ended.refusal is None and ended.unsettled:
            await self.settle(ended.user_id, ended.session_id)
        if ended is None or ended.refusal is None or not by_cookie:
            return ended
        held = await self.held(token, client)
        if held is None:
            return ended
        async with lent() as conn:
            count = await endings.end_of_user(
                conn,
                held.user.id,
                reason=reason,
                client=client,
                at=self._clock(),
                session_id=None if everywhere else session_id or held.id,
            )
            if signs_out and count and (everywhere or held.impersonator_id is None):
                await self._part(conn, held.user.id, None if everywhere else held.id)
        return endings.Ended(session_id=held.id, user_id=held.user.id, refusal=None, count=count)

    async def _part(self, conn: Connection, user_id: UserId, session_id: int | None) -> None:
        """Run the hooks of a sign-out, which stands whatever they raise: no fault keeps anybody signed in."""
        user = await user_store.get(conn, user_id)
        try:
            # What runs there may still be busy when it is given up: the driver waits for that, and goes back.
            async with conn.transaction():
                await self._hooks.run(Moment.SIGN_OUT, conn, user, session_id)
        except Exception:
            if not conn.is_in_transaction():
                raise  # the hook ended it: nobody knows whether its user is signed out
            log.exception("a hook failed, and its user is signed out all the same", moment=Moment.SIGN_OUT)

    async def active(
        self, user_id: UserId, *, after: SessionCursor | None = None, limit: int = LISTED
    ) -> list[SignIn]:
        """Return a page of a user's live sessions, the one used last first, those that come after `after`."""
        async with self._database.connection() as conn:
            return await sign_ins.of_user(
                conn, user_id, after=after, limit=limit, at=self._clock(), idle=self._lifetimes.idle
            )

    async def beginnings(self, user_id: UserId, *, limit: int) -> list[Beginning]:
        """Return where a user's sign-ins began that are still kept, the newest first."""
        async with self._database.connection() as conn:
            return await sign_ins.beginnings(conn, user_id, limit=limit)

    async def count_active(self, user_id: UserId) -> int:
        """Count a user's live sessions."""
        async with self._database.connection() as conn:
            return await sign_ins.count(conn, user_id, at=self._clock(), idle=self._lifetimes.idle)
