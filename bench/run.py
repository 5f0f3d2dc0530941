"""One run: everything is set up, measured in interleaved rounds, and taken down."""

import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from bench import gatepost_servers, machine, peer_servers, seeds
from bench.cores import Cores
from bench.database import Postgres
from bench.failures import BenchError, NotMeasured, Wrong
from bench.measured import Measured
from bench.measures import login, memory, pgbench, start
from bench.measures.field import Field
from bench.measures.refresh import Refresh
from bench.peer_list import PEERS_MEASURED
from bench.plan import CONNECTIONS, Plan
from bench.processes import Server
from bench.progress import Progress
from bench.results import Results, Sample
from bench.sizes import row_bytes, used_bytes
from bench.subjects import Subject
from bench.targets import verdicts

CHECKED, WRITTEN = "bench_gatepost", "bench_gatepost_refresh"
ME = "me-granian"
LEFT_OUT_OF_QUICK = {"hello-uvicorn", "me-uvicorn", "better-auth-endpoint", "allauth"}
ROUND_EXTRAS = 6
"""Rows of a round that are not session checks."""


async def run(plan: Plan, progress: Progress) -> Results:
    """Measure everything but growth.

    Raises:
        BenchError: there is nothing to measure, or Gatepost itself answers wrongly.
    """
    cores = Cores.divide()
    about = machine.described(cores)
    os.sched_setaffinity(0, cores.rest)
    progress.doing("starting PostgreSQL")
    postgres = Postgres.start()
    field = Field(cores, postgres)
    try:
        bench = _Run(plan, cores, postgres, field, progress)
        await bench.set_up()
        await bench.rounds()
        await bench.afterwards()
        return bench.results(about)
    finally:
        field.stop()
        postgres.stop()


