"""Round trips to the database, counted on the wire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit, urlunsplit


class Wire:
    """A proxy before PostgreSQL that counts how often the server says `ReadyForQuery`: once a round trip."""

    def __init__(self, dsn: str) -> None:
        self._parts = urlsplit(dsn)
        self.round_trips = 0

    @asynccontextmanager
    async def listening(self, directory: Path) -> AsyncIterator[Self]:
        """Listen in a directory, until what was connected has gone."""
        connections: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._serve(reader, writer))
            connections.add(task)
            await asyncio.wait([task])

        server = await asyncio.start_unix_server(serve, directory / ".s.PGSQL.5432")
        yield self
        server.close()
        if connections:
            await asyncio.wait(connections)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        query = parse_qs(self._parts.query)
        if "host" in query:
            port = query.get("port", ["5432"])[0]
            return await asyncio.open_unix_connection(f"{query['host'][0]}/.s.PGSQL.{port}")
        return await asyncio.open_connection(self._parts.hostname, self._parts.port or 5432)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, to_server = await self._connect()

        async def ask() -> None:
            while data := await reader.read(65536):
                to_server.write(data)
            to_server.write_eof()

        asking = asyncio.ensure_future(ask())
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await upstream.readexactly(5)
                body = await upstream.readexactly(int.from_bytes(head[1:]) - 4)
                self.round_trips += head[:1] == b"Z"
                writer.write(head + body)
        asking.cancel()
        for each in (writer, to_server):
            each.close()
            with suppress(ConnectionError):
                await each.wait_closed()

    def dsn(self, directory: Path) -> str:
        """Return the DSN that leads through here."""
        user = self._parts.username or "postgres"
        if self._parts.password:
            user += f":{self._parts.password}"
        return urlunsplit(
            ("postgresql", f"{user}@", self._parts.path, f"host={directory}&port=5432&sslmode=disable", "")
        )
