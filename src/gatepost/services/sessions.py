"""The session core, five verbs: start, resolve, refresh, revoke, revoke_all."""

from dataclasses import dataclass
from datetime import timedelta

from gatepost.db.pool import Connection, Database
from gatepost.errors import AuthenticationError, GatepostError, InvalidSession, NotFound
from gatepost.models import AuditAction, Client, EndReason, Session, SessionRow, SignedIn
from gatepost.security.tokens import StoredToken, TokenCodec
from gatepost.services.audit import BY_COMMAND, Audit
from gatepost.services.clock import Clock
from gatepost.services.lookups import Lookups
from gatepost.services.touches import Touches
from gatepost.store import endings
from gatepost.store import sessions as store


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long sessions live.

    Attributes:
        session: from a start or refresh to `expires_at`.
        absolute: from the password to the end that no refresh moves (ASVS 7.3.2).
        grace: after a refresh, how long its answer may be repeated.
    """

    session: timedelta
    absolute: timedelta
    grace: timedelta


class Sessions:
    """Starts, resolves, refreshes and revokes sessions."""

    def __init__(
        self,
        database: Database,
        *,
        codec: TokenCodec,
        lookups: Lookups,
        touches: Touches,
        audit: Audit,
        clock: Clock,
        lifetimes: Lifetimes,
    ) -> None:
        self._database = database
        self._codec = codec
        self._lookups = lookups
        self._touches = touches
        self._audit = audit
        self._clock = clock
        self._lifetimes = lifetimes

    async def start(
        self, conn: Connection, *, user_id: int, hashed_password: str, client: Client
    ) -> SignedIn | None:
        """Start a session on the caller's connection, for a user whose password was just checked.

        None where the user was disabled or the password changed since `hashed_password` was read.
        """
        issued = self._codec.issue()
        session = await store.start(
            conn,
            issued.stored,
            user_id=user_id,
            hashed_password=hashed_password,
            client=client,
            at=self._clock(),
            lifetime=self._lifetimes.session,
            absolute=self._lifetimes.absolute,
        )
        return None if session is None else SignedIn(token=issued.raw, session=session)

    async def resolve(self, token: str) -> Session:
        """Return the live session that a token opens; the database is asked every time.

        Raises:
            InvalidSession: malformed, or no such session.
            SessionExpired, SessionRevoked, SessionReplaced: it is no longer live.
            Unavailable: the database can't be asked.
        """
        found = await self._lookups.find(self._codec.parse(token))
        if found is None:
            raise InvalidSession
        if found.refusal is not None:
            raise found.refusal
        if found.touch_at is not None:
            self._touches.note(found.session.id, found.touch_at)
        return found.session

    async def refresh(self, token: str, client: Client) -> SignedIn:
        """Replace a token by its successor; within the grace the same successor is answered again.

        Raises:
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: there is nothing to refresh.
            Unavailable: the database can't be asked.
        """
        tokens = await self._parse(token, client, verb="refresh")
        nonce = self._codec.new_nonce()
        issued = self._codec.successor(token, nonce)
        refreshed = await self._replace(tokens, issued.stored, nonce, client)
        if refreshed is None:
            raise await self._refused(InvalidSession(), client, verb="refresh")
        if refreshed.claimed and refreshed.successor is not None:
            return SignedIn(token=issued.raw, session=refreshed.successor)
        refusal = refreshed.refusal or InvalidSession()
        if refreshed.in_grace and refreshed.successor_token is not None and refreshed.nonce is not None:
            repeated = self._codec.successor_stored_as(refreshed.successor_token, token, refreshed.nonce)
            if repeated and refreshed.successor and not refreshed.successor_refusal:
                return SignedIn(token=repeated.raw, session=refreshed.successor)
            refusal = refreshed.successor_refusal or refusal
        raise await self._refused(
            refusal,
            client,
            verb="refresh",
            user_id=refreshed.found_user_id,
            session_id=refreshed.found_id,
        )

    async def _replace(
        self, tokens: tuple[StoredToken, ...], successor: StoredToken, nonce: bytes, client: Client
    ) -> store.Refreshed | None:
        async with self._database.connection() as conn:
            for _ in range(2):
                refreshed = await store.refresh(
                    conn,
                    tokens,
                    successor,
                    nonce,
                    client=client,
                    at=self._clock(),
                    lifetime=self._lifetimes.session,
                    grace=self._lifetimes.grace,
                )
                if refreshed is None or not refreshed.in_grace or refreshed.successor is not None:
                    break
                # One who waited for another's claim does not see the successor yet; the second look does.
        return refreshed

    async def revoke(self, token: str, client: Client) -> None:
        """End the session that a token opens: a logout.

        Raises:
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: it is not live.
        """
        tokens = await self._parse(token, client, verb="revoke")
        async with self._database.connection() as conn:
            ended = await endings.end_presented(conn, tokens, client=client, at=self._clock())
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
            session = ended.found.session
            await self._audit.record(
                AuditAction.ACCESS_DENIED,
                client=client,
                user_id=session.user.id,
                session_id=session.id,
                detail={"code": NotFound.code, "verb": "revoke", "wanted_session": session_id},
            )
            raise NotFound("There is no such session")

    async def _end_by(
        self, token: str, client: Client, *, session_id: int | None, reason: EndReason
    ) -> endings.Ended:
        verb = "revoke_all" if session_id is None else "revoke"
        tokens = await self._parse(token, client, verb=verb)
        async with self._database.connection() as conn:
            ended = await endings.end_by_presented(
                conn, tokens, reason=reason, session_id=session_id, client=client, at=self._clock()
            )
        return await self._check(ended, client, verb=verb)

    async def revoke_by_admin(self, session_id: int, client: Client) -> int:
        """End a session of whomever it is, as the commands do; return how many were live.

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
                detail=BY_COMMAND,
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
            return await store.active_of_user(conn, user_id, at=self._clock())

    async def page(self, *, before: int | None, limit: int) -> list[SessionRow]:
        """Return everybody's live sessions, the one started last first, those with an id below `before`."""
        async with self._database.connection() as conn:
            return await store.active_page(conn, before=before, limit=limit, at=self._clock())

    async def _parse(self, token: str, client: Client, *, verb: str) -> tuple[StoredToken, ...]:
        try:
            return self._codec.parse(token)
        except AuthenticationError as error:
            raise await self._refused(error, client, verb=verb) from None

    async def _check(self, ended: endings.Ended | None, client: Client, *, verb: str) -> endings.Ended:
        if ended is None:
            raise await self._refused(InvalidSession(), client, verb=verb)
        if ended.found.refusal is not None:
            session = ended.found.session
            raise await self._refused(
                ended.found.refusal, client, verb=verb, user_id=session.user.id, session_id=session.id
            )
        return ended

    async def _refused(
        self,
        error: GatepostError,
        client: Client,
        *,
        verb: str,
        user_id: int | None = None,
        session_id: int | None = None,
    ) -> GatepostError:
        """Put a refused verb on the trail and hand the error back to be raised."""
        await self._audit.record(
            AuditAction.SESSION_REFUSED,
            client=client,
            user_id=user_id,
            session_id=session_id,
            detail={"code": error.code, "verb": verb},
        )
        return error
