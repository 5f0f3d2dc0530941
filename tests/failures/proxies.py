"""What may stand between Gatepost and PostgreSQL: hosts that say nothing, firewalls that forget, poolers."""

import asyncio
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
