"""The servers of a run, all of them up at once and idle but for the one that is being asked."""

import asyncio
from dataclasses import dataclass

from bench.checks import Checked, check
from bench.cores import Cores
from bench.database import Postgres
from bench.failures import NotMeasured, Wrong
from bench.processes import Memory, Server, free_port
from bench.results import Row, Sample
from bench.subjects import Program, Subject
from bench.wrk import Wrk


@dataclass(slots=True)
class Entry:
    """A subject that takes part."""

    subject: Subject
    server: Server
    checked: Checked
    wrk: Wrk
    samples: list[Sample]
    fault: str | None = None


class Field:
    """Starts servers, asks them in turn, and stops them."""

    def __init__(self, cores: Cores, postgres: Postgres) -> None:
        self.cores = cores
        self.postgres = postgres
        self.entries: dict[str, Entry] = {}
        self.absent: list[Row] = []
        self._servers: dict[str, Server] = {}

    async def serve(self, program: Program) -> Server:
        """Return the running server of a program, started if need be."""
        if program.key not in self._servers:
            port = free_port()
            server = Server.launch(
                program.key,
                program.command(port),
                port=port,
                cores=self.cores.worker,
                environment=program.environment(port),
                directory=program.directory,
            )
            self._servers[program.key] = server
            await server.ready()
        return self._servers[program.key]

    async def enter(self, subject: Subject) -> None:
        """Have a subject take part, once it was seen to answer as it should; else say why it doesn't."""
        try:
            server = await self.serve(subject.program)
            checked = await check(subject, server.port)
        except (NotMeasured, Wrong, OSError, asyncio.IncompleteReadError) as reason:
            self.leave_out(subject.key, subject.group, subject.name, f"not measured: {reason}")
            return
        wrk = Wrk(self.cores.load, [credential.header for credential in subject.credentials])
        self.entries[subject.key] = Entry(subject, server, checked, wrk, [])

    def leave_out(self, key: str, group: str, name: str, reason: str) -> None:
        self.absent.append(Row(key=key, group=group, name=name, note=reason))

    async def sample(self, key: str, round_: int, *, seconds: float, warm_seconds: float) -> None:
        """Load one server and keep what was seen; an answer that was wrong takes the whole row out."""
        entry = self.entries[key]
        if entry.fault:
            return
        try:
            if warm_seconds:
                await self.load(key, round_, seconds=warm_seconds)
            entry.samples.append(await self.load(key, round_, seconds=seconds))
        except (Wrong, NotMeasured) as reason:
            entry.fault = f"not measured: {reason}"

    async def load(self, key: str, round_: int, *, seconds: float) -> Sample:
        """Load one server and tell what was seen.

        Raises:
            Wrong: an answer was.
        """
        entry = self.entries[key]
        worker, database = entry.server.cpu_seconds(), self.postgres.cpu_seconds()
        load = await entry.wrk.run(
            entry.server.port,
            entry.subject.path,
            seconds=seconds,
            size=entry.checked.size,
            closes=entry.checked.closes,
        )
        return Sample(
            value=load.rate,
            round=round_,
            p50_ms=load.p50_ms,
            p99_ms=load.p99_ms,
            cpu_us=(entry.server.cpu_seconds() - worker) / load.requests * 1e6,
            database_us=(self.postgres.cpu_seconds() - database) / load.requests * 1e6,
        )

    async def recheck(self) -> None:
        """Ask everybody again who calls, now that they have been under load."""
        for entry in self.entries.values():
            try:
                await check(entry.subject, entry.server.port)
            except (Wrong, OSError, asyncio.IncompleteReadError) as reason:
                entry.fault = f"not measured: after the load {reason}"

    def rows(self) -> list[Row]:
        return [*map(_row, self.entries.values()), *self.absent]

    def stop(self) -> None:
        for entry in self.entries.values():
            entry.wrk.close()
        for server in self._servers.values():
            server.stop()
        self._servers.clear()


def _row(entry: Entry) -> Row:
    subject = entry.subject
    memory: Memory | None = None if entry.fault else entry.server.memory()
    return Row(
        key=subject.key,
        group=subject.group,
        name=subject.name,
        samples=() if entry.fault else tuple(entry.samples),
        rss_mb=memory.rss if memory else None,
        pss_mb=memory.pss if memory else None,
        note=entry.fault or subject.note,
    )
