"""Answers that have no length: events as they happen, and copies of the trail."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gatepost.errors import AuthenticationError, SessionReplaced, TooManyAttempts, Unavailable
from gatepost.http.envelope import encode
from gatepost.models import Client, EventFilter, SeenEvent, Session, UserId
from gatepost.services.copies import MEDIA_TYPES, head, lines, seen_event_data
from gatepost.services.feed import Subscription
from gatepost.texts import Text

if TYPE_CHECKING:
    from gatepost.gate import Gate

STREAMS_MAX = 8
"""Live streams that a user may have open in a process."""

HEARTBEAT_SECONDS = 15.0
"""Between two lines that tell a proxy that the stream is alive."""

CHECK_SECONDS = 10.0
"""Between two looks whether the session still lives and is an administrator's."""

SEND_SECONDS = 30.0
"""How long a reader may take to take what is sent."""

RETRY_MILLISECONDS = 2_000
"""When a browser is to come again after the end of a stream."""

OVER = b"event: over\ndata: over\n\n"
"""The last event of a stream whose session or rights have ended: to come again is of no use."""


class Streams:
    """The live streams of a process: how many a user has, and their end when the process is to stop.

    Servers wait for the answers under way before they tell an application to shut down, and a live stream
    is never done. So it ends with the signal: its handler is put in front of the server's while there
    are streams, and taken away after the last.
    """

    def __init__(self) -> None:
        self._open: set[Subscription] = set()
        self._users: Counter[UserId] = Counter()
        self._handlers: dict[signal.Signals, Any] = {}

    @contextmanager
    def place(self, user_id: UserId) -> Iterator[None]:
        """Take one of the places that a user has.

        Raises:
            TooManyAttempts: all are taken.
        """
        if self._users[user_id] >= STREAMS_MAX:
            raise TooManyAttempts(
                int(CHECK_SECONDS), Text("error.too_many_attempts.streams", count=STREAMS_MAX)
            )
        self._users[user_id] += 1
        try:
            yield
        finally:
            self._users[user_id] -= 1
            if not self._users[user_id]:
                del self._users[user_id]

    @contextmanager
    def entered(self, subscription: Subscription) -> Iterator[None]:
        """Have the subscription closed when the process is shown to stop."""
        if not self._open:
            self._watch()
        self._open.add(subscription)
        try:
            yield
        finally:
            self._open.discard(subscription)
            if not self._open:
                self._unwatch()

    def end_all(self) -> None:
        """End every stream."""
        for subscription in self._open:
            subscription.close()

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()

        def stop(number: int, frame: object) -> None:
            loop.call_soon_threadsafe(self.end_all)
            self._handlers[signal.Signals(number)](number, frame)

        for number in (signal.SIGTERM, signal.SIGINT):
            former = signal.getsignal(number)
            if callable(former):
                with suppress(ValueError):  # signals are the main thread's
                    signal.signal(number, stop)
                    self._handlers[number] = former
        self._stop = stop

    def _unwatch(self) -> None:
        for number, former in self._handlers.items():
            if signal.getsignal(number) is self._stop:
                with suppress(ValueError):
                    signal.signal(number, former)
        self._handlers = {}


