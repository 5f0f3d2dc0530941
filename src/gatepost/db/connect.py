"""Connecting: every host of DATABASE_URL has its share of one deadline, and the server says what it is."""

import asyncio
import random
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from gatepost.db import tls
from gatepost.db.driver import Connection
from gatepost.db.passfile import password
from gatepost.db.pooler import keeps_statements
from gatepost.db.unreachable import silence
from gatepost.log import get_logger
from gatepost.settings.address import Address, Host

log = get_logger("gatepost.db")

_GREETING = """
    SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only') = 'on' AS read_only,
        pg_postmaster_start_time() AS started, pg_backend_pid() AS pid,
        CASE WHEN current_schema() = 'gatepost' AND to_regclass('gatepost.gatepost_version') IS NULL
            AND EXISTS (
                SELECT FROM pg_proc p
                WHERE p.pronamespace = to_regnamespace('gatepost') AND p.proname = 'is_live'
            )
        THEN (
            SELECT string_agg(quote_ident(s.name), ', ' ORDER BY s.place)
            FROM unnest(current_schemas(false)) WITH ORDINALITY s (name, place) WHERE s.name <> 'gatepost'
        ) END AS search_path
"""


class StandbyError(ConnectionError):
    """A server answers, but none that takes writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Which server a connection leads to: two connections to one have equal values.

    Attributes:
        place: its address or socket, and its port.
        started: when it was started, which tells servers apart that a proxy or a name hides.
    """

    place: tuple[str, int]
    started: datetime


@dataclass(slots=True, eq=False, kw_only=True)
class Kept:
    """A connection, and what is known of it.

    Attributes:
        server: where it leads.
        rank: 0 where it takes writes, 1 where it was told not to, 2 where it is a standby.
        born, heard: by the loop's clock, when it was made and when the server last answered on it.
    """

    conn: Connection
    server: Server
    rank: int
    born: float
    heard: float


