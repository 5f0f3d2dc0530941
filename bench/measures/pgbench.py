"""PostgreSQL asked directly: pgbench, with Gatepost's very statements and as many clients as wrk has."""

import asyncio
import re
import tempfile
from collections.abc import Mapping

from bench.cores import Cores, pinned
from bench.database import Postgres, clean_environment
from bench.failures import NotMeasured
from bench.plan import CONNECTIONS, SESSIONS
from bench.results import Sample
from bench.seeds import STORED
from gatepost.store.sessions import LOOKUP


async def pgbench(
    postgres: Postgres,
    cores: Cores,
    database: str,
    script: str,
    *,
    seconds: float,
    variables: Mapping[str, int] | None = None,
) -> float:
    """Return transactions a second; pgbench stands on the core where the worker would."""
    with tempfile.NamedTemporaryFile("w", prefix="bench-", suffix=".sql") as file:
        file.write(script)
        file.flush()
        options = [
            "-n",
            "-M",
            "prepared",
            "-j",
            1,
            "-c",
            CONNECTIONS,
            "-T",
            max(1, round(seconds)),
            "-f",
            file.name,
        ]
        for name, value in (variables or {}).items():
            options += ["-D", f"{name}={value}"]
        process = await asyncio.create_subprocess_exec(
            *pinned(cores.worker, postgres.pgbench, *options),
            env=clean_environment() | postgres.environment(database),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await process.communicate())[0].decode()
    found = re.search(r"^tps = ([\d.]+)", output, re.MULTILINE)
    failed = re.search(r"number of failed transactions: ([1-9]\d*)", output)
    if process.returncode or found is None or failed:
        raise NotMeasured(f"pgbench: {output.strip().splitlines()[-1]}")
    return float(found[1])


def lookup_script() -> str:
    """Return the session check of one random session a transaction."""
    token = STORED.format(":i")
    times = ["'60 s'", "NULL", "'600 s'", "'1800 s'", "'10 s'"]  # as the settings' defaults have them
    statement = with_arguments(LOOKUP, [f"ARRAY[{token}]", "NULL", *times])
    return f"\\set i random(1, {SESSIONS})\n{statement};\n"


async def lookups(postgres: Postgres, cores: Cores, database: str, round_: int, *, seconds: float) -> Sample:
    before = postgres.cpu_seconds()
    rate = await pgbench(postgres, cores, database, lookup_script(), seconds=seconds)
    spent = (postgres.cpu_seconds() - before) / (rate * max(1, round(seconds)))
    return Sample(value=rate, round=round_, database_us=spent * 1e6)


def with_arguments(statement: str, arguments: list[str]) -> str:
    """Return a statement on one line, with expressions in the place of its parameters."""

    def argument(found: re.Match[str]) -> str:
        return f"({arguments[int(found[1]) - 1]})"

    return " ".join(re.sub(r"\$(\d+)", argument, statement).split())
