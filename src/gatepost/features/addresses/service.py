"""Addresses: what was done from one, and what is done about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gatepost.db.pool import Connection, Database
from gatepost.errors import NotFound
from gatepost.features.addresses import store, trail_store
from gatepost.features.addresses.actions import AddressAction
from gatepost.features.addresses.errors import OwnAddress, ProtectedAddress
from gatepost.features.addresses.places import LOOPBACK, Network, Place
from gatepost.features.addresses.store import Block
from gatepost.features.addresses.trail_store import Account, Figures, Tries
from gatepost.models import AuditAction, Client, OverseenSession, SeenEvent, Session, SessionFilter, utc_text
from gatepost.security.emails import canonical_name
from gatepost.services.actors import with_actors
from gatepost.services.acts import Acts, By, Program, detail_of
from gatepost.services.clock import Clock
from gatepost.services.lifetimes import Lifetimes
from gatepost.services.oversight import LISTED_MAX, Oversight
from gatepost.services.throttles import Reached, Throttles
from gatepost.services.typed import read
from gatepost.store import events as event_store
from gatepost.texts import Text

SPAN = timedelta(hours=24)
"""How far back one looks."""

EVENTS_MAX = 5_000
"""Sign-ins that are looked through, and other events: the newest of both.

Sign-ins by themselves, so that no flood of failures hides a right guess.
"""

GUESSES = 5
"""Sign-ins that have to fail before one that succeeds, by somebody new there, is taken for a right guess."""

ACCOUNTS, SESSIONS, EVENTS, BLOCKS = 50, 10, 10, 20
"""Accounts, sessions, events and blocks that are shown; the other lists have all of them."""

TOLD, BEFORE_MAX = 3, 1_000
"""Right guesses that are told one by one, and failures before one that are counted."""


class Verdict(StrEnum):
    """What to make of an address."""

    GUESSED = "guessed"
    """Somebody tried many passwords, and one of them was right."""
    ATTACK = "attack"
    """Somebody tried many passwords, and none was right."""
    FAILURES = "failures"
    """Some sign-ins failed, as they do anywhere."""
    QUIET = "quiet"
    """None failed."""


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A password that was guessed.

    Attributes:
        account: whose.
        before: what had failed there before; `BEFORE_MAX` and one more where that was more.
    """

    account: Account
    before: Tries


@dataclass(frozen=True, kw_only=True)
class Activity:
    """What was done from an address or a network in the last 24 hours.

    Attributes:
        place: where.
        figures: in all.
        accounts: those at which a sign-in failed or succeeded: the guessed ones in the order of the guesses,
            then those that were tried most; no more than are shown.
        guesses: the first of those that were guessed, which are told one by one. Many had failed there
            before, of whomever, and their users were never there until then: who mistypes, and who shares an
            address with somebody who guesses, has signed in there before.
    """

    place: Place
    figures: Figures
    accounts: Sequence[Account]
    guesses: Sequence[Guess]

    @property
    def is_cut(self) -> bool:
        """There are older events than were counted."""
        return self.figures.has_more or self.figures.has_more_sign_ins

    @property
    def verdict(self) -> Verdict:
        """What to make of it."""
        if self.figures.guessed:
            return Verdict.GUESSED
        if self.figures.failures >= GUESSES:
            return Verdict.ATTACK
        return Verdict.FAILURES if self.figures.failures else Verdict.QUIET


@dataclass(frozen=True, kw_only=True)
class Look(Activity):
    """The same, and how the place stands now.

    Attributes:
        sessions: live sessions that began there, the newest ones.
        open_sessions: how many there are, but for the caller's own; one more than `LISTED_MAX` for more.
        events: the newest ones.
        blocks: those in force that touch it.
        is_throttled: a limit on attempts is reached for it.
    """

    sessions: Sequence[OverseenSession]
    open_sessions: int
    events: Sequence[SeenEvent]
    blocks: Sequence[Block]
    is_throttled: bool


