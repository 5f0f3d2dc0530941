"""What an administrator sees first: who is signed in, what happened lately, and whether somebody attacks."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from gatepost.db.pool import Connection, Database
from gatepost.models import AuditAction, Period
from gatepost.services.clock import Clock
from gatepost.services.feature import Wiring
from gatepost.services.lifetimes import Lifetimes
from gatepost.store import statistics as store
from gatepost.store.statistics import AttackedUser, FailingAddress, Tally

EXACT = 10_000
"""Live sessions up to which they are counted; above, a part of them is, and the figure is an estimate."""

SAMPLED_ROWS = 10_000
"""Rows that an estimate looks at where few of them count."""

GLANCED_ROWS = 3_000
"""Sessions that one looks at first: where most are live, these tell of all, about two per cent off."""

ASKED = 500
"""Sessions of these whose users are asked how many they have."""

LOOKED_AT = 10_000
"""Failed logins of a day that the lists are made of, the newest: of an attack those will do."""

SHOWN = 10
"""Addresses and accounts that are listed at the most."""

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


class Kind(StrEnum):
    """What a series counts."""

    SIGN_INS = "sign_ins"
    """Sessions that a login or a registration started."""
    FAILURES = "failures"
    """Failed logins."""
    THROTTLED = "throttled"
    """Attempts refused because there were too many. Not each is written, so that there were more."""
    NEW_ACCOUNTS = "new_accounts"
    """Users who registered or were made by an administrator."""


COUNTED: dict[str, Kind] = {
    AuditAction.SESSION_STARTED: Kind.SIGN_INS,
    AuditAction.LOGIN_FAILED: Kind.FAILURES,
    AuditAction.THROTTLED: Kind.THROTTLED,
    AuditAction.USER_REGISTERED: Kind.NEW_ACCOUNTS,
    AuditAction.USER_CREATED: Kind.NEW_ACCOUNTS,
}
"""Action → the series that it is counted in, besides those of features."""


IN_A_ROW, A_DAY = 5, 10
"""Failures by which an account counts as under attack: everybody mistypes once or twice."""


class Count(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How many there are.

    Attributes:
        value: how many, or about how many.
        is_exact: each was counted; else it is an estimate, rounded to two digits.
    """

    value: int
    is_exact: bool


