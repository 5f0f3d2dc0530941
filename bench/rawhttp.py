"""A client of HTTP/1.1 that shows answers as they travel: every byte of them is counted."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """Attributes:
    status: its code.
    headers: names in lower case.
    body: decoded from chunks.
    size: bytes that it took on the wire, head and all.
    """

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes
    size: int


class Connection:
    """One connection that is kept open as long as the server wants."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        sent = {"Host": f"127.0.0.1:{self._port}", **(headers or {})}
        if body:
            sent |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        answer = await _read(reader)
        if answer.headers.get("connection", "").lower() == "close":
            await self.close()
        return answer

    async def close(self) -> None:
        if self._streams is not None:
            (_, writer), self._streams = self._streams, None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def connection(port: int) -> AsyncIterator[Connection]:
    opened = Connection(port)
    try:
        yield opened
    finally:
        await opened.close()


async def _read(reader: asyncio.StreamReader) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    status = int(first.split()[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    size = len(head)
    if status == 204:
        return Answer(status, headers, b"", size)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body, size = await _chunks(reader, size)
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
        size += len(body)
    else:
        body = await reader.read()
        size += len(body)
    return Answer(status, headers, body, size)


async def _chunks(reader: asyncio.StreamReader, size: int) -> tuple[bytes, int]:
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        length = int(line.strip().split(b";")[0], 16)
        chunk = await reader.readexactly(length + 2)
        size += len(line) + len(chunk)
        if not length:
            return body, size
        body += chunk[:-2]
