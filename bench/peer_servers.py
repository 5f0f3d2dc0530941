"""Installs the peers, fills their databases, and says how they are started and asked."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench import install
from bench.database import Postgres, clean_environment
from bench.failures import NotMeasured
from bench.peer_list import Ask, Peer
from bench.places import CACHE, PEERS, PYTHON
from bench.plan import SECRET_KEY, SESSIONS, TOKENS, USERS
from bench.seeds import Credential
from bench.subjects import Program, Subject

SEED_SECONDS = 300


async def node_limits(
    postgres: Postgres, database: str, credentials: Sequence[Credential], body: int
) -> list[Subject]:
    """Return the rows of `node:http`, alone and with a pool on Gatepost's own tables.

    Args:
        credentials: those with the stored form in the place of the token: nothing is digested there.
    """
    directory = await install.node("node")

    def program(key: str, script: str) -> Program:
        return Program(
            key=key,
            command=lambda _: ("node", script),
            environment=lambda port: {
                **clean_environment(),
                **postgres.environment(database),
                "NODE_ENV": "production",
                "BODY_BYTES": str(body),
                "PORT": str(port),
            },
            directory=directory,
        )

    hello = Subject(
        key="node-hello",
        group="limit",
        name="bare node:http hello",
        program=program("node-hello", "hello.mjs"),
        path="/",
        credentials=credentials,
        knows=False,
    )
    pool = replace(
        hello,
        key="node-pool",
        name="node:http + pg pool, one joined SELECT",
        program=program("node-pool", "pool.mjs"),
        knows=True,
        note="looks the token up as it comes: nothing is digested",
    )
    return [hello, pool]


async def prepare(peer: Peer, postgres: Postgres) -> list[Subject]:
    """Install a peer, fill its database, and return its rows.

    Raises:
        NotMeasured: it can't be had here; the message says why.
    """
    start, directory, variables = await _installed(peer)
    database = f"bench_{peer.key}"
    environment = clean_environment() | {"SECRET_KEY": SECRET_KEY, "PYTHONDONTWRITEBYTECODE": "1"} | variables
    environment |= postgres.environment(database)
    credentials = await _filled(peer, postgres, database, start, directory, environment)
    program = Program(
        key=peer.key,
        command=lambda port: (*start, *peer.serve(port)),
        environment=lambda port: environment | {"PORT": str(port)},
        directory=directory,
    )
    return [
        Subject(
            key=ask.key,
            group="peer",
            name=ask.name,
            program=program,
            path=ask.path,
            credentials=[_as(ask, credential) for credential in credentials],
            refusals=ask.refusals,
            refused_body=ask.refused_body,
            note=ask.note,
        )
        for ask in peer.asks
    ]


def versions(peer: Peer) -> dict[str, str]:
    locked = install.locked_versions(peer.key)
    return {package: locked[package] for package in peer.packages}


def _as(ask: Ask, credential: Credential) -> Credential:
    if ask.header is None:
        return credential
    return Credential(ask.header(credential.header.partition(": ")[2]), credential.email)


async def _installed(peer: Peer) -> tuple[Sequence[object], Path, dict[str, str]]:
    kinds: dict[str, Callable[[str], Awaitable[Path]]] = {
        "python": install.python,
        "beside": install.beside,
        "node": install.node,
    }
    place = await kinds[peer.kind](peer.key)
    if peer.kind == "node":
        return ("node",), place, {"NODE_ENV": "production"}
    if peer.kind == "beside":
        return (PYTHON,), PEERS / peer.key, {"PYTHONPATH": str(place)}
    return (place,), PEERS / peer.key, {}


async def _filled(
    peer: Peer,
    postgres: Postgres,
    database: str,
    start: Sequence[object],
    directory: Path,
    environment: Mapping[str, str],
) -> list[Credential]:
    """Fill the peer's database, unless an earlier run has filled it with the very same."""
    kept = CACHE / "credentials" / f"{peer.key}.jsonl"
    fingerprint = _fingerprint(peer)
    if not kept.exists() or await postgres.seeded_with(database) != fingerprint:
        await postgres.create(database)
        counts = {"BENCH_USERS": USERS, "BENCH_SESSIONS": SESSIONS, "BENCH_TOKENS": TOKENS}
        process = await asyncio.create_subprocess_exec(
            *map(str, (*start, *peer.seed)),
            cwd=directory,
            env={**environment, **{name: str(count) for name, count in counts.items()}},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await asyncio.wait_for(process.communicate(), SEED_SECONDS)
        if process.returncode:
            last = errors.decode(errors="replace").strip().splitlines()[-1:]
            raise NotMeasured(f"its tables could not be filled: {' '.join(last)}")
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(output)
        await postgres.mark(database, fingerprint)
    await postgres.settle(database)
    return [Credential(**json.loads(line)) for line in kept.read_text().splitlines() if line.startswith("{")]


def _fingerprint(peer: Peer) -> str:
    digest = hashlib.sha256(f"{USERS} {SESSIONS} {TOKENS} {SECRET_KEY}".encode())
    for path in sorted((PEERS / peer.key).iterdir()):
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()
