"""The session core, five verbs: start, resolve, refresh, revoke, revoke_all."""

from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any

from gatepost.db.pool import Connection, Database, transaction_on
from gatepost.errors import AuthenticationError, InvalidSession, NotFound, SessionRevoked, Unavailable
from gatepost.models import AuditAction, Client, EndReason, Session, SessionRow, SignedIn, SignIn
from gatepost.security.tokens import StoredToken, TokenCodec
from gatepost.services.audit import BY_COMMAND, Audit
from gatepost.services.clock import Clock
from gatepost.services.lifetimes import Lifetimes
from gatepost.services.lookups import Lookups
from gatepost.services.refreshing import Refreshing
from gatepost.services.refusals import Refusals
from gatepost.services.touches import Touches
from gatepost.store import endings, sign_ins
from gatepost.store import sessions as store
from gatepost.store.refreshes import RefreshRates


class Sessions:
    """Starts, resolves, refreshes and revokes sessions.

    Args:
        refresh_rates: how often tokens may be refreshed; None for no limit.
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
        refresh_rates: RefreshRates | None,
        max_per_user: int,
    ) -> None:
        self._database = database
        self._codec = codec
        self._lookups = lookups
        self._touches = touches
        self._audit = audit
        self._clock = clock
        self._lifetimes = lifetimes
        self._max_per_user = max_per_user
        self._refusals = refusals
        self._refreshing = Refreshing(
            database,
            codec=codec,
            refusals=refusals,
            clock=clock,
            lifetimes=lifetimes,
            rates=refresh_rates,
        )

    async def start(
        self,
        conn: Connection,
        *,
        user_id: int,
        hashed_password: str,
        client: Client,
        remembered: bool = False,
    ) -> SignedIn | None:
        """Start a session on the caller's connection, for a user whose password was just checked.

        None where the user was disabled or the password changed since `hashed_password` was read. Where
        the user may have only so many sessions, the oldest sign-in ends: under the user's lock, so that
        logins at the same moment count each other (ASVS 7.1.2).
        """
        issued = self._codec.issue()
        async with AsyncExitStack() as stack:
            if self._max_per_user:
                await stack.enter_async_context(transaction_on(conn))
                await sign_ins.lock_owner(conn, user_id)
            session = await store.start(
                conn,
                issued.stored,
                user_id=user_id,
                hashed_password=hashed_password,
                client=client,
                remembered=remembered,
                at=self._clock(),
                lifetime=self._lifetimes.absolute if remembered else self._lifetimes.session,
                absolute=self._lifetimes.absolute,
            )
            if session is None:
                return None
            if self._max_per_user:
                await sign_ins.end_beyond(
                    conn,
                    user_id,
                    kept=self._max_per_user,
                    client=client,
                    at=self._clock(),
                    idle=self._lifetimes.idle,
                )
        return SignedIn(token=issued.raw, session=session, remembered=remembered)

    async def resolve(self, token: str) -> Session:
        """Return the live session that a token opens; the database is asked every time.

        Raises:
            InvalidSession: malformed, or no such session.
            SessionExpired, SessionRevoked, SessionReplaced: it is no longer live.
            Unavailable: the database can't be asked.
        """
        tokens = self._codec.parse(token)
        found = await self._lookups.find(tokens)
        if found is None:
            raise InvalidSession
        if found.session is None:
            raise InvalidSession if found.refused is None else found.refused.error
        if found.touch_at is not None or found.stored != tokens[0]:
            await self._note_use(found, found.session.id, tokens[0])
        return found.session

    async def look(self, token: str) -> Session:
        """Return the live session that a token opens, without this being a use of it.

        For what goes on by itself: an open page must not keep a session from being idle.

        Raises:
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced, Unavailable: as `resolve`.
        """
        found = await self._lookups.find(self._codec.parse(token))
        if found is None:
            raise InvalidSession
        if found.session is None:
            raise InvalidSession if found.refused is None else found.refused.error
        return found.session

    async def _note_use(self, found: store.Found, session_id: int, newest: StoredToken) -> None:
        self._touches.note(session_id, found.touch_at, stored=found.stored, digest=newest)
        if self._lifetimes.idle is not None and found.touch_at is not None:
            # Written behind, a use might not be there yet when the next one asks whether it is too late.
            with suppress(Unavailable):
                await self._touches.written(session_id)

    async def resolve_for(self, token: str, client: Client, *, verb: str) -> Session:
        """Return the live session that a token opens, for a verb: one that is refused is on the trail.

        Raises:
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: it is not live.
            Unavailable: the database can't be asked.
        """
        found = await self._lookups.find(await self._refusals.parse(token, client, verb=verb))
        if found is not None and found.session is not None:
            return found.session
        if found is None or found.refused is None:
            raise await self._refusals.of(InvalidSession(), client, verb=verb)
        refused = found.refused
        raise await self._refusals.of(
            refused.error, client, verb=verb, user_id=refused.user_id, session_id=refused.session_id
        )

    async def refresh(self, token: str, client: Client) -> SignedIn:
        """Replace a token by its successor, as `Refreshing.refresh` says."""
        return await self._refreshing.refresh(token, client)

    async def renew(self, token: str, client: Client) -> SignedIn | None:
        """Replace a token that nobody asked to be replaced, as `Refreshing.renew` says."""
        return await self._refreshing.renew(token, client)

    async def confirm(self, token: str, hashed_password: str, client: Client) -> SignedIn:
        """Replace a token by a fresh one, as `Refreshing.confirm` says."""
        return await self._refreshing.confirm(token, hashed_password, client)

    async def supersede(self, token: str, client: Client) -> None:
        """End the session of a token whose browser has signed in anew; one that is not live is passed over.

        Raises:
            Unavailable: the database can't be asked.
        """
        try:
            tokens = self._codec.parse(token)
        except AuthenticationError:
            return
        async with self._database.connection() as conn:
            await endings.end_presented(
                conn,
                tokens,
                reason=EndReason.SIGNED_IN_AGAIN,
                client=client,
                at=self._clock(),
                idle=self._lifetimes.idle,
            )

    async def revoke(self, token: str, client: Client) -> None:
        """End the session that a token opens: a logout.

        Raises:
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: it is not live.
        """
        tokens = await self._refusals.parse(token, client, verb="revoke")
        async with self._database.connection() as conn:
            ended = await endings.end_presented(
                conn,
                tokens,
                reason=EndReason.LOGOUT,
                client=client,
                at=self._clock(),
                idle=self._lifetimes.idle,
            )
        await self._check(ended, client, verb="revoke")

    async def revoke_all(self, token: str, client: Client) -> int:
        """End every session of the user whose live token this is; return how many were live.

        Raises:
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: it is not live.
        """
        ended = await self._end_by(token, client, session_id=None, reason=EndReason.LOGOUT_ALL)
        return ended.count

    async def revoke_one(self, token: str, session_id: int, client: Client) -> None:
        """End one session of the user whose live token this is.

        Raises:
            NotFound: no live session of this user has that id.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: the token is not live.
        """
        ended = await self._end_by(token, client, session_id=session_id, reason=EndReason.REVOKED)
        if ended.count == 0:
            await self._audit.record(
                AuditAction.ACCESS_DENIED,
                client=client,
                user_id=ended.user_id,
                session_id=ended.session_id,
                detail={"code": NotFound.code, "verb": "revoke", "wanted_session": session_id},
            )
            raise NotFound("There is no such session")

    async def revoke_others(self, token: str, client: Client) -> int:
        """End every session of the user whose live token this is, but its own; return how many were live.

        Raises:
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: it is not live.
        """
        verb, at = "revoke_others", self._clock()
        session = await self.resolve_for(token, client, verb=verb)
        user_id = session.user.id
        async with self._database.transaction() as conn:
            await sign_ins.lock_owner(conn, user_id)
            live = await sign_ins.lock_live(conn, session.id, at=at, idle=self._lifetimes.idle)
            if live is not None:
                return await sign_ins.end_others(conn, user_id, kept=live.id, client=client, at=at)
        # It was ended while this waited for its turn.
        raise await self._refusals.of(
            SessionRevoked(), client, verb=verb, user_id=user_id, session_id=session.id
        )

    async def _end_by(
        self, token: str, client: Client, *, session_id: int | None, reason: EndReason
    ) -> endings.Ended:
        verb = "revoke_all" if session_id is None else "revoke"
        tokens = await self._refusals.parse(token, client, verb=verb)
        async with self._database.connection() as conn:
            ended = await endings.end_by_presented(
                conn,
                tokens,
                reason=reason,
                session_id=session_id,
                client=client,
                at=self._clock(),
                idle=self._lifetimes.idle,
            )
        return await self._check(ended, client, verb=verb)

    async def revoke_by_admin(
        self, session_id: int, client: Client, *, by: Mapping[str, Any] = BY_COMMAND
    ) -> int:
        """End a session of whomever it is; return how many were live. `by` tells who asks.

        Raises:
            NotFound: there is no such session.
        """
        async with self._database.transaction() as conn:
            user_id = await endings.owner_of(conn, session_id)
            if user_id is None:
                raise NotFound("There is no such session")
            return await endings.end_of_user(
                conn,
                user_id,
                reason=EndReason.REVOKED,
                client=client,
                at=self._clock(),
                session_id=session_id,
                detail=by,
            )

    async def revoke_all_of(self, user_id: int, client: Client) -> int:
        """End every session of a user, as the commands do; return how many were live."""
        async with self._database.connection() as conn:
            return await endings.end_of_user(
                conn,
                user_id,
                reason=EndReason.REVOKED,
                client=client,
                at=self._clock(),
                detail=BY_COMMAND,
            )

    async def active(self, user_id: int) -> list[SessionRow]:
        """Return a user's live sessions, the one used last first."""
        async with self._database.connection() as conn:
            return await store.active_of_user(conn, user_id, at=self._clock(), idle=self._lifetimes.idle)

    async def live_sign_ins(self, user_id: int) -> list[SignIn]:
        """Return what `active` does, with the time of each sign-in."""
        async with self._database.connection() as conn:
            return await sign_ins.of_user(conn, user_id, at=self._clock(), idle=self._lifetimes.idle)

    async def page(self, *, before: int | None, limit: int) -> list[SessionRow]:
        """Return everybody's live sessions, the one started last first, those with an id below `before`."""
        async with self._database.connection() as conn:
            return await store.active_page(
                conn, before=before, limit=limit, at=self._clock(), idle=self._lifetimes.idle
            )

    async def _check(self, ended: endings.Ended | None, client: Client, *, verb: str) -> endings.Ended:
        if ended is None:
            raise await self._refusals.of(InvalidSession(), client, verb=verb)
        if ended.refusal is not None:
            raise await self._refusals.of(
                ended.refusal, client, verb=verb, user_id=ended.user_id, session_id=ended.session_id
            )
        return ended