class Connector:
    """Makes connections to one database.

    Args:
        address: where it is.
        standby_ok: a standby will do, where there is nothing else.

    Attributes:
        search_path: what it must be instead of the role's own: one called gatepost would look for its tables
            in the schema of that name, where the rules stand. None where it may stay as it is.
        prepares: statements may be prepared and kept; not so where a pooler lends connections by the
            transaction and does not keep them itself.
        server: where the last connection led.
    """

    def __init__(self, address: Address, *, standby_ok: bool = False) -> None:
        self.address = address
        self.prepares = True
        self.search_path: str | None = None
        self.server: Server | None = None
        strict = address.parameters.get("target_session_attrs") == "read-write"
        self._last_rank = 2 if standby_ok else 0 if strict else 1
        # A primary is as good as another, where that is what the URL asks for.
        self._first_rank = 1 if address.parameters.get("target_session_attrs") == "primary" else 0
        self._hosts = list(address.hosts)
        if address.shuffled:
            random.shuffle(self._hosts)  # once: all connections of a process go to one server
        self._ways: dict[str, Sequence[ssl.SSLContext | None]] = {}
        self._silent: set[Host] = set()
        self._looked = False

    async def connect(self, seconds: float, *, database: str | None = None) -> Kept:
        """Connect to the first host that takes writes.

        Each host has an equal share of the seconds that are left, and so has each address of a name. One
        that was silent is asked last until it answers.

        Args:
            seconds: for all hosts together.
            database: another one than the URL's.

        Raises:
            OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: what kept the host from
                answering that tells most.
            SettingsError: the files for TLS can't be used.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        hosts = self._ordered()
        faults: list[Exception] = []
        spare: Kept | None = None
        for number, host in enumerate(hosts):
            share = (deadline - loop.time()) / (len(hosts) - number)
            try:
                kept = await self._reach(host, loop.time() + share, database or self.address.database)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                self._note(host, silent=isinstance(error, TimeoutError))
                faults.append(error)
                continue
            except BaseException:
                _drop(spare)
                raise
            self._note(host, silent=False)
            spare, other = (kept, spare) if spare is None or kept.rank < spare.rank else (spare, kept)
            _drop(other)
            if spare.rank <= self._first_rank:
                break
        if spare is not None and spare.rank <= self._last_rank:
            self.server = spare.server
            return spare
        _drop(spare)
        if spare is not None:
            raise StandbyError("no server that takes writes answers")
        raise min(faults, key=silence)

    async def _reach(self, host: Host, deadline: float, database: str) -> Kept:
        """Connect to a host: to the first of its addresses that answers."""
        loop = asyncio.get_running_loop()
        if self.address.connect_seconds is not None:
            deadline = min(deadline, loop.time() + self.address.connect_seconds)
        if host.socket is not None:
            async with asyncio.timeout_at(deadline):
                return await self._enter(host, host.socket, None, database)
        async with asyncio.timeout_at(deadline):
            found = await loop.getaddrinfo(host.address or host.name, host.port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
        faults: list[Exception] = []
        for number, address in enumerate(addresses):
            share = (deadline - loop.time()) / (len(addresses) - number)
            try:
                async with asyncio.timeout(share):
                    return await self._try_ways(host, address, database)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                faults.append(error)
        raise min(faults, key=silence)

    async def _try_ways(self, host: Host, place: str, database: str) -> Kept:
        """Connect with TLS or without, as the URL's `sslmode` has it."""
        if host.name not in self._ways:
            self._ways[host.name] = tls.ways(self.address, host.name)
        *first, last = self._ways[host.name]
        for way in first:
            try:
                return await self._enter(host, place, way, database)
            except (
                ConnectionError,
                ssl.SSLError,
                asyncpg.ConnectionDoesNotExistError,
                asyncpg.InvalidAuthorizationSpecificationError,
            ) as error:
                # Nobody listens, or the password is wrong: so it would be the other way.
                if isinstance(error, ConnectionRefusedError | asyncpg.InvalidPasswordError):
                    raise
        return await self._enter(host, place, last, database)

    async def _enter(self, host: Host, place: str, way: ssl.SSLContext | None, database: str) -> Kept:
        given = self.address.parameters
        options: dict[str, Any] = {
            # Each of these is given, so that the driver does not ask the environment or the home directory.
            "host": [place],
            "port": [host.port],
            "user": self.address.user,
            "password": password(self.address, host, database),
            "database": database,
            "ssl": way if way is not None else False,
            "direct_tls": way is not None and given.get("sslnegotiation") == "direct",
            "target_session_attrs": "any",
            "krbsrvname": given.get("krbsrvname", "postgres"),
            "gsslib": given.get("gsslib", "gssapi"),
            "server_settings": dict(self.address.settings)
            | ({} if self.path is None else {"search_path": self.path}),
        }
        if not self.prepares:
            options["statement_cache_size"] = 0
        conn = await asyncpg.connect(**options)
        try:
            _keep_alive(conn, self.address)
            kept, pid, path = await _greet(conn, (place, host.port))
            if path is not None and self.search_path is None:
                self.search_path = path
                conn.terminate()
                return await self._enter(host, place, way, database)
            if not self._looked and self.prepares and conn.get_server_pid() != pid:
                # A pooler makes up the number with which a client may cancel.
                self.prepares = await keeps_statements(conn, lambda: asyncpg.connect(**options))
            self._looked = True
            if not self.prepares and "statement_cache_size" not in options:
                conn.terminate()
                return await self._enter(host, place, way, database)
        except BaseException:
            conn.terminate()
            raise
        return kept

    @property
    def path(self) -> str | None:
        """The search_path of every connection; None where it is the role's own."""
        return self.search_path or self.address.settings.get("search_path")

    def unprepare(self) -> None:
        """Prepare no statement from now on: what was prepared is not there when it is needed."""
        if self.prepares:
            self.prepares = False
            log.warning("a pooler lends connections by the transaction: statements are not prepared")

    def _ordered(self) -> list[Host]:
        return sorted(self._hosts, key=self._silent.__contains__)

    def _note(self, host: Host, *, silent: bool) -> None:
        (self._silent.add if silent else self._silent.discard)(host)


async def _greet(conn: Connection, place: tuple[str, int]) -> tuple[Kept, int, str | None]:
    # Without a name: behind a pooler one might meet a statement of somebody else.
    row = await (await conn.prepare(_GREETING, name="")).fetchrow()
    if row is None:
        raise AssertionError("the greeting has a row")
    now = asyncio.get_running_loop().time()
    rank = 2 if row["standby"] else 1 if row["read_only"] else 0
    server = Server(place=place, started=row["started"])
    return Kept(conn=conn, server=server, rank=rank, born=now, heard=now), int(row["pid"]), row["search_path"]


def _drop(kept: Kept | None) -> None:
    if kept is not None:
        kept.conn.terminate()


def _keep_alive(conn: Connection, address: Address) -> None:
    """Have the kernel notice that the other end is gone, and the firewalls between that this one is not."""
    transport: asyncio.Transport = conn._transport  # type: ignore[attr-defined]  # noqa: SLF001 - there is no other way
    raw = transport.get_extra_info("socket")
    if raw is None or raw.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    alive = address.parameters.get("keepalives") != "0"
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, alive)
    wanted = {
        "TCP_KEEPIDLE": address.number("keepalives_idle", 30),
        "TCP_KEEPINTVL": address.number("keepalives_interval", 5),
        "TCP_KEEPCNT": address.number("keepalives_count", 3),
        "TCP_USER_TIMEOUT": address.number("tcp_user_timeout", 15_000),
    }
    for name, value in wanted.items():
        with suppress(AttributeError, OSError):  # not every system has each of them
            raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
