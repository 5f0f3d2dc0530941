"""What a presented token opens: a live session, or for a moment longer the one that took its place."""

from collections.abc import Callable
from contextlib import suppress

import msgspec

from gatepost.db.pool import Database
from gatepost.errors import AuthenticationError, InvalidSession, Unavailable
from gatepost.models import Client, Session, UserId
from gatepost.security.tokens import StoredToken, TokenCodec
from gatepost.services.clock import Clock
from gatepost.services.lifetimes import Lifetimes
from gatepost.services.lookups import Lookups
from gatepost.services.refusals import Refusals
from gatepost.services.touches import Touches
from gatepost.store import sign_ins, successors
from gatepost.store.sessions import Found


class Opening:
    """Opens sessions, and has their use written.

    A browser has several requests on their way at once, all with the cookie that it had when they left. So a
    token that was replaced less than the grace ago opens what its sign-in has come to, with no more than it
    opened before, where it comes by cookie from the client that holds that now.
    """

    def __init__(
        self,
        database: Database,
        *,
        codec: TokenCodec,
        lookups: Lookups,
        touches: Touches,
        refusals: Refusals,
        clock: Clock,
        lifetimes: Lifetimes,
    ) -> None:
        self._database = database
        self._codec = codec
        self._lookups = lookups
        self._touches = touches
        self._refusals = refusals
        self._clock = clock
        self._lifetimes = lifetimes

    async def resolve(self, token: str) -> Session:
        """Return the live session that a token opens; the database is asked every time.

        Raises:
            InvalidSession: malformed, or no such session.
            SessionExpired, SessionRevoked, SessionReplaced: it is no longer live.
            Unavailable: the database can't be asked.
        """
        tokens = self._codec.parse(token)
        found = await self._lookups.find(tokens)
        if found is None or found.session is None:
            raise _refusal(found)
        if found.touch_at is not None or found.stored != tokens[0]:
            await self._note_use(found, found.session, tokens[0])
        return found.session

    async def resolve_cookie(
        self, token: str, client: Callable[[], Client], *, renews: bool = True
    ) -> Session:
        """Return the session that a cookie opens.

        Args:
            token: the cookie's.
            client: tells who sent it, where that has to be known.
            renews: a session of which half is over gets its full length again, up to its absolute end.

        Raises:
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced, Unavailable: as `resolve`.
        """
        tokens = self._codec.parse(token)
        found = await self._lookups.find(tokens)
        if found is not None and found.session is not None:
            return await self._used(found, found.session, tokens[0], renews=renews)
        held = None if found is None or found.overlap is None else _held(found, client())
        if held is None:
            raise _refusal(found)
        return held

    async def resolve_for(self, token: str, client: Client, *, verb: str, by_cookie: bool = False) -> Session:
        """Return the session that a token opens, for a verb: one that is refused is on the trail.

        Raises:
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: it is not live.
            Unavailable: the database can't be asked.
        """
        tokens = await self._refusals.parse(token, client, verb=verb)
        found = await self._lookups.find(tokens)
        if found is not None and found.session is not None:
            return await self._used(found, found.session, tokens[0], renews=by_cookie)
        held = _held(found, client) if by_cookie and found is not None else None
        if held is not None:
            return held
        refused = None if found is None else found.refused
        raise await self._refusals.record(
            _refusal(found),
            client,
            verb=verb,
            user_id=None if refused is None else refused.user_id,
            session_id=None if refused is None else refused.session_id,
        )

    async def look(self, token: str) -> Session:
        """Return the live session that a token opens, without this being a use of it.

        For what goes on by itself: an open page must not keep a session from being idle.

        Raises:
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced, Unavailable: as `resolve`.
        """
        found = await self._lookups.find(self._codec.parse(token))
        if found is None or found.session is None:
            raise _refusal(found)
        return found.session

    async def held(self, token: str, client: Client) -> Session | None:
        """Return what a replaced token still opens for a browser; None where that is nothing.

        Raises:
            InvalidSession: malformed.
            Unavailable: the database can't be asked.
        """
        found = await self._lookups.find(self._codec.parse(token))
        return None if found is None else _held(found, client)

    async def settle(self, user_id: UserId, session_id: int) -> None:
        """End what a confirmation left alive of a sign-in, because the token that it gave out has come.

        Raises:
            Unavailable: the database is away.
        """
        async with self._database.transaction() as conn:
            await sign_ins.lock_owner(conn, user_id)
            await successors.settle(conn, session_id, at=self._clock())

    async def _used(self, found: Found, session: Session, newest: StoredToken, *, renews: bool) -> Session:
        """Have the use of a session written; return the session with the end that it has then."""
        if found.touch_at is not None or found.stored != newest:
            await self._note_use(found, session, newest)
        if not renews or found.renew_to is None:
            return session
        self._touches.note(session.id, renew_to=found.renew_to)
        try:
            await self._touches.written(session.id)
        except Unavailable:
            return session  # the next request renews it
        return msgspec.structs.replace(session, expires_at=found.renew_to)

    async def _note_use(self, found: Found, session: Session, newest: StoredToken) -> None:
        self._touches.note(session.id, at=found.touch_at, stored=found.stored, digest=newest)
        idles = self._lifetimes.idle is not None and found.touch_at is not None
        # Written behind, what decides over the next request might come after it.
        with suppress(Unavailable):
            if found.handed_by == "confirm":
                await self.settle(session.user.id, session.id)
            elif idles or found.handed_by is not None:
                await self._touches.written(session.id)


def _refusal(found: Found | None) -> AuthenticationError:
    return InvalidSession() if found is None or found.refused is None else found.refused.error


def _held(found: Found, client: Client) -> Session | None:
    overlap = found.overlap
    return overlap.session if overlap is not None and client.may_be(overlap.client) else None
