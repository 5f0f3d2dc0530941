"""Sends what stands in the outbox, in every worker, at least once and as soon as it can be."""

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import UUID, uuid4

from gatepost.db.listener import Bell, NotHeardError, listening
from gatepost.db.pool import Connection, Database
from gatepost.errors import Unavailable
from gatepost.features.email import sending_store as store
from gatepost.features.email import undeliverable_store
from gatepost.features.email.actions import EmailAction
from gatepost.features.email.letters import Letters, NoAddressError
from gatepost.features.email.outbox import Secrets
from gatepost.features.email.outbox_store import CHANNEL
from gatepost.features.email.sending_store import Message
from gatepost.features.email.transport import NotSentError, RefusedError, Transport, place_of
from gatepost.log import get_logger
from gatepost.models import Client
from gatepost.services.clock import Clock
from gatepost.store import events

log = get_logger("gatepost.mail")

WAITS = tuple(timedelta(seconds=each) for each in (5, 30, 120, 600, 1800))
"""How long a mail waits after the first try in vain, the second…; after those the last one, to its end."""

JITTER = 0.25
"""Share by which a wait may be longer, so that what failed together is not tried together."""

BATCH = 10
"""Mails that are taken at once, to go over one connection."""

SPARE_SECONDS = 60.0
"""How much longer a lease lasts than sending all of a batch may take."""

POLL_SECONDS = 5.0
"""How often it is looked for mails where NOTIFY is not heard."""

HEARD_SECONDS = 30.0
"""How often where it is."""


