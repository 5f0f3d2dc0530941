"""What may stand between Gatepost and PostgreSQL: hosts that say nothing, firewalls that forget, poolers."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect_upstream(dsn: str) -> Streams:
    """Connect to the server of a DSN, and say nothing yet."""
    url = urlsplit(dsn)
    query = parse_qs(url.query)
    if "host" in query:
        return await asyncio.open_unix_connection(f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}")
    return await asyncio.open_connection(url.hostname, url.port or 5432)


def through(dsn: str, places: str, **parameters: str) -> str:
    """Return the DSN of the same database with other hosts: `127.0.0.1:5432,127.0.0.1:5433`."""
    url = urlsplit(dsn)
    userinfo = url.netloc.rpartition("@")[0]
    query = "&".join(f"{name}={value}" for name, value in {"sslmode": "disable", **parameters}.items())
    return f"postgresql://{userinfo}@{places}{url.path}?{query}"


class Proxy:
    """A way to the server by TCP.

    Attributes:
        asked: bytes that went to the server, so that two of them tell which way was taken.
        silent: who connects from now on hears nothing.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self.asked = 0
        self.silent = False
        self.place = ""
        self._writers: set[asyncio.StreamWriter] = set()
        self._forgotten: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def forget(self) -> None:
        """Pass nothing on any more, either way, of the connections that there are."""
        self._forgotten |= self._writers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        if self.silent:
            return
        upstream, to_server = await connect_upstream(self._dsn)
        self._writers.add(to_server)
        for way in (self._pass(reader, to_server, asks=True), self._pass(upstream, writer, asks=False)):
            task = asyncio.create_task(way)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, asks: bool) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if writer in self._forgotten:
                    return
                self.asked += len(data) if asks else 0
                writer.write(data)
        if writer not in self._forgotten:
            writer.close()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()


@asynccontextmanager
async def proxied(dsn: str, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Proxy]:
    proxy = Proxy(dsn)
    server = await asyncio.start_server(proxy.serve, host, port)
    proxy.place = f"{host}:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()


class TransactionPooler:
    """PgBouncer in transaction mode, as its clients see it: another connection of the server's each time.

    The server must let everybody in without a password, as the embedded one does.
    """

    def __init__(self, dsn: str, *, tells: bool) -> None:
        self._dsn = dsn
        self._tells = tells
        self._free: deque[Streams] = deque()
        self._open: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.append(writer)
        size = int.from_bytes(await reader.readexactly(4))
        startup = await reader.readexactly(size - 4)
        if size == 16:  # a request to cancel: there is nothing that it could mean
            writer.close()
            return
        # Two for each client, so that the next is always another one.
        greetings = [await self._start(startup), await self._start(startup)]
        writer.write(greetings[0])
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await self._transaction(reader, writer)
        writer.close()

    async def _start(self, startup: bytes) -> bytes:
        """Open a connection of the server's and return what it says, with a key that means nothing."""
        streams = await connect_upstream(self._dsn)
        streams[1].write((len(startup) + 4).to_bytes(4) + startup)
        self._open.append(streams[1])
        said = b""
        while not said.endswith(b"Z\0\0\0\5I"):
            kind, body = await _message(streams[0])
            if kind == b"K" and self._tells:
                body = bytes(8)
            said += kind + (len(body) + 4).to_bytes(4) + body
        self._free.append(streams)
        return said

    async def _transaction(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lend a connection from the first message on, until the server says that no transaction is open."""
        first = await _message(reader)
        if first[0] == b"X":
            raise ConnectionError
        streams = self._free.popleft()
        asking = asyncio.create_task(self._ask(first, reader, streams[1]))
        try:
            while True:
                kind, body = await _message(streams[0])
                writer.write(kind + (len(body) + 4).to_bytes(4) + body)
                if kind == b"Z" and body == b"I":
                    break
        finally:
            asking.cancel()
            await asyncio.wait([asking])
        self._free.append(streams)

    async def _ask(
        self, first: tuple[bytes, bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        kind, body = first
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                writer.write(kind + (len(body) + 4).to_bytes(4) + body)
                kind, body = await _message(reader)

    async def end(self) -> None:
        for writer in self._open:
            writer.transport.abort()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    return head[:1], await reader.readexactly(int.from_bytes(head[1:]) - 4)


@asynccontextmanager
async def pooled(dsn: str, *, tells: bool) -> AsyncIterator[str]:
    """Lend the place of a pooler; it tells by the key that it is one, as all that are known do, or not."""
    pooler = TransactionPooler(dsn, tells=tells)
    server = await asyncio.start_server(pooler.serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await pooler.end()
