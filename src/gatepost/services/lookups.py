"""The session check, coalesced: lookups that arrive while one query is under way leave together as the next.

Every lookup is answered by a query that left after it arrived, because a batch is closed when it
leaves: one that comes after a logout was committed sees that logout.

    caller ─┐                                   ┌─▶ caller
    caller ─┼─▶ waiting ─▶ batch ─▶ = ANY($1) ──┼─▶ caller
    caller ─┘   (while the last one is away)    └─▶ caller
"""

import asyncio
from itertools import islice

from gatepost.db.prepared import Prepared
from gatepost.deadline import counting
from gatepost.errors import GatepostError, InternalError, Unavailable
from gatepost.log import get_logger
from gatepost.security.tokens import StoredToken
from gatepost.services.clock import Clock
from gatepost.services.lifetimes import Lifetimes
from gatepost.store.sessions import Found

log = get_logger("gatepost.lookups")

Tokens = tuple[StoredToken, ...]
"""The stored forms of one token: one a key in use."""

BATCH = 256
"""Tokens that one query asks for at the most."""


class Lookups:
    """Gathers the lookups of a worker into batches, one of them under way at a time.

    Args:
        statement: `store.sessions.LOOKUP`, prepared.
        clock: what time it is.
        lifetimes: how long sessions live, are fresh, and may be idle.
    """

    def __init__(self, statement: Prepared, *, clock: Clock, lifetimes: Lifetimes) -> None:
        self._statement = statement
        self._loop = asyncio.get_running_loop()
        self._clock = clock
        self._limits = (
            lifetimes.touch_after,
            lifetimes.idle,
            lifetimes.fresh,
            lifetimes.session,
            lifetimes.grace,
        )
        self._waiting: dict[Tokens, list[asyncio.Future[Found | None]]] = {}
        self._drain: asyncio.Task[None] | None = None

    def find(self, tokens: Tokens) -> asyncio.Future[Found | None]:
        """Ask the database for the session of this token; the answer is None for one without a row.

        Raises:
            Unavailable: the database is away or answers too late.
        """
        answer: asyncio.Future[Found | None] = self._loop.create_future()
        same = self._waiting.get(tokens)
        if same is not None:
            same.append(answer)
        else:
            self._waiting[tokens] = [answer]
            if self._drain is None:
                # It starts in the next turn of the event loop: what is parsed in this one travels along.
                self._drain = self._loop.create_task(self._run())
        if (waited := counting()) is not None:
            answer.add_done_callback(waited)
        return answer

    async def close(self) -> None:
        """Answer what still waits with `Unavailable`."""
        drain = self._drain
        if drain is not None:
            drain.cancel()
            await asyncio.wait([drain])
        await self._statement.close()

    async def _run(self) -> None:
        try:
            # Between the last look at `_waiting` and the end of this task nothing is awaited: a lookup either
            # finds the task there and is seen by it, or starts the next one.
            while self._waiting:
                await self._send(self._take())
        finally:
            self._drain = None
            _refuse(self._waiting, Unavailable)
            self._waiting = {}

    def _take(self) -> dict[Tokens, list[asyncio.Future[Found | None]]]:
        if len(self._waiting) <= BATCH:
            batch, self._waiting = self._waiting, {}
        else:
            batch = dict(islice(self._waiting.items(), BATCH))
            for tokens in batch:
                del self._waiting[tokens]
        return batch

    async def _send(self, batch: dict[Tokens, list[asyncio.Future[Found | None]]]) -> None:
        asked = [token for tokens in batch for token in tokens]
        try:
            rows = await self._statement.fetch(asked, self._clock(), *self._limits)
            found = {each.stored: each for each in map(Found.from_row, rows)}
        except asyncio.CancelledError:
            _refuse(batch, Unavailable)
            raise
        except Unavailable:
            # Who came while this one was under way has waited for the same silence: all are told at once.
            _refuse(batch, Unavailable)
            _refuse(self._waiting, Unavailable)
            self._waiting = {}
        except Exception:
            log.exception("session lookup failed")
            _refuse(batch, InternalError)
        else:
            for tokens, answers in batch.items():
                row = next((found[token] for token in tokens if token in found), None)
                for answer in answers:
                    if not answer.done():
                        answer.set_result(row)


def _refuse(batch: dict[Tokens, list[asyncio.Future[Found | None]]], error: type[GatepostError]) -> None:
    for answers in batch.values():
        for answer in answers:
            if not answer.done():
                answer.set_exception(error())
