"""Replacing a token by its successor, the answer repeated, and what a replay leads to."""

from contextlib import suppress
from typing import NoReturn

from gatepost.db.pool import Connection, Database
from gatepost.errors import AuthenticationError, InvalidSession, SessionReplaced, TooManyAttempts, Unavailable
from gatepost.models import AuditAction, Client, EndReason, Session, SignedIn, UserId
from gatepost.security.tokens import TokenCodec
from gatepost.services.clock import Clock
from gatepost.services.lifetimes import Lifetimes
from gatepost.services.limits import EVENT_RATE, Limits
from gatepost.services.opening import Opening
from gatepost.services.refusals import Refusals
from gatepost.store import endings, sign_ins, throttles
from gatepost.store import refreshes as store

VERB = "refresh"


class Refreshing:
    """Replaces tokens.

    Args:
        limits: how often tokens may be refreshed.
    """

    def __init__(
        self,
        database: Database,
        *,
        codec: TokenCodec,
        opening: Opening,
        refusals: Refusals,
        clock: Clock,
        lifetimes: Lifetimes,
        limits: Limits,
    ) -> None:
        self._database = database
        self._codec = codec
        self._opening = opening
        self._refusals = refusals
        self._clock = clock
        self._lifetimes = lifetimes
        self._limits = limits

    async def refresh(self, token: str, client: Client) -> SignedIn:
        """Replace a token by its successor; a client whose answer was lost gets the same successor again.

        The client that the answer was for can have it again, within the grace, and after that for as long as
        the successor was never used. Whoever else comes with the replaced token within the grace is refused.
        After that the token has two holders, and nobody knows which of them is the thief: its whole line of
        successors ends (RFC 9700 §4.14.2).

        Raises:
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: there is nothing to refresh.
            TooManyAttempts: of this sign-in, or from this address.
            Unavailable: the database can't be asked.
        """
        refreshed, issued = await self._replace(token, client)
        return self._signed_in(refreshed, token, issued, client) or await self._refuse(refreshed, client)

    async def refresh_cookie(self, token: str, client: Client) -> SignedIn | Session:
        """Replace the token of a cookie, as `refresh` does.

        A browser that has a newer cookie already, because another of its requests was quicker, is handed no
        token: it gets the session that this one still opens.

        Raises:
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced, TooManyAttempts, Unavailable: as
                `refresh`.
        """
        refreshed, issued = await self._replace(token, client)
        signed_in = self._signed_in(refreshed, token, issued, client)
        held = None
        if signed_in is None and refreshed.in_grace:
            held = await self._opening.held(token, client)
        return signed_in or held or await self._refuse(refreshed, client)

    async def _replace(self, token: str, client: Client) -> tuple[store.Refreshed, str]:
        """Ask the statement; return what it did, and the token that goes with it where it made a claim."""
        tokens = await self._refusals.parse(token, client, verb=VERB)
        nonce = self._codec.new_nonce()
        issued = self._codec.successor(token, nonce)

        async def ask(conn: Connection, rates: store.RefreshRates | None) -> store.Refreshed:
            return await store.refresh(
                conn,
                tokens,
                issued.stored,
                nonce,
                client=client,
                at=self._clock(),
                lifetime=self._lifetimes.session,
                grace=self._lifetimes.grace,
                idle=self._lifetimes.idle,
                fresh=self._lifetimes.fresh,
                rates=rates,
            )

        async def look(rates: store.RefreshRates | None) -> store.Refreshed:
            async with self._database.connection() as conn:
                refreshed = await ask(conn, rates)
                if refreshed.in_grace and refreshed.successor_token is None:
                    # One who waited for another's claim does not see the successor yet; the second look does.
                    refreshed = await ask(conn, None)
            return refreshed

        refreshed = await look(self._limits.refreshes)
        if refreshed.unsettled:
            with suppress(AuthenticationError):  # another of its requests was quicker, and this is a repeat
                await self._opening.resolve(token)
            refreshed = await look(None)
            if refreshed.unsettled:
                raise Unavailable
        return refreshed, issued.raw

    def _signed_in(
        self, refreshed: store.Refreshed, token: str, issued: str, client: Client
    ) -> SignedIn | None:
        raw = issued if refreshed.claimed else self._repeated(refreshed, token, client)
        if raw is None or refreshed.successor is None:
            return None
        return SignedIn(token=raw, session=refreshed.successor, remembered=refreshed.remembered)

    def _repeated(self, refreshed: store.Refreshed, token: str, client: Client) -> str | None:
        """Return the token that an earlier refresh was answered with, where the answer may be repeated."""
        may_be_lost = refreshed.successor_unused and bool(self._lifetimes.grace)
        if not (refreshed.in_grace or may_be_lost) or not client.may_be(refreshed.claimant):
            return None
        if refreshed.successor_token is None or refreshed.nonce is None:
            return None
        issued = self._codec.successor_stored_as(refreshed.successor_token, token, refreshed.nonce)
        return None if issued is None else issued.raw

    async def _refuse(self, refreshed: store.Refreshed, client: Client) -> NoReturn:
        """Refuse what could not be refreshed; that is on the trail."""
        if refreshed.throttled is not None:
            raise await self._throttled(refreshed.throttled, client)
        if refreshed.found_id is None or refreshed.found_user_id is None:
            raise await self._refusals.record(InvalidSession(), client, verb=VERB)
        refusal = refreshed.refusal or refreshed.successor_refusal or InvalidSession()
        reason = None
        if refreshed.in_grace:
            if client.may_be(refreshed.claimant):
                refusal = refreshed.successor_refusal or refusal
            else:
                reason = "another_client"
        elif isinstance(refusal, SessionReplaced) and await self._end_line(
            refreshed.found_id, refreshed.found_user_id, client
        ):
            raise refusal
        raise await self._refusals.record(
            refusal,
            client,
            verb=VERB,
            user_id=refreshed.found_user_id,
            session_id=refreshed.found_id,
            reason=reason,
        )

    async def _end_line(self, session_id: int, user_id: UserId, client: Client) -> bool:
        """End whatever a replayed token was refreshed to; say whether there was anything left to end."""
        async with self._database.transaction() as conn:
            at = self._clock()
            await sign_ins.lock_owner(conn, user_id)
            live = await sign_ins.lock_live(conn, session_id, at=at, idle=self._lifetimes.idle)
            ended = await endings.end_of_user(
                conn,
                user_id,
                reason=EndReason.REPLAYED,
                client=client,
                at=at,
                session_id=session_id,
                action=AuditAction.SESSION_REPLAYED,
                detail={
                    "replayed_session": session_id,
                    "successor": None if live is None else live.id,
                    "successor_ip": None if live is None else live.ip_address,
                },
            )
        return ended > 0

    async def _throttled(self, throttled: store.Throttled, client: Client) -> TooManyAttempts:
        async with self._database.connection() as conn:
            await throttles.refuse(
                conn,
                throttled.full,
                event_rate=EVENT_RATE,
                verb=VERB,
                user_id=throttled.user_id,
                session_id=throttled.session_id,
                client=client,
                at=self._clock(),
            )
        return self._limits.reached(throttled.full, verb=VERB)
