"""The trail: the overview and the pages of the console, over ten million events and a million users."""

import os
import time
from collections.abc import Callable
from dataclasses import replace

from bench import machine
from bench.cores import Cores
from bench.database import Postgres
from bench.measured import Measured
from bench.measures import console, overview
from bench.measures.history import FULL, fill
from bench.plan import SECRET_KEY, Plan
from bench.progress import Progress
from bench.results import Results
from bench.targets import verdicts
from gatepost.features import FEATURES
from gatepost.gate import Gate
from gatepost.models import Client, Period
from gatepost.settings.feature import settings_of

DATABASE = "bench_trail"

USERS = 1_000_000
"""Each signed in; a tenth of them and of the events in a quick run."""


async def watch(plan: Plan, progress: Progress) -> Results:
    """Ask for the figures of each period and for each page, a round each.

    Raises:
        BenchError: Gatepost counts wrongly, or not at all.
    """
    events, users = (FULL // 10, USERS // 10) if plan.quick else (FULL, USERS)
    cores = Cores.divide()
    about = machine.described(cores)
    os.sched_setaffinity(0, cores.rest)
    postgres = Postgres.start()
    try:
        progress.expect(events)
        progress.doing(f"filling a trail with {events:,} events")
        await fill(postgres, DATABASE, events=events, users=users, done=progress.done)
        measured, seconds = Measured(), 0.0
        gate = gate_of(postgres.dsn(DATABASE))
        await gate.open(background=False, patient=True)
        try:
            progress.doing("counting them by the hour")
            begun = time.perf_counter()
            await gate.housekeeping.run(client=Client())
            seconds = time.perf_counter() - begun
            await postgres.settle(DATABASE)
            await _ask(gate, plan, progress, measured, events, postgres.busy_seconds)
        finally:
            await gate.close()
        found = Results(
            date=machine.now(),
            machine=about,
            versions=machine.versions(postgres.version),
            plan=plan.as_json() | {"trail": True, "events": events, "live": users},
            rows=measured.rows(),
            facts={"overview_count_seconds": seconds},
        )
        return replace(found, targets=verdicts(found))
    finally:
        await postgres.drop(DATABASE)
        postgres.stop()


def gate_of(dsn: str) -> Gate:
    """Return what asks a database for all of it, without the web around it."""
    settings = settings_of(FEATURES).load(env_file=None, database_url=dsn, secret_key=SECRET_KEY)
    return Gate(settings, features=FEATURES)


async def _ask(
    gate: Gate,
    plan: Plan,
    progress: Progress,
    measured: Measured,
    events: int,
    busy: Callable[[], float],
) -> None:
    for period in Period:
        measured.row(f"overview-{period}", "gatepost", f"overview, {period}", "ms")
    for key, page in console.PAGES.items():
        measured.row(key, "gatepost", page.name, "ms")
    progress.expect(plan.rounds * (len(Period) + len(console.PAGES)))
    for number in range(1, plan.rounds + 1):
        for period in Period:
            progress.doing(f"round {number} of {plan.rounds}: overview, {period}")
            measured.add(
                f"overview-{period}", await overview.sample(gate, period, number, events=events, busy=busy)
            )
            progress.done()
        for key, page in console.PAGES.items():
            progress.doing(f"round {number} of {plan.rounds}: {page.name}")
            measured.add(key, await console.sample(gate, page, number, busy=busy))
            progress.done()