class Sender:
    """Takes mails from the outbox and sends them.

    Args:
        database: where the outbox is.
        transport: how they are sent.
        letters: how they read.
        secrets: what knows the links and codes in them.
        clock: what time it is.
        seconds: that sending one may take.
        chance: returns a number from 0 to 1.
    """

    def __init__(
        self,
        database: Database,
        *,
        transport: Transport,
        letters: Letters,
        secrets: Secrets,
        clock: Clock,
        seconds: float,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._transport = transport
        self._letters = letters
        self._secrets = secrets
        self._clock = clock
        self._seconds = seconds
        self._chance = chance
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send in the background.

        Raises:
            SettingsError: a template of TEMPLATES_DIR can't be used.
        """
        self._letters.check_templates()
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop; what was taken and not sent is another worker's once its lease has run out."""
        task, self._task = self._task, None
        while task is not None and not task.done():
            # Again, because `asyncio.wait_for` may swallow it where what it waits for is done just then.
            task.cancel()
            await asyncio.wait([task], timeout=0.1)
        self._transport.drop()

    async def step(self) -> int:
        """Take what is due, a batch at the most, and send it; return how many were taken.

        Raises:
            Unavailable: the database is away.
        """
        lease, now = uuid4(), asyncio.get_running_loop().time
        lasts = BATCH * self._seconds + SPARE_SECONDS
        begun = now()
        async with self._database.transaction() as conn:
            for over in await store.expire(conn, limit=BATCH, at=self._clock()):
                await self._given_up(conn, over, reason="expired")
            batch = await store.claim(
                conn, lease, limit=BATCH, lasts=timedelta(seconds=lasts), at=self._clock()
            )
        try:
            for message in batch:
                if now() - begun > lasts - 2 * self._seconds:
                    break  # the lease of the others could run out while they are sent
                await self._deliver(message, lease)
        except BaseException:
            self._transport.drop()
            raise
        await self._transport.close()
        return len(batch)

    async def _deliver(self, message: Message, lease: UUID) -> None:
        """Send a mail, and write down what came of it."""
        secrets: Mapping[str, str] | None = {}
        async with self._database.transaction() as conn:
            if message.link_id is not None:
                secrets = await self._secrets.reveal(conn, message.link_id)
            elif await undeliverable_store.holds(conn, message.recipient):
                await self._finish(conn, message, lease, "failed", error="undeliverable")
                return
            if secrets is None:
                await self._finish(conn, message, lease, "superseded")
                return
        try:
            await self._send(message, secrets)
        except RefusedError as error:
            await self._refused(message, lease, error)
        except NotSentError as error:
            await self._put_off(message, lease, error)
        else:
            async with self._database.transaction() as conn:
                await self._finish(conn, message, lease, "sent")

    async def _send(self, message: Message, secrets: Mapping[str, str]) -> None:
        try:
            letter = self._letters.write(message, secrets)
        except NoAddressError:
            # In a table that was taken over there may be anything.
            raise RefusedError("not an address", undeliverable=True) from None
        except Exception as error:
            log.exception("a mail can't be written", template=message.template)
            raise NotSentError(f"the template failed: {type(error).__name__}") from None
        try:
            async with asyncio.timeout(self._seconds):
                await self._transport.send(letter)
        except TimeoutError:
            self._transport.drop()
            raise NotSentError("no answer in time") from None
        except NotSentError:
            raise
        except Exception as error:
            # One mail that a library can't cope with is not to keep the others from being sent.
            self._transport.drop()
            raise NotSentError(place_of(error)) from None

    async def _finish(
        self, conn: Connection, message: Message, lease: UUID, state: str, *, error: str | None = None
    ) -> bool:
        """Be done with a mail; False where its lease had run out, and it is another's by now."""
        done = await store.finish(conn, message.id, lease, state, error=error, at=self._clock())
        if done and message.link_id is not None:
            await self._secrets.spent(conn, message.link_id)
        return done

    async def _refused(self, message: Message, lease: UUID, error: RefusedError) -> None:
        async with self._database.transaction() as conn:
            if not await self._finish(conn, message, lease, "failed", error=error.why):
                return
            if error.undeliverable:
                await undeliverable_store.note(conn, message.recipient, error.why, at=self._clock())
            await self._tell(conn, message, reason="refused", error=error)
        log.warning("a mail was refused", message=message.id, template=message.template, why=error.why)

    async def _put_off(self, message: Message, lease: UUID, error: NotSentError) -> None:
        wait = WAITS[min(message.attempts, len(WAITS)) - 1] * (1 + JITTER * self._chance())
        async with self._database.transaction() as conn:
            await store.put_off(conn, message.id, lease, wait=wait, error=error.why, at=self._clock())
        log.warning(
            "a mail was not sent, trying again",
            message=message.id,
            template=message.template,
            why=error.why,
            attempts=message.attempts,
            next_try_in_seconds=round(wait.total_seconds()),
        )

    async def _given_up(self, conn: Connection, message: Message, *, reason: str) -> None:
        """Note that the time of a mail has run out."""
        if message.link_id is not None:
            await self._secrets.spent(conn, message.link_id)
        await self._tell(conn, message, reason=reason, error=None)
        log.warning("the time of a mail ran out", message=message.id, template=message.template)

    async def _tell(
        self, conn: Connection, message: Message, *, reason: str, error: RefusedError | None
    ) -> None:
        detail: dict[str, object] = {"template": message.template, "reason": reason}
        if error is not None:
            detail |= {"error": error.why, "undeliverable": error.undeliverable}
        await events.insert(
            conn,
            EmailAction.MAIL_FAILED,
            client=Client(),
            at=self._clock(),
            user_id=message.user_id,
            detail=detail,
        )

    async def _run(self) -> None:
        while True:
            try:
                await self._watch()
            except Unavailable:
                log.warning("mail put off, the database is away")
            except Exception:
                log.exception("sending mail failed")
            await asyncio.sleep(POLL_SECONDS)

    async def _watch(self) -> None:
        """Send whatever comes, until the connection that hears of it is lost."""
        async with AsyncExitStack() as stack:
            bell: Bell | None = None
            try:
                bell = await stack.enter_async_context(listening(self._database, CHANNEL))
            except NotHeardError:
                log.debug("NOTIFY is not heard here, mail is looked for every few seconds")
            while True:
                if await self.step() == BATCH:
                    continue
                async with self._database.connection() as conn:
                    due = await store.next_due(conn, at=self._clock())
                most = POLL_SECONDS if bell is None else HEARD_SECONDS
                seconds = most if due is None else min(max(due.total_seconds(), 0.1), most)
                if bell is None:
                    await asyncio.sleep(seconds)
                else:
                    await bell.wait(seconds)