class Addresses:
    """Looks at addresses, ends what began there, and blocks them.

    Args:
        database: where the trail, the sessions and the blocks are.
        acts: lends transactions to administrators.
        oversight: ends sessions.
        throttles: what is limited.
        clock: what time it is.
        lifetimes: what a live session is.
        proxies: networks of proxies, which are never blocked.
    """

    def __init__(
        self,
        database: Database,
        *,
        acts: Acts,
        oversight: Oversight,
        throttles: Throttles,
        clock: Clock,
        lifetimes: Lifetimes,
        proxies: Sequence[Network],
    ) -> None:
        self._database = database
        self._acts = acts
        self._oversight = oversight
        self._throttles = throttles
        self._clock = clock
        self._idle = lifetimes.idle
        self._protected = (*LOOPBACK, *proxies)

    async def look(self, place: Place, *, session: Session | None = None) -> Look:
        """Return what was done from there, and how it stands.

        Args:
            place: where.
            session: who looks, whose own sign-in is not among the sessions that can be ended.
        """
        here, now = str(place.network), self._clock()
        async with self._database.planning() as conn:
            activity = await self._activity(conn, place, now)
            events = await trail_store.events(conn, place, within=SPAN, limit=EVENTS, at=now)
            events = await with_actors(conn, self._database.user_ids, events)
            blocks = await store.blocks_at(conn, here, limit=BLOCKS, at=now)
        wanted, own = SessionFilter(address=str(place)), None if session is None else session.id
        count = await self._oversight.count(wanted, except_session_id=own, most=LISTED_MAX)
        sessions = await self._oversight.page(wanted, before=None, limit=SESSIONS)
        return Look(
            place=place,
            figures=activity.figures,
            accounts=activity.accounts,
            guesses=activity.guesses,
            sessions=sessions,
            open_sessions=count,
            events=events,
            blocks=blocks,
            is_throttled=place.throttled is not None and await self._throttles.refuses(place.throttled),
        )

    async def activities(self, places: Sequence[Place]) -> list[Activity]:
        """Return what was done from these places, and nothing of how they stand."""
        now = self._clock()
        async with self._database.planning() as conn:
            return [await self._activity(conn, place, now) for place in places]

    async def _activity(self, conn: Connection, place: Place, now: datetime | None) -> Activity:
        figures, accounts = await trail_store.accounts(
            conn,
            place,
            within=SPAN,
            most=EVENTS_MAX,
            guesses=GUESSES,
            shown=ACCOUNTS,
            at=now,
            idle=self._idle,
        )
        guesses = [
            Guess(
                account=each,
                before=await trail_store.tries_before(
                    conn, place, each, within=SPAN, most=BEFORE_MAX, at=now
                ),
            )
            for each in accounts[:TOLD]
            if each.is_guessed
        ]
        return Activity(place=place, figures=figures, accounts=accounts, guesses=guesses)

    async def end_sessions(
        self, place: Place, *, expected: int, client: Client, by: By = Program.COMMAND
    ) -> int:
        """End the live sessions that began there, all or none, but for the caller's own sign-in.

        Args:
            place: where.
            expected: how many there have to be.
            client: where the request came from.
            by: who does it.

        Raises:
            CountChanged, SessionRevoked, AdminRequired: as `Oversight.end_all`.
        """
        return await self._oversight.end_all(
            SessionFilter(address=str(place)),
            expected=expected,
            client=client,
            by=by,
            except_session_id=by.id if isinstance(by, Session) else None,
        )

    async def lift_throttles(self, place: Place, *, client: Client, by: By = Program.COMMAND) -> int:
        """Let an address try again at once; return how many limits had counted something.

        Raises:
            NotFound: it is a network of many, which has no limit of its own.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        if place.throttled is None:
            raise NotFound(Text("error.not_found.throttle"))
        async with self._acts.begin("clear-throttles", by=by, client=client) as conn:
            cleared = await self._throttles.clear_address(conn, place.throttled)
            await self._note_lifted(conn, client, by, {"buckets": cleared, "address": str(place)})
        return cleared

    async def limits(self, *, limit: int) -> list[Reached]:
        """Return the limits that are reached now, of addresses and accounts; at most so many."""
        return await self._throttles.reached(limit=limit)

    async def lift_limit(self, bucket: str, key: str, *, client: Client, by: By = Program.COMMAND) -> None:
        """Let whoever has reached a limit try again at once.

        Raises:
            NotFound: nothing is counted there any more.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        async with self._acts.begin("clear-throttles", by=by, client=client) as conn:
            cleared = await self._throttles.lift(conn, bucket, key)
            if not cleared:
                raise NotFound(Text("error.not_found.throttle"))
            await self._note_lifted(conn, client, by, {"buckets": cleared, "bucket": bucket, "key": key})

    async def block(
        self,
        place: Place,
        *,
        lifetime: timedelta | None,
        reason: str | None = None,
        client: Client,
        by: By = Program.COMMAND,
    ) -> Block:
        """Block an address (IPv6: its /64) or a network, in the place of a block that it has.

        Args:
            place: what.
            lifetime: for how long; None is until it is lifted.
            reason: noted with it.
            client: where the request came from.
            by: who does it.

        Raises:
            ValidationFailed: the reason is too long, or no line of text.
            OwnAddress: the caller comes from there.
            ProtectedAddress: this machine is in it, or a proxy of TRUSTED_PROXIES.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        noted = read("reason", reason, canonical_name) if reason and reason.strip() else None
        place = place.blocked
        if isinstance(by, Session) and place.holds(client.ip_address):
            raise OwnAddress
        if place.touches(self._protected):
            raise ProtectedAddress
        async with self._acts.begin("block", by=by, client=client) as conn:
            block = await store.block(
                conn,
                str(place.network),
                lifetime=lifetime,
                reason=noted,
                by=by.user.id if isinstance(by, Session) else None,
                at=self._clock(),
            )
            await self._note(conn, AddressAction.BLOCKED, block, client, by)
        return block

    async def lift(self, block_id: int, *, client: Client, by: By = Program.COMMAND) -> Block:
        """End a block early.

        Raises:
            NotFound: there is none in force with this id.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        async with self._acts.begin("lift-block", by=by, client=client) as conn:
            block = await store.lift(
                conn, block_id, by=by.user.id if isinstance(by, Session) else None, at=self._clock()
            )
            if block is None:
                raise NotFound(Text("error.not_found.block"))
            await self._note(conn, AddressAction.UNBLOCKED, block, client, by)
        return block

    async def blocks(self, *, before: int | None, limit: int) -> list[Block]:
        """Return blocks, in force and ended, newest first, those with an id below `before`."""
        async with self._database.connection() as conn:
            return await store.blocks(conn, before=before, limit=limit, at=self._clock())

    async def _note_lifted(
        self, conn: Connection, client: Client, by: By, detail: Mapping[str, object]
    ) -> None:
        await event_store.insert(
            conn,
            AuditAction.THROTTLES_CLEARED,
            client=client,
            at=self._clock(),
            user_id=by.user.id if isinstance(by, Session) else None,
            detail={**detail_of(by), **detail},
        )

    async def _note(
        self, conn: Connection, action: AddressAction, block: Block, client: Client, by: By
    ) -> None:
        await event_store.insert(
            conn,
            action,
            client=client,
            at=self._clock(),
            # It is the administrator whom the event is about: nobody knows who is at the address.
            user_id=by.user.id if isinstance(by, Session) else None,
            session_id=by.id if isinstance(by, Session) else None,
            detail={
                **detail_of(by),
                "block": block.id,
                "network": block.network,
                "until": None if block.until is None else utc_text(block.until),
                **({} if block.reason is None else {"reason": block.reason}),
            },
        )
