"""Replacing a token by its successor: refresh, the password given again, and what a replay leads to."""

from gatepost.db.pool import Connection, Database
from gatepost.errors import InvalidCredentials, InvalidSession, SessionReplaced, TooManyAttempts
from gatepost.models import AuditAction, Client, EndReason, SignedIn
from gatepost.security.tokens import TokenCodec
from gatepost.services.clock import Clock
from gatepost.services.lifetimes import Lifetimes
from gatepost.services.limits import EVENT_RATE
from gatepost.services.refusals import Refusals
from gatepost.store import endings, sign_ins, throttles
from gatepost.store import refreshes as store


class Refreshing:
    """Replaces tokens.

    Args:
        rates: how often tokens may be refreshed; None for no limit.
    """

    def __init__(
        self,
        database: Database,
        *,
        codec: TokenCodec,
        refusals: Refusals,
        clock: Clock,
        lifetimes: Lifetimes,
        rates: store.RefreshRates | None,
    ) -> None:
        self._database = database
        self._codec = codec
        self._refusals = refusals
        self._clock = clock
        self._lifetimes = lifetimes
        self._rates = rates

    async def refresh(self, token: str, client: Client) -> SignedIn:
        """Replace a token by its successor; within the grace the same successor is answered again.

        A token that was replaced longer ago than that has two holders, and nobody knows which of them is
        the thief: its whole line of successors ends (RFC 9700 §4.14.2).

        Raises:
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: there is nothing to refresh.
            TooManyAttempts: of this sign-in, or from this address.
            Unavailable: the database can't be asked.
        """
        return await self._succeed(token, client, verb="refresh", rates=self._rates)

    async def renew(self, token: str, client: Client) -> SignedIn | None:
        """Replace a token as `refresh` does, where nobody asked for it; None where there is nothing to renew.

        A request that came with a live token may take longer than the grace, and others may have renewed
        it meanwhile. That is no replay, and no attempt to be counted.
        """
        refreshed, issued = await self._replace(token, client, verb="renew", rates=None, proof=None)
        return self._signed_in(refreshed, token, issued)

    async def confirm(self, token: str, hashed_password: str, client: Client) -> SignedIn:
        """Replace a token by a fresh one, whose absolute end counts from now, for a password just checked.

        Raises:
            InvalidCredentials: the password was changed since `hashed_password` was read.
            InvalidSession, SessionExpired, SessionRevoked, SessionReplaced: it is not live.
            Unavailable: the database can't be asked.
        """
        proof = store.Proof(hashed_password=hashed_password, absolute=self._lifetimes.absolute)
        signed_in = await self._succeed(token, client, verb="confirm", proof=proof)
        if signed_in.session.is_fresh:
            return signed_in
        # A refresh at the same moment was quicker: what it began is what the password is given for.
        return await self._succeed(signed_in.token, client, verb="confirm", proof=proof)

    async def _succeed(
        self,
        token: str,
        client: Client,
        *,
        verb: str,
        rates: store.RefreshRates | None = None,
        proof: store.Proof | None = None,
    ) -> SignedIn:
        refreshed, issued = await self._replace(token, client, verb=verb, rates=rates, proof=proof)
        if refreshed.throttled is not None:
            raise await self._throttled(refreshed.throttled, client, verb=verb)
        if refreshed.found_id is None or refreshed.found_user_id is None:
            raise await self._refusals.of(InvalidSession(), client, verb=verb)
        signed_in = self._signed_in(refreshed, token, issued)
        if signed_in is not None:
            return signed_in
        if proof is not None and not refreshed.claimed and refreshed.refusal is None:
            raise InvalidCredentials  # who checked the password puts that on the trail
        refusal = refreshed.refusal or InvalidSession()
        if refreshed.in_grace or refreshed.claimed:
            refusal = refreshed.successor_refusal or refusal
        elif (
            proof is None
            and isinstance(refusal, SessionReplaced)
            and await self._end_line(refreshed.found_id, refreshed.found_user_id, client)
        ):
            raise refusal
        raise await self._refusals.of(
            refusal,
            client,
            verb=verb,
            user_id=refreshed.found_user_id,
            session_id=refreshed.found_id,
        )

    async def _replace(
        self,
        token: str,
        client: Client,
        *,
        verb: str,
        rates: store.RefreshRates | None,
        proof: store.Proof | None,
    ) -> tuple[store.Refreshed, str]:
        """Ask the statement; return what it did, and the token that goes with it where it made a claim."""
        tokens = await self._refusals.parse(token, client, verb=verb)
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
                proof=proof,
            )

        async with self._database.connection() as conn:
            refreshed = await ask(conn, rates)
            if refreshed.in_grace and refreshed.successor_token is None:
                # One who waited for another's claim does not see the successor yet; the second look does.
                refreshed = await ask(conn, None)
        return refreshed, issued.raw

    def _signed_in(self, refreshed: store.Refreshed, token: str, issued: str) -> SignedIn | None:
        raw = issued if refreshed.claimed else self._repeated(refreshed, token)
        if raw is None or refreshed.successor is None:
            return None
        return SignedIn(token=raw, session=refreshed.successor, remembered=refreshed.remembered)

    def _repeated(self, refreshed: store.Refreshed, token: str) -> str | None:
        """Return the token that an earlier refresh was answered with, where the answer may be repeated."""
        if not refreshed.in_grace or refreshed.successor_token is None or refreshed.nonce is None:
            return None
        issued = self._codec.successor_stored_as(refreshed.successor_token, token, refreshed.nonce)
        return None if issued is None else issued.raw

    async def _end_line(self, session_id: int, user_id: int, client: Client) -> bool:
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

    async def _throttled(self, throttled: store.Throttled, client: Client, *, verb: str) -> TooManyAttempts:
        async with self._database.connection() as conn:
            await throttles.refuse(
                conn,
                throttled.full,
                event_rate=EVENT_RATE,
                verb=verb,
                user_id=throttled.user_id,
                session_id=throttled.session_id,
                client=client,
                at=self._clock(),
            )
        return TooManyAttempts(throttled.full.retry_after)
