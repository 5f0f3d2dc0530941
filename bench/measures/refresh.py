"""Refresh: each token is used once, two rows are written; beside pgbench with the very same statement."""

from contextlib import suppress
from datetime import timedelta
from typing import Any, cast

from bench.cores import Cores
from bench.database import Connection, Postgres
from bench.failures import NotMeasured, Wrong
from bench.measures.pgbench import pgbench, with_arguments
from bench.plan import CONNECTIONS, USERS
from bench.processes import Server
from bench.rawhttp import connection
from bench.results import Sample
from bench.seeds import STORED, USER_AGENT, Credential, bearer, codec, far
from bench.wrk import Load, Wrk
from gatepost.models import Client
from gatepost.security.tokens import StoredToken
from gatepost.store import refreshes as store

PATH = "/api/auth/refresh"
TOKENS_A_SECOND = 8_000
"""More than a worker gets through; where they run out the sample ends."""
CLIENT_STEP = 100_000


class Refresh:
    """Rounds of refreshes on a database of their own, which grows by them."""

    def __init__(self, postgres: Postgres, cores: Cores, database: str, server: Server) -> None:
        self._postgres = postgres
        self._cores = cores
        self._database = database
        self._server = server
        self._used = 1_000_000_000

    async def check(self) -> float:
        """See that a refresh gives a new token and ends the old one; return the bytes of its answer."""
        (caller,) = await self._start(1)
        async with connection(self._server.port) as asked:
            answer = await asked.request("POST", PATH, caller.headers)
            if answer.status != 200 or caller.email.encode() not in answer.body:
                raise Wrong(f"refresh answered {answer.status}: {answer.body[:200]!r}")
            old = await asked.request("GET", "/api/auth/me", caller.headers)
            if old.status != 401:
                raise Wrong(f"a token that was refreshed is answered {old.status}")
        return float(answer.size)

    async def gatepost(self, round_: int, *, seconds: float, warm_seconds: float, size: float) -> Sample:
        """Refresh over HTTP for a while."""
        if warm_seconds:
            await self._load(warm_seconds, size)
        await self._postgres.settle(self._database)
        worker, database = self._server.cpu_seconds(), self._postgres.cpu_seconds()
        load = await self._load(seconds, size)
        return Sample(
            value=load.rate,
            round=round_,
            p50_ms=load.p50_ms,
            p99_ms=load.p99_ms,
            cpu_us=(self._server.cpu_seconds() - worker) / load.requests * 1e6,
            database_us=(self._postgres.cpu_seconds() - database) / load.requests * 1e6,
        )

    async def _load(self, seconds: float, size: float) -> Load:
        callers = await self._start(int(TOKENS_A_SECOND * seconds))
        wrk = Wrk(self._cores.load, [caller.header for caller in callers], method="POST", once=True)
        try:
            return await wrk.run(self._server.port, PATH, seconds=seconds, size=size)
        finally:
            wrk.close()

    async def _start(self, count: int) -> list[Credential]:
        """Start sessions whose tokens nobody has used."""
        issued = [codec().issue() for _ in range(count)]
        async with self._postgres.connection(self._database) as conn:
            end = await far(conn)
            await conn.copy_records_to_table(
                "user_sessions",
                columns=[
                    "session_token",
                    "user_id",
                    "is_active",
                    "expires_at",
                    "ip_address",
                    "user_agent",
                    "absolute_expires_at",
                ],
                records=[
                    (token.stored, n % USERS + 1, True, end, "192.0.2.1", USER_AGENT, end)
                    for n, token in enumerate(issued)
                ],
            )
        return [bearer(token, f"user{n % USERS + 1}@example.com") for n, token in enumerate(issued)]

    async def pgbench(self, round_: int, *, seconds: float) -> Sample:
        """Refresh by pgbench: as many clients, each with sessions of its own, each used once."""
        first, self._used = self._used, self._used + CONNECTIONS * CLIENT_STEP
        each = int(TOKENS_A_SECOND * 2 * seconds / CONNECTIONS)
        await self._fill(first, each)
        await self._postgres.settle(self._database)
        script = f"\\set n :n + 1\n\\set t {first} + :client_id * {CLIENT_STEP} + :n\n{await statement()};\n"
        rate = await pgbench(
            self._postgres, self._cores, self._database, script, seconds=seconds, variables={"n": 0}
        )
        await self._check_none_ran_out(first, each)
        return Sample(value=rate, round=round_)

    async def _fill(self, first: int, each: int) -> None:
        token = STORED.format("(first + client * step + n)")
        async with self._postgres.connection(self._database) as conn:
            await conn.execute(
                f"""
                INSERT INTO user_sessions (session_token, user_id, is_active, expires_at, ip_address,
                    user_agent, absolute_expires_at)
                SELECT {token}, (client * {each} + n) % {USERS} + 1, true, now() + interval '10 years',
                    '192.0.2.1', '{USER_AGENT}', now() + interval '10 years'
                FROM generate_series(1, {each}) n, generate_series(0, {CONNECTIONS - 1}) client,
                    (SELECT {first} AS first, {CLIENT_STEP} AS step) c
                """
            )

    async def _check_none_ran_out(self, first: int, each: int) -> None:
        """A client without sessions left would only have looked for them, and quicker."""
        token = STORED.format(f"({first} + client * {CLIENT_STEP} + n)")
        async with self._postgres.connection(self._database) as conn:
            left = await conn.fetchval(
                f"""
                SELECT min(left_over) FROM (
                    SELECT count(s.id) AS left_over
                    FROM generate_series(0, {CONNECTIONS - 1}) client
                    CROSS JOIN generate_series({each} - 10, {each}) n
                    LEFT JOIN user_sessions s ON s.session_token = {token} AND s.is_active
                    GROUP BY client
                ) by_client
                """
            )
        if not left:
            raise NotMeasured("pgbench ran out of sessions to refresh")


async def statement() -> str:
    """Return the statement of `store.refreshes.refresh`, as it stands, for token number :t."""
    recorder = _Recorder()
    with suppress(AssertionError):  # there is no row to be read
        await store.refresh(
            cast("Connection", recorder),
            [StoredToken("TOKEN")],
            StoredToken("SUCCESSOR"),
            b"\0" * 16,
            client=Client(ip_address="127.0.0.1", user_agent=None),
            at=None,
            lifetime=timedelta(minutes=30),
            grace=timedelta(seconds=10),
            idle=None,
            fresh=timedelta(minutes=10),
        )
    return with_arguments(recorder.statement, [_literal(argument) for argument in recorder.arguments])


class _Recorder:
    """In the place of a connection: notes what it is asked."""

    statement: str
    arguments: tuple[Any, ...]

    async def fetchrow(self, statement: str, *arguments: Any) -> None:
        self.statement, self.arguments = statement, arguments


def _literal(value: Any) -> str:
    if value == "TOKEN":
        return STORED.format(":t")
    if value == "SUCCESSOR":
        return STORED.format("('successor of ' || :t)")
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"decode('{value.hex()}', 'hex')"
    if isinstance(value, timedelta):
        return f"'{value.total_seconds()} s'"
    if isinstance(value, (list, tuple)):
        return f"ARRAY[{', '.join(map(_literal, value))}]"
    return "'" + str(value).replace("'", "''") + "'"
