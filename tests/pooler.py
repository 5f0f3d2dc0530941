"""A pooler that lends a server's connection for a transaction at a time, as PgBouncer does by default."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def message(reader: asyncio.StreamReader) -> bytes:
    """Read a message of PostgreSQL's protocol: a letter, a length, the rest."""
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


@dataclass
class Pooler:
    """Each client brings a connection of the server's along, and gets any that is free."""

    host: str
    port: int
    free: list[Streams] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._greet(reader, writer)
            while True:
                await self._transaction(await message(reader), reader, writer)
        await closed(writer)

    async def close(self) -> None:
        for _, writer in self.free:
            await closed(writer)

    async def _reach(self) -> Streams:
        if self.host.startswith("/"):
            return await asyncio.open_unix_connection(f"{self.host}/.s.PGSQL.{self.port}")
        return await asyncio.open_connection(self.host, self.port)

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = await self._reach()
        size = await reader.readexactly(4)
        server[1].write(size + await reader.readexactly(struct.unpack("!I", size)[0] - 4))
        while True:
            answer = await message(server[0])
            if answer[:1] == b"K":  # whom to cancel: not a process of the server's
                answer = answer[:5] + struct.pack("!I", 0x7FFF0000) + answer[9:]
            writer.write(answer)
            if answer[:1] == b"Z":
                break
            if answer[:1] == b"R" and answer[5:9] != b"\0\0\0\0" and answer[5:9] != b"\0\0\0\x0c":
                server[1].write(await message(reader))
        self.free.insert(0, server)  # the one that was used last comes first

    async def _transaction(
        self, first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if first[:1] == b"X":
            raise ConnectionError
        server = self.free.pop()
        server[1].write(first)
        asked = asyncio.create_task(self._pass_on(reader, server[1]))
        try:
            while True:
                answer = await message(server[0])
                writer.write(answer)
                if answer == b"Z\0\0\0\x05I":
                    break
        finally:
            asked.cancel()
            with contextlib.suppress(asyncio.CancelledError, asyncio.IncompleteReadError):
                await asked
            self.free.append(server)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(await message(reader))


@asynccontextmanager
async def pooled(dsn: str, directory: Path) -> AsyncIterator[str]:
    """Put a pooler before the database of a URL; yields the URL that leads through it."""
    url = urlsplit(dsn)
    query = parse_qs(url.query)
    host = url.hostname or query["host"][0]
    pooler = Pooler(host, url.port or int(query.get("port", ["5432"])[0]))
    user = f"{url.netloc.rpartition('@')[0]}@"
    through = url._replace(netloc=user, query=f"host={quote(str(directory))}&port=6432")
    async with await asyncio.start_unix_server(pooler.serve, directory / ".s.PGSQL.6432"):
        yield urlunsplit(through)
    await pooler.close()
