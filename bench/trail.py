"""The trail: the figures of the overview over ten million events and a million live sessions."""

import os
from dataclasses import replace

from bench import machine
from bench.cores import Cores
from bench.database import Postgres
from bench.measured import Measured
from bench.measures.overview import OverviewFigures, fill
from bench.plan import Plan
from bench.progress import Progress
from bench.results import Results
from bench.targets import verdicts
from gatepost.models import Period

DATABASE = "bench_trail"

EVENTS, LIVE = 10_000_000, 1_000_000
"""Of the trail, and sessions that are live meanwhile; a tenth of both in a quick run."""


async def watch(plan: Plan, progress: Progress) -> Results:
    """Ask for the figures of each period, a round each.

    Raises:
        BenchError: Gatepost counts wrongly, or not at all.
    """
    events, live = (EVENTS // 10, LIVE // 10) if plan.quick else (EVENTS, LIVE)
    cores = Cores.divide()
    about = machine.described(cores)
    os.sched_setaffinity(0, cores.rest)
    postgres = Postgres.start()
    measured = Measured()
    try:
        progress.expect(events)
        progress.doing(f"filling a trail with {events:,} events")
        await fill(postgres, DATABASE, events=events, sessions=live, done=progress.done)
        figures = OverviewFigures(postgres, DATABASE, events=events)
        progress.doing("counting them by the hour")
        try:
            seconds = await figures.open()
            await postgres.settle(DATABASE)
            for period in Period:
                progress.doing(f"asking for {period}")
                measured.row(f"overview-{period}", "gatepost", f"overview, {period}", "ms")
                for number in range(1, plan.rounds + 1):
                    measured.add(f"overview-{period}", await figures.sample(period, number))
        finally:
            await figures.close()
        found = Results(
            date=machine.now(),
            machine=about,
            versions=machine.versions(postgres.version),
            plan=plan.as_json() | {"trail": True, "events": events, "live": live},
            rows=measured.rows(),
            facts={"overview_count_seconds": seconds},
        )
        return replace(found, targets=verdicts(found))
    finally:
        await postgres.drop(DATABASE)
        postgres.stop()
