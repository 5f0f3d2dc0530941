"""What Gatepost sets out to reach, and whether it did: computed from the rows, by nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.results import Results, Row, Verdict, ratios


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A target that sets one row beside another of the same run.

    Attributes:
        key, measure: its name, and its words.
        over, under: the rows.
        attribute: of their samples.
        at_least, at_most: the bound, either of them.
    """

    key: str
    measure: str
    over: str
    under: str
    attribute: str = "value"
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A target that a row reaches by itself."""

    key: str
    measure: str
    row: str
    at_most: float
    unit: str
    attribute: str = "value"


ME = "`GET /api/auth/me`, the database asked for every request, beside "

RATIOS = (
    Ratio(
        key="me-hello-granian",
        measure=ME + "a bare ASGI hello of the same size (granian)",
        over="me-granian",
        under="hello-granian",
        at_least=0.45,
    ),
    Ratio(
        key="me-hello-uvicorn",
        measure=ME + "a bare ASGI hello of the same size (uvicorn)",
        over="me-uvicorn",
        under="hello-uvicorn",
        at_least=0.45,
    ),
    Ratio(
        key="me-pyjwt",
        measure=ME + "FastAPI + PyJWT, which asks no database",
        over="me-granian",
        under="pyjwt",
        at_least=3,
    ),
    Ratio(
        key="me-better-auth", measure=ME + "better-auth", over="me-granian", under="better-auth", at_least=8
    ),
    Ratio(
        key="me-fastapi-users",
        measure=ME + "fastapi-users (DatabaseStrategy)",
        over="me-granian",
        under="fastapi-users",
        at_least=15,
    ),
    Ratio(
        key="me-node-pool",
        measure=ME + "bare `node:http` with a `pg` pool and one joined SELECT",
        over="me-granian",
        under="node-pool",
        at_least=1,
    ),
    Ratio(
        key="route-open",
        measure="`CurrentSession` in a FastAPI app, beside the same route without authentication",
        over="route-session",
        under="route-open",
        at_least=0.75,
    ),
    Ratio(
        key="route-pyjwt",
        measure="`CurrentSession` in a FastAPI app, beside the same route with PyJWT",
        over="route-session",
        under="pyjwt",
        at_least=1.4,
    ),
    Ratio(
        key="verify-me",
        measure="forward-auth check, beside `/me` (as fast, or faster)",
        over="verify-granian",
        under="me-granian",
        at_least=0.95,
    ),
    Ratio(
        key="storm",
        measure="p99 of `/me` while 16 clients hammer `login`, beside its p99 when idle",
        over="me-storm",
        under="me-granian",
        attribute="p99_ms",
        at_most=3,
    ),
    Ratio(
        key="login",
        measure="login, beside raw bcrypt on the same core at the same cost",
        over="login",
        under="bcrypt",
        at_least=0.95,
    ),
    Ratio(
        key="refresh",
        measure="refresh, beside pgbench doing the same SQL with as many clients",
        over="refresh",
        under="pgbench-refresh",
        at_least=0.8,
    ),
)

LIMITS = (
    Limit(
        key="overload-refused",
        measure="too many logins at once: the slowest 503",
        row="overload-refused",
        at_most=500,
        unit="ms",
    ),
    Limit(
        key="overload-waited",
        measure="too many logins at once: the slowest of those let in",
        row="overload-waited",
        at_most=15,
        unit="s",
    ),
    Limit(
        key="start-again",
        measure="start to first answer, embedded database made before",
        row="start-again",
        at_most=2,
        unit="s",
    ),
    Limit(
        key="start-nothing",
        measure="start to first answer, from nothing",
        row="start-nothing",
        at_most=5,
        unit="s",
    ),
    Limit(
        key="memory",
        measure="memory of a worker after all requests",
        row="memory",
        at_most=120,
        unit="MB",
    ),
)

FLAT = Ratio(
    key="memory-flat",
    measure="its growth over the requests, after the first tenth",
    over="memory",
    under="memory-settled",
    at_most=1.05,
)

GROWTH_RATIOS = (
    Ratio(
        key="growth",
        measure="`/me` at {most:,} sessions, beside `/me` at {least:,}",
        over="me-{most}",
        under="me-{least}",
        at_least=0.9,
    ),
    Ratio(
        key="expiry",
        measure="p99 of `/me` while {expiring:,} sessions are being expired, beside its p99 before",
        over="me-expiring",
        under="me-before-expiry",
        attribute="p99_ms",
        at_most=2,
    ),
)


# By PostgreSQL's processor time, since other programs may be at work beside it: where they are not, and what
# it reads is in memory, it takes as long.
OVERVIEW_LIMITS = tuple(
    Limit(
        key=f"overview-{period}",
        measure=f"PostgreSQL's processor time for the overview of {period}, "
        "with {events:,} events and {live:,} live sessions",
        row=f"overview-{period}",
        at_most=100,
        unit="ms",
        attribute="database_ms",
    )
    for period in ("24h", "7d", "30d")
)


PAGES = {
    "address": "an address or network of the console",
    "events": "a list of events",
    "users": "a list of users",
    "user": "a user's page",
    "sessions": "a list of sessions",
}
"""Where the keys of rows begin → the pages that are meant: the slowest of them is judged."""

PAGE_MS = 50
"""What the database may take for each."""


def verdicts(results: Results) -> list[Verdict]:
    """Judge a run by the targets; those of growth and of the trail by their own."""
    if results.plan.get("growth"):
        return [_ratio(_sized(target, results.plan), results.row) for target in GROWTH_RATIOS]
    if results.plan.get("trail"):
        sized = (replace(each, measure=each.measure.format(**results.plan)) for each in OVERVIEW_LIMITS)
        return [*(_limit(each, results.row) for each in sized), *_slowest_pages(results)]
    return [
        *(_ratio(target, results.row) for target in RATIOS),
        *(_limit(target, results.row) for target in LIMITS),
        _ratio(FLAT, results.row),
    ]


def _slowest_pages(results: Results) -> list[Verdict]:
    """Judge each kind of page by the row that PostgreSQL works longest for."""
    found = []
    for kind, name in PAGES.items():
        rows = [row for row in results.rows if row.key.partition("-")[0] == kind and row.samples]
        slowest = max(rows, key=lambda row: row.median("database_ms") or 0, default=None)
        measure = (
            f"PostgreSQL's processor time for {name}, the slowest of {len(rows)}, "
            "with {events:,} events and {live:,} users"
        )
        limit = Limit(
            key=f"pages-{kind}",
            measure=measure.format(**results.plan),
            row="" if slowest is None else slowest.key,
            at_most=PAGE_MS,
            unit="ms",
            attribute="database_ms",
        )
        found.append(_limit(limit, results.row))
    return found


def _sized(target: Ratio, plan: Mapping[str, Any]) -> Ratio:
    """Return a target of growth with the sizes of a run in it."""
    words = {name: getattr(target, name).format(**plan) for name in ("measure", "over", "under")}
    return replace(target, **words)


def _ratio(target: Ratio, row: Callable[[str], Row | None]) -> Verdict:
    over, under = row(target.over), row(target.under)
    above = over.median(target.attribute) if over else None
    base = under.median(target.attribute) if under else None
    value = None if above is None or not base else above / base
    spread = ratios(over, under, target.attribute) if over and under else []
    return Verdict(
        key=target.key,
        measure=target.measure,
        bound=bound(target.at_least, target.at_most),
        value=value,
        spread=_spread(spread),
        met=_met(value, target.at_least, target.at_most),
    )


def _limit(target: Limit, row: Callable[[str], Row | None]) -> Verdict:
    found = row(target.row)
    value = found.median(target.attribute) if found else None
    return Verdict(
        key=target.key,
        measure=target.measure,
        bound=bound(None, target.at_most),
        value=value,
        spread=_spread(found.of(target.attribute)) if found else None,
        met=_met(value, None, target.at_most),
        unit=target.unit,
    )


def bound(at_least: float | None, at_most: float | None) -> str:
    return f"≥ {at_least:g}" if at_least is not None else f"≤ {at_most:g}"


def _met(value: float | None, at_least: float | None, at_most: float | None) -> bool | None:
    if value is None:
        return None
    return (at_least is None or value >= at_least) and (at_most is None or value <= at_most)


def _spread(values: Sequence[float]) -> tuple[float, float] | None:
    return (min(values), max(values)) if values else None
