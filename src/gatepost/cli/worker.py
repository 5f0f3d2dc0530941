"""What runs in each process that answers requests: the application, and how it lives with its parent."""

import asyncio
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from gatepost.errors import GatepostError
from gatepost.log import configure, get_logger

if TYPE_CHECKING:
    from multiprocessing.synchronize import Semaphore

    from gatepost.feature import Feature
    from gatepost.settings import Settings

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

log = get_logger("gatepost.worker")

ORPHAN_SECONDS = 2.0
"""Between two times that a worker without a parent is told to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What is printed once, by whichever worker is ready first.

    Attributes:
        text: the lines.
        address, port: where the server must answer before they are printed.
        turn: taken by the one who prints.
    """

    text: str = field(repr=False)
    address: str
    port: int
    turn: "Semaphore"

    async def make(self) -> None:
        """Wait until connections are accepted, and say so."""
        if not self.turn.acquire(block=False):
            return
        await _accepted(self.address, self.port)
        sys.stdout.write(self.text + "\n")
        sys.stdout.flush()


def load(
    given: "Settings | Mapping[str, object]",
    announcement: Announcement,
    features: "tuple[Feature, ...]",
) -> Application:
    """Return the application, in a process of its own.

    Args:
        given: the parent's settings; where the environment may have changed and is to be read again, what was
            given by hand.
        announcement: what to print when requests are served.
        features: what stands on the kernel.
    """
    from gatepost.app import create_app
    from gatepost.settings import Settings
    from gatepost.settings.feature import settings_of

    if isinstance(given, Settings):
        settings = given
    else:
        settings = settings_of(features).load(
            ".env", **{name: value for name, value in given.items() if value is not None}
        )
    begin(settings)
    app = create_app(settings, features=features)
    # granian names itself unless somebody else is named, and nobody shall be (ASVS 13.4.6).
    app.state.gatepost.edge.headers.append((b"server", b""))
    return Worker(app, announcement)


def begin(settings: "Settings") -> None:
    """Log as the settings have it, and end with the parent."""
    configure(settings.effective_log_level, settings.effective_log_format)
    threading.Thread(target=_end_with_parent, name="gatepost-parent", daemon=True).start()


class Worker:
    """The application, started and stopped as a worker of `gatepost serve`."""

    def __init__(self, application: Application, announcement: Announcement) -> None:
        self._application = application
        self._announcement = announcement
        self._announcing: asyncio.Task[None] | None = None

    def __call__(self, scope: Message, receive: Receive, send: Send) -> Awaitable[None]:
        """Hand requests on; the lifespan is looked after."""
        if scope["type"] == "lifespan":
            return self._live(scope, receive, send)
        return self._application(scope, receive, send)

    async def _live(self, scope: Message, receive: Receive, send: Send) -> None:
        _leave_interrupts_to_parent()
        failed = False

        async def watched(message: Message) -> None:
            nonlocal failed
            if message["type"] == "lifespan.startup.failed":
                # The text is a traceback; what raised it comes here next.
                failed, message = True, {"type": message["type"], "message": ""}
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                self._announcing = asyncio.create_task(self._announcement.make())

        try:
            await self._application(scope, receive, watched)
        except GatepostError as error:
            if not failed:
                raise
            log.error("could not start", why=error.message)  # noqa: TRY400 - the message says it all


def _leave_interrupts_to_parent() -> None:
    """What a terminal sends reaches all of its processes; the parent alone decides what it means."""
    asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _end_with_parent() -> None:
    """Stop as if told to when the parent is gone: killed, it can tell nobody.

    Told again and again, because a worker that has only just begun may not hear it the first time.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        while True:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(ORPHAN_SECONDS)


async def _accepted(address: str, port: int) -> None:
    """Wait until a connection is accepted."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    while True:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(probe, (address, port))
            except OSError:
                await asyncio.sleep(0.01)
            else:
                return
