"""The PostgreSQL of the run: the embedded one, at its default durability, in a scratch directory."""

import os
import re
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg

from bench.places import CACHE
from bench.processes import cpu_seconds, exact_seconds, tree
from gatepost.db.embedded import EmbeddedServer
from gatepost.db.embedded.binaries import find_binaries

Connection = asyncpg.Connection


class Postgres:
    """The server, its databases, and how much it works.

    Everything speaks to it through its Unix socket. It runs on the cores of the process that starts it.
    """

    def __init__(self, server: EmbeddedServer) -> None:
        self._server = server
        self.version = server.version
        self.pgbench = find_binaries() / "pgbench"

    @classmethod
    def start(cls, home: Path = CACHE / "postgresql") -> "Postgres":
        CACHE.mkdir(parents=True, exist_ok=True)
        return cls(EmbeddedServer.start(home))

    def stop(self) -> None:
        self._server.stop()

    def dsn(self, database: str) -> str:
        return self._server.dsn(database)

    def environment(self, database: str) -> dict[str, str]:
        """Return the variables of libpq, which the drivers of Python and Node know as well."""
        found = urlsplit(self.dsn(database))
        query = parse_qs(found.query)
        return {
            "PGHOST": query["host"][0],
            "PGPORT": query["port"][0],
            "PGUSER": found.username or "",
            "PGDATABASE": database,
        }

    def _postmaster(self) -> int:
        return int((self._server.home / "pgdata" / "postmaster.pid").read_text().split()[0])

    @contextmanager
    def on(self, cores: Sequence[int]) -> Iterator[None]:
        """Let it run on these cores for a while, and then on its own again."""
        before = os.sched_getaffinity(self._postmaster())
        self._place(cores)
        try:
            yield
        finally:
            self._place(before)

    def _place(self, cores: Iterable[int]) -> None:
        for pid in tree(self._postmaster()):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(pid, cores)

    def cpu_seconds(self) -> float:
        """Return the processor time of all its processes, those that have ended too."""
        postmaster = self._postmaster()
        own = cpu_seconds(postmaster, with_reaped=True)
        return own + sum(cpu_seconds(pid) for pid in tree(postmaster) if pid != postmaster)

    def busy_seconds(self) -> float:
        """Return the processor time of the processes that it has now, as exactly as Linux knows it."""
        return sum(exact_seconds(pid) for pid in tree(self._postmaster()))

    @asynccontextmanager
    async def connection(self, database: str = "postgres") -> AsyncIterator[Connection]:
        conn = await asyncpg.connect(self.dsn(database))
        try:
            yield conn
        finally:
            await conn.close()

    async def drop(self, database: str) -> None:
        async with self.connection() as conn:
            await conn.execute(f"DROP DATABASE IF EXISTS {_name(database)} WITH (FORCE)")

    async def create(self, database: str) -> None:
        """Make an empty database, in place of one of that name."""
        await self.drop(database)
        async with self.connection() as conn:
            await conn.execute(f"CREATE DATABASE {_name(database)}")

    async def seeded_with(self, database: str) -> str | None:
        """Return what `mark` wrote, None where there is no such database."""
        async with self.connection() as conn:
            query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1"
            found: str | None = await conn.fetchval(query, database)
            return found

    async def mark(self, database: str, fingerprint: str) -> None:
        """Write down what the database was filled with, so that the next run can use it again."""
        async with self.connection() as conn:
            await conn.execute(f"COMMENT ON DATABASE {_name(database)} IS '{_name(fingerprint)}'")

    async def settle(self, database: str) -> None:
        """Vacuum, analyze and write everything out, so that no sample pays for what was done before it."""
        async with self.connection(database) as conn:
            await conn.execute("VACUUM (ANALYZE)")
            await conn.execute("CHECKPOINT")


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]+", text):
        raise ValueError(text)
    return text


def forget() -> None:
    """Remove the scratch server and all that it holds."""
    shutil.rmtree(CACHE / "postgresql", ignore_errors=True)


def clean_environment() -> dict[str, str]:
    """Return an environment for servers in which no setting of this machine stands."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ}