class Series(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How often something happened.

    Attributes:
        kind: what.
        points: how often, one a step, the oldest first; the last step is not over.
        total: over all points.
        before: over the period before, up to the same hour of its last step.
    """

    kind: Kind
    points: tuple[int, ...]
    total: int
    before: int


class FactorCounts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How many of the active users have a second factor.

    Attributes:
        users: who are active.
        held: who have one, whichever.
        methods: who have each, by its method.
    """

    users: Count
    held: Count
    methods: dict[str, Count]


class Overview(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an administrator sees first. Times are UTC.

    Attributes:
        at: when it was made.
        period: how far its series look back.
        since: when the first point begins; on the hour, on 0, 6, 12 or 18 o'clock, at midnight.
        active_sessions, active_users: signed in now.
        factors: of users, whether or not they are signed in.
        series: one a `Kind`, in its order.
        addresses: where most of the failed logins of the last 24 hours came from.
        accounts: whose logins failed most in them.
        is_cut: these two are of the newest `LOOKED_AT` failed logins: there were more.
        database_bytes: what the database takes on the disk.
        postgresql_version, schema_version: of the server, and of Gatepost's tables.
        last_cleanup_at: when housekeeping last ran; None for never.
        next_cleanup_at: when it is due again; None where it is turned off or never ran.
        oldest_event_at: how far back the trail goes; None where it is empty.
    """

    at: datetime
    period: Period
    since: datetime
    active_sessions: Count
    active_users: Count
    factors: FactorCounts
    series: tuple[Series, ...]
    addresses: tuple[FailingAddress, ...]
    accounts: tuple[AttackedUser, ...]
    is_cut: bool
    database_bytes: int
    postgresql_version: str
    schema_version: str
    last_cleanup_at: datetime | None
    next_cleanup_at: datetime | None
    oldest_event_at: datetime | None

    @property
    def attacked(self) -> list[AttackedUser]:
        """Those of `accounts` whose passwords somebody guesses."""
        return [
            each
            for each in self.accounts
            if each.is_locked or each.in_a_row >= IN_A_ROW or each.failures >= A_DAY
        ]

    def as_data(self) -> dict[str, Any]:
        """Return it as the API and `gatepost overview --json` tell it."""
        data: dict[str, Any] = msgspec.to_builtins(self, builtin_types=(datetime,))
        series = {each.pop("kind"): each for each in data["series"]}
        return data | {"step_seconds": int(self.period.step.total_seconds()), "series": series}


class Overviews:
    """Gathers the figures; each of its statements is short, whatever the size of the tables."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        lifetimes: Lifetimes,
        failures_max: int,
        cleanup_every: timedelta | None,
        features: Wiring,
    ) -> None:
        self._database = database
        self._clock = clock
        self._lifetimes = lifetimes
        self._failures_max = failures_max
        self._cleanup_every = cleanup_every
        self._features = features

    async def figures(self, period: Period) -> Overview:
        """Return the figures of a period that ends now.

        Raises:
            Unavailable: the database is away or answers too late.
        """
        given = self._clock()
        counted = COUNTED | dict.fromkeys(self._features.new_accounts, Kind.NEW_ACCOUNTS)
        async with self._database.connection() as conn:
            condition = await store.condition(conn, at=given)
            now = condition.now.astimezone(UTC)
            since = _since(period, now)
            tallies = await store.tallies(
                conn,
                before=_span_before(period, since, now),
                since=(since, since + period.length),
                step=period.step,
                actions=list(counted),
            )
            failing, is_cut = await store.failing_addresses(
                conn, since=now - DAY, most=LOOKED_AT, limit=SHOWN
            )
            attacked = await store.attacked_users(
                conn, since=now - DAY, most=LOOKED_AT, limit=SHOWN, failures_max=self._failures_max
            )
            sessions, users = await self._signed_in(conn, given)
            factors = await self._factors_of(conn)
        cleaned, every = condition.cleaned_at, self._cleanup_every
        return Overview(
            at=now,
            period=period,
            since=since,
            active_sessions=sessions,
            active_users=users,
            factors=factors,
            series=_series(period, since, tallies, counted),
            addresses=tuple(failing),
            accounts=tuple(attacked),
            is_cut=is_cut,
            database_bytes=condition.size_bytes,
            postgresql_version=condition.server_version,
            schema_version=condition.schema_version or "",
            last_cleanup_at=cleaned,
            next_cleanup_at=cleaned + every if cleaned is not None and every is not None else None,
            oldest_event_at=condition.oldest_event_at,
        )

    async def _signed_in(self, conn: Connection, given: datetime | None) -> tuple[Count, Count]:
        """Count the live sessions and their users: of many, some are looked at."""
        idle = self._lifetimes.idle
        live = await store.live_sessions(conn, limit=EXACT, idle=idle, at=given)
        if live.is_whole:
            return Count(value=live.sessions, is_exact=True), Count(value=live.users, is_exact=True)
        for rows in (GLANCED_ROWS, SAMPLED_ROWS):
            percent = 100 * min(1.0, rows / max(live.table_rows, EXACT))
            sampled = await store.sample_sessions(conn, percent=percent, asked=ASKED, idle=idle, at=given)
            if sampled.live >= rows / 2:
                break
        sessions = sampled.live * 100 / percent
        return (
            _estimate(sessions, at_least=live.sessions),
            _estimate(sessions * sampled.users_each, at_least=live.users),
        )

    async def _factors_of(self, conn: Connection) -> FactorCounts:
        """Count who has a second factor: of many users some are asked."""
        user_ids, times = await store.active_users(conn, limit=EXACT + 1), 1.0
        if is_sample := len(user_ids) > EXACT:
            user_ids, times = await store.sample_users(conn, rows=SAMPLED_ROWS)
        having = await self._features.holders(conn, user_ids)

        def counted(number: int) -> Count:
            if not is_sample or not number:
                return Count(value=number, is_exact=not is_sample)
            return _estimate(number * times, at_least=number)

        return FactorCounts(
            users=counted(len(user_ids)),
            held=counted(len(set().union(*having.values()))),
            methods={method: counted(len(found)) for method, found in having.items()},
        )


def _since(period: Period, now: datetime) -> datetime:
    """Return when the first point begins, so that the last one holds now."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    last = midnight + (now - midnight) // period.step * period.step
    return last - (period.points - 1) * period.step


def _span_before(period: Period, since: datetime, now: datetime) -> tuple[datetime, datetime]:
    """Return the period before, as far into its last step as this one is."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    return since - period.length, hour + HOUR - period.length


def _series(
    period: Period, since: datetime, tallies: Iterable[Tally], counted: Mapping[str, Kind]
) -> tuple[Series, ...]:
    points: dict[Kind, list[int]] = {kind: [0] * period.points for kind in Kind}
    before: dict[Kind, int] = defaultdict(int)
    for tally in tallies:
        kind = counted[tally.action]
        if tally.begin >= since:
            points[kind][(tally.begin - since) // period.step] += tally.events
        else:
            before[kind] += tally.events
    return tuple(
        Series(kind=kind, points=tuple(points[kind]), total=sum(points[kind]), before=before[kind])
        for kind in Kind
    )


def _estimate(value: float, *, at_least: int) -> Count:
    """Round to two digits, which is what an estimate is good for, and to no less than was counted."""
    value = max(value, at_least, 1)
    digits = 10 ** (math.floor(math.log10(value)) - 1) if value >= 10 else 1
    return Count(value=round(value / digits) * digits, is_exact=False)
