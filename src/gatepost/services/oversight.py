"""Everybody's live sessions: what an administrator sees of them, and how many of them end at once."""

from dataclasses import replace
from typing import TypeVar

from gatepost.db.pool import Connection, Database
from gatepost.errors import CountChanged, NotFound, ValidationFailed
from gatepost.models import (
    AuditAction,
    Client,
    EndReason,
    EventFilter,
    OverseenSession,
    SessionFilter,
    UserId,
    canonical_network,
)
from gatepost.models.filters import as_detail
from gatepost.services.acts import Acts, By, Program, detail_of
from gatepost.services.clock import Clock
from gatepost.services.lifetimes import Lifetimes
from gatepost.store import endings
from gatepost.store import events as event_store
from gatepost.store import oversight as store
from gatepost.texts import Text

Filter = TypeVar("Filter", SessionFilter, EventFilter)


def canonical(wanted: Filter) -> Filter:
    """Return a filter with its address in the one spelling that is compared.

    Raises:
        ValidationFailed: it is neither an address nor a network.
    """
    if wanted.address is None:
        return wanted
    address = canonical_network(wanted.address)
    if address is None:
        raise ValidationFailed({"address": Text("field.address")})
    return replace(wanted, address=address)


COUNTED_MAX = 10_000
"""Sessions that are counted, and ended at once, while somebody waits for an answer."""

LISTED_MAX = 1_000
"""Sessions that are counted beside a list of them; of more it says so, and how many is counted when asked."""

GONE = Text("error.not_found.session")


class Oversight:
    """Lists, counts and ends live sessions by a filter."""

    def __init__(self, database: Database, *, acts: Acts, clock: Clock, lifetimes: Lifetimes) -> None:
        self._database = database
        self._acts = acts
        self._clock = clock
        self._idle = lifetimes.idle

    async def page(self, wanted: SessionFilter, *, before: int | None, limit: int) -> list[OverseenSession]:
        """Return live sessions, the one started last first, those with an id below `before`.

        Raises:
            ValidationFailed: as `canonical`.
        """
        wanted = canonical(wanted)
        # Of a user there are few, who are found by that.
        is_of_network = wanted.user_id is None and wanted.address is not None and "/" in wanted.address
        found = store.page_of_network if is_of_network else store.page
        async with self._database.planning() as conn:
            return await found(conn, wanted, before=before, limit=limit, at=self._clock(), idle=self._idle)

    async def count(
        self, wanted: SessionFilter, *, except_session_id: int | None = None, most: int | None = None
    ) -> int:
        """Count the live sessions of a filter, but for the sign-in of the session to be spared.

        Args:
            wanted: which.
            except_session_id: whose sign-in is spared.
            most: of more than so many, one more is told: counting on would take too long.

        Raises:
            ValidationFailed: as `canonical`.
        """
        wanted = canonical(wanted)
        async with self._database.planning() as conn:
            return await store.count(
                conn,
                wanted,
                spared=except_session_id,
                most=None if most is None else most + 1,
                at=self._clock(),
                idle=self._idle,
            )

    async def ended(self, session_id: int, *, owner: UserId | None = None) -> OverseenSession | None:
        """Return a session that has ended, of `owner` where it is given; None where there is none."""
        async with self._database.connection() as conn:
            return await store.ended(conn, session_id, owner=owner)

    async def end(
        self, session_id: int, *, client: Client, by: By = Program.COMMAND, owner: UserId | None = None
    ) -> int:
        """End a session, or whatever it was refreshed to since; return how many were live.

        Args:
            session_id: which.
            client: where the request came from.
            by: who does it.
            owner: whose it has to be; None for anybody's.

        Raises:
            NotFound: there is no such session, or it has ended.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        async with self._database.connection() as conn:
            user_id = await endings.owner_of(conn, session_id)
        if user_id is None or owner not in {None, user_id}:
            raise NotFound(GONE)
        async with self._acts.begin("end-session", user_id, by=by, client=client) as conn:
            ended = await endings.end_of_user(
                conn,
                user_id,
                reason=EndReason.REVOKED,
                client=client,
                at=self._clock(),
                session_id=session_id,
                detail=detail_of(by),
            )
            if not ended:
                raise NotFound(GONE)
            return ended

    async def end_all(
        self,
        wanted: SessionFilter,
        *,
        expected: int,
        client: Client,
        by: By = Program.COMMAND,
        except_session_id: int | None = None,
    ) -> int:
        """End the live sessions of a filter, all or none; return how many there were.

        Their users are locked first, so that nothing starts or is refreshed meanwhile; then the sessions are
        looked for again, and they end if they are as many as somebody was told and agreed to.

        Args:
            wanted: which.
            expected: how many there have to be.
            client: who asks.
            by: who does it.
            except_session_id: whose sign-in goes on.

        Raises:
            CountChanged: there are more or fewer, or others; nothing has ended.
            ValidationFailed: as `canonical`.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        wanted = canonical(wanted)
        now = self._clock()

        async def matching(conn: Connection) -> dict[int, UserId]:
            # One more is as good as all of them: nothing ends.
            return await store.matching(
                conn, wanted, spared=except_session_id, most=expected + 1, at=now, idle=self._idle
            )

        async with self._database.planning() as conn:
            found = await matching(conn)
        owners = set(found.values()) if len(found) == expected else set()
        async with self._acts.begin("end-matching", *owners, by=by, client=client) as conn:
            if owners:
                found = await matching(conn)
            if len(found) != expected or not set(found.values()) <= owners:
                there = await store.count(
                    conn, wanted, spared=except_session_id, most=COUNTED_MAX + 1, at=now, idle=self._idle
                )
                raise _changed(there, expected)
            ended = await store.end_each(
                conn, list(found), reason=EndReason.REVOKED, client=client, at=now, detail=detail_of(by)
            )
            await event_store.insert(
                conn,
                AuditAction.SESSIONS_ENDED,
                client=client,
                at=now,
                detail={
                    **detail_of(by),
                    "filter": as_detail(wanted),
                    "sessions": ended,
                    "users": len(owners),
                },
            )
        return ended


def _changed(found: int, expected: int) -> CountChanged:
    if found > COUNTED_MAX:
        text = Text("error.count_changed.more", count=COUNTED_MAX, expected=expected)
    else:
        text = Text("error.count_changed.sessions", count=found, expected=expected)
    return CountChanged(text, found=found)