class _Run:
    def __init__(
        self, plan: Plan, cores: Cores, postgres: Postgres, field: Field, progress: Progress
    ) -> None:
        self._plan = plan
        self._cores = cores
        self._postgres = postgres
        self._field = field
        self._progress = progress
        self._measured = Measured()
        self._facts: dict[str, float] = {}
        self._versions = machine.versions(postgres.version)
        self._password_hash = seeds.password_hash()
        self._size = 0.0

    # --- Before ---

    async def set_up(self) -> None:
        self._progress.doing("filling Gatepost's tables")
        credentials = await seeds.fill(self._postgres, CHECKED)
        await seeds.fill(self._postgres, WRITTEN, tokens=1)
        async with self._postgres.connection(CHECKED) as conn:
            self._facts |= await row_bytes(conn)
        for subject in gatepost_servers.checks(self._postgres, CHECKED, credentials):
            await self._enter(subject)
        if ME not in self._field.entries:
            raise BenchError(f"Gatepost: {self._field.absent[0].note}")
        body = self._field.entries[ME].checked.body
        for subject in gatepost_servers.limits(body, credentials):
            await self._enter(subject)
        try:
            for subject in await peer_servers.node_limits(
                self._postgres, CHECKED, seeds.as_stored(credentials), body
            ):
                await self._enter(subject)
        except NotMeasured as reason:
            self._progress.say(f"node:http is not measured: {reason}")
        await self._set_up_peers()
        self._server = await self._field.serve(
            gatepost_servers.served("gatepost-refresh", self._postgres, WRITTEN)
        )
        self._refresh = Refresh(self._postgres, self._cores, WRITTEN, self._server)
        self._size = await self._refresh.check()
        self._expect_rows()

    async def _set_up_peers(self) -> None:
        for peer in PEERS_MEASURED:
            self._progress.doing(f"installing and filling {peer.key}")
            self._versions |= peer_servers.versions(peer)
            try:
                subjects = await peer_servers.prepare(peer, self._postgres)
            except NotMeasured as reason:
                for ask in peer.asks:
                    self._field.leave_out(ask.key, "peer", ask.name, f"not measured: {reason}")
                continue
            for subject in subjects:
                await self._enter(subject)

    async def _enter(self, subject: Subject) -> None:
        if self._plan.quick and subject.key in LEFT_OUT_OF_QUICK:
            return
        self._progress.doing(f"starting {subject.name}")
        await self._field.enter(subject)

    def _expect_rows(self) -> None:
        row = self._measured.row
        row("pgbench-lookup", "limit", f"pgbench, the lookup of one session, {CONNECTIONS} clients")
        row("refresh", "gatepost", "Gatepost refresh (two rows written)")
        row("pgbench-refresh", "limit", f"pgbench, the statement of a refresh, {CONNECTIONS} clients")
        row("login", "gatepost", "Gatepost login")
        row("bcrypt", "limit", "raw bcrypt, cost 12, one core")
        row("me-storm", "gatepost", "Gatepost /me while 16 clients log in")
        row("overload-refused", "gatepost", "slowest refusal of too many logins", "ms")
        row("overload-waited", "gatepost", "slowest login of those let in", "s")
        row("start-again", "gatepost", "start, embedded database made before", "s")
        row("start-nothing", "gatepost", "start from nothing", "s")
        row("memory-settled", "gatepost", "memory of a worker after a tenth of the requests", "MB")
        row("memory", "gatepost", f"memory of a worker after {self._plan.memory_requests:,} requests", "MB")

    # --- The rounds ---

    async def rounds(self) -> None:
        plan = self._plan
        self._progress.expect(plan.rounds * (len(self._field.entries) + ROUND_EXTRAS) + 2 * plan.starts + 3)
        for number in range(1, plan.rounds + 1):
            for key, entry in self._field.entries.items():
                self._doing(number, entry.subject.name)
                warm = plan.warm_seconds if number == 1 or not plan.quick else 0
                await self._field.sample(key, number, seconds=plan.seconds, warm_seconds=warm)
                self._progress.done()
            await self._writes(number)
            await self._logins(number)
        self._progress.doing("checking every answer again")
        await self._field.recheck()

    async def _writes(self, number: int) -> None:
        plan, postgres, cores, refresh = self._plan, self._postgres, self._cores, self._refresh
        # pgbench measures PostgreSQL, and refresh is measured by it: here PostgreSQL gets all cores.
        with postgres.on(cores.all):
            await self._take(
                number,
                "pgbench-lookup",
                lambda: pgbench.lookups(postgres, cores, CHECKED, number, seconds=plan.seconds),
            )
            await self._take(
                number,
                "refresh",
                lambda: refresh.gatepost(
                    number, seconds=plan.seconds, warm_seconds=plan.warm_seconds, size=self._size
                ),
            )
            await self._take(number, "pgbench-refresh", lambda: refresh.pgbench(number, seconds=plan.seconds))

    async def _logins(self, number: int) -> None:
        plan, server = self._plan, self._me
        await self._take(
            number,
            "bcrypt",
            lambda: login.raw(self._cores.worker, self._password_hash, number, seconds=plan.login_seconds),
        )
        await self._take(number, "login", lambda: login.rate(server, number, seconds=plan.login_seconds))
        await self._take(number, "me-storm", lambda: self._stormed(number))

    async def _stormed(self, number: int) -> Sample:
        async with login.storm(self._me) as answers:
            before = answers[200]
            sample = await self._field.load(ME, number, seconds=self._plan.seconds)
            if answers[200] == before:
                raise Wrong("nobody was logged in during the storm")
            return sample

    async def _take(self, number: int, key: str, sample: Callable[[], Awaitable[Sample]]) -> None:
        self._doing(number, self._measured.name(key))
        await self._measured.take(key, sample)
        self._progress.done()

    def _doing(self, number: int, what: str) -> None:
        self._progress.doing(f"round {number} of {self._plan.rounds}: {what}")

    @property
    def _me(self) -> Server:
        return self._field.entries[ME].server

    # --- After them ---

    async def afterwards(self) -> None:
        await self._overload()
        await self._memory()
        async with self._postgres.connection(WRITTEN) as conn:
            self._facts |= await used_bytes(conn)
        for number in range(1, self._plan.starts + 1):
            self._progress.doing("starting from nothing")
            await self._measured.take("start-nothing", partial(start.from_nothing, self._cores, number))
            self._progress.done()
            self._progress.doing("starting again")
            await self._measured.take("start-again", partial(start.again, self._cores, number))
            self._progress.done()

    async def _overload(self) -> None:
        self._progress.doing(f"{self._plan.overload} logins at once")
        found = await login.overload(self._me, self._plan.overload)
        note = f"{found.refused} of {self._plan.overload} logins at once were refused"
        if found.refused:
            self._measured.add("overload-refused", Sample(value=found.slowest_refusal_ms, round=1))
        self._measured.note("overload-refused", note)
        self._measured.add("overload-waited", Sample(value=found.slowest_login_s, round=1))
        self._progress.done()

    async def _memory(self) -> None:
        total = self._plan.memory_requests
        self._progress.doing(f"{total:,} requests for the memory of the worker")
        settled, after = await memory.watch(
            self._field,
            ME,
            total,
            seconds=self._plan.seconds,
            progress=lambda answered: self._progress.done(2 * answered / total),
        )
        self._measured.add("memory-settled", Sample(value=settled.rss, round=1))
        self._measured.add("memory", Sample(value=after.rss, round=1))

    def results(self, about: dict[str, object]) -> Results:
        found = Results(
            date=machine.now(),
            machine=about,
            versions=self._versions,
            plan=self._plan.as_json(),
            rows=[*self._field.rows(), *self._measured.rows()],
            facts=self._facts,
        )
        return replace(found, targets=verdicts(found))