class LiveEvents(Response):
    """Server-sent events (WHATWG HTML §9.2) of the trail, until the session ends or the reader goes.

    Args:
        gate: whose trail.
        streams: where this stream is counted.
        user_id: whose it is.
        token: of the session.
        after: the last event that the reader has; None begins with the next one.
        shown: what is sent of an event, as JSON; None where it is not for this reader.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        gate: "Gate",
        streams: Streams,
        *,
        user_id: UserId,
        token: str,
        after: int | None,
        shown: Callable[[SeenEvent], object] = seen_event_data,
    ) -> None:
        super().__init__()
        self._gate = gate
        self._streams = streams
        self._user_id = user_id
        self._token = token
        self._after = after
        self._shown = shown

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Serve the stream."""
        with self._streams.place(self._user_id):
            async with self._gate.feed.subscribe(after=self._after) as subscription:
                with self._streams.entered(subscription):
                    over = asyncio.ensure_future(_until_over(self._gate, self._token, subscription))
                    watching: list[asyncio.Future[Any]] = [
                        asyncio.ensure_future(_until_gone(receive, subscription)),
                        over,
                    ]
                    try:
                        await _start(send, 200, b"text/event-stream", (b"x-accel-buffering", b"no"))
                        await self._send_events(subscription, send, over)
                    finally:
                        for task in watching:
                            task.cancel()
                        await asyncio.wait(watching)

    async def _send_events(
        self, subscription: Subscription, send: Send, over: "asyncio.Future[bool]"
    ) -> None:
        is_over: bool | None = None
        with suppress(TimeoutError, OSError):  # a reader who takes nothing, or is gone
            await _send(send, b"retry: %d\n\n" % RETRY_MILLISECONDS)
            while True:
                try:
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        seen = await anext(subscription)
                except TimeoutError:
                    await _send(send, b": \n\n")
                except StopAsyncIteration:
                    break
                else:
                    # It may tell of the end of this reader's own rights, which holds at once (ASVS 8.3.2).
                    if seen.event.user_id == self._user_id:
                        is_over = await _is_over(self._gate, self._token)
                        if is_over is not None:
                            break
                    await _send(send, self._lines(seen))
            if is_over or (over.done() and over.result()):
                await _send(send, OVER)
            await send({"type": "http.response.body", "body": b""})

    def _lines(self, seen: SeenEvent) -> bytes:
        """Return what a reader gets; an id alone is no event to a browser, and the place to go on from."""
        shown = self._shown(seen)
        data = b"" if shown is None else b"data: %b\n" % encode(shown)
        return b"id: %d\n%b\n" % (seen.event.id, data)


async def _until_gone(receive: Receive, subscription: Subscription) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    subscription.close()


async def _until_over(gate: "Gate", token: str, subscription: Subscription) -> bool:
    """Close the subscription when the session may no longer watch; say whether for good."""
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        is_over = await _is_over(gate, token)
        if is_over is not None:
            subscription.close()
            return is_over


async def _is_over(gate: "Gate", token: str) -> bool | None:
    """Say whether a session may no longer watch for good, or until it comes again; None where it may."""
    try:
        session = await gate.session_tokens.look(token)
    except Unavailable:
        return None  # never a no: the next look tells
    except AuthenticationError as error:
        # One that another request of the browser has renewed goes on: it comes again with the successor.
        return not isinstance(error, SessionReplaced)
    return None if session.user.is_admin else True


class Download(Response):
    """A file that is made while it is sent, as fast as it is taken.

    Args:
        parts: of the file.
        media_type: its type.
        name: under which browsers save it.
    """

    def __init__(self, parts: AsyncIterator[bytes], *, media_type: str, name: str) -> None:
        super().__init__()
        self._parts = parts
        self._type = media_type.encode()
        self._name = name.encode()

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Send the file; one who goes away, or takes nothing for `SEND_SECONDS`, gets no more of it."""
        first = await anext(self._parts, b"")  # what can be refused is, before an answer has begun
        gone = asyncio.ensure_future(_gone(receive))
        try:
            disposition = (b"content-disposition", b'attachment; filename="%b"' % self._name)
            cookies = (header for header in self.raw_headers if header[0] == b"set-cookie")
            await _start(send, 200, self._type, disposition, *cookies)
            await _send(send, first)
            async for part in self._parts:
                if gone.done():
                    return
                await _send(send, part)
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            await asyncio.wait([gone])


async def events_download(
    gate: "Gate",
    wanted: EventFilter,
    *,
    form: Literal["csv", "ndjson"],
    client: Client,
    session: Session,
) -> Download:
    """Return every event of a filter as a file, the newest first; that this was asked for is on the trail.

    Raises:
        ValidationFailed, SessionRevoked, AdminRequired: as `Trail.note_export`.
    """
    await gate.trail.note_export(wanted, form=form, client=client, by=session)

    async def parts() -> AsyncIterator[bytes]:
        yield head(form)
        async for batch in gate.trail.batches(wanted):
            yield lines(batch, form)

    return Download(parts(), media_type=MEDIA_TYPES[form], name=f"gatepost-events.{form}")


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _start(send: Send, status: int, content_type: bytes, *headers: tuple[bytes, bytes]) -> None:
    own = [(b"content-type", content_type), (b"cache-control", b"no-store"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": own})


async def _send(send: Send, body: bytes) -> None:
    async with asyncio.timeout(SEND_SECONDS):
        await send({"type": "http.response.body", "body": body, "more_body": True})
