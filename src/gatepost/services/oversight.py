"""Everybody's live sessions: what an administrator sees of them, and how many of them end at once."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from gatepost.db.pool import Database
from gatepost.errors import CountChanged, ValidationFailed
from gatepost.models import (
    AuditAction,
    Client,
    EndReason,
    EventFilter,
    OverseenSession,
    SessionFilter,
    canonical_network,
)
from gatepost.services.clock import Clock
from gatepost.services.lifetimes import Lifetimes
from gatepost.store import events as event_store
from gatepost.store import oversight as store

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
        raise ValidationFailed(
            {"address": "Give an address such as 203.0.113.7, or a network: 2001:db8::/32"}
        )
    return replace(wanted, address=address)


COUNTED_MAX = 10_000
"""Sessions that are counted, and ended at once, while somebody waits for an answer."""


class Oversight:
    """Lists, counts and ends live sessions by a filter."""

    def __init__(self, database: Database, *, clock: Clock, lifetimes: Lifetimes) -> None:
        self._database = database
        self._clock = clock
        self._idle = lifetimes.idle

    async def page(self, wanted: SessionFilter, *, before: int | None, limit: int) -> list[OverseenSession]:
        """Return live sessions, the one started last first, those with an id below `before`.

        Raises:
            ValidationFailed: as `canonical`.
        """
        wanted = canonical(wanted)
        async with self._database.connection() as conn:
            if wanted.user_id is not None:
                return await store.page_of_user(
                    conn,
                    wanted.user_id,
                    wanted,
                    before=before,
                    limit=limit,
                    at=self._clock(),
                    idle=self._idle,
                )
            return await store.page(
                conn, wanted, before=before, limit=limit, at=self._clock(), idle=self._idle
            )

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
        async with self._database.connection() as conn:
            return await store.count(
                conn,
                wanted,
                spared=except_session_id,
                most=None if most is None else most + 1,
                at=self._clock(),
                idle=self._idle,
            )

    async def end_all(
        self,
        wanted: SessionFilter,
        *,
        expected: int,
        client: Client,
        by: Mapping[str, Any],
        reason: EndReason = EndReason.REVOKED,
        except_session_id: int | None = None,
    ) -> int:
        """End the live sessions of a filter, all or none; return how many there were.

        Their users are locked first, so that nothing starts or is refreshed meanwhile; then the sessions are
        looked for again, and they end if they are as many as somebody was told and agreed to.

        Args:
            wanted: which.
            expected: how many there have to be.
            client: who asks.
            by: who that is, for the detail of the events.
            reason: what is noted with each session.
            except_session_id: whose sign-in goes on.

        Raises:
            CountChanged: there are more or fewer, or others; nothing has ended.
            ValidationFailed: as `canonical`.
        """
        wanted = canonical(wanted)
        now = self._clock()
        most = expected + 1  # one more is as good as all of them: nothing ends

        async with self._database.transaction() as conn:

            async def matching() -> dict[int, int]:
                return await store.matching(
                    conn, wanted, spared=except_session_id, most=most, at=now, idle=self._idle
                )

            found = await matching()
            owners = sorted(set(found.values()))
            if len(found) == expected:
                await store.lock_owners(conn, owners)
                found = await matching()
            if len(found) != expected or not set(found.values()) <= set(owners):
                there = await store.count(
                    conn, wanted, spared=except_session_id, most=COUNTED_MAX + 1, at=now, idle=self._idle
                )
                raise _changed(there, expected)
            ended = await store.end_each(conn, found, reason=reason, client=client, at=now, detail=by)
            await event_store.insert(
                conn,
                AuditAction.SESSIONS_ENDED,
                client=client,
                at=now,
                detail={**by, "filter": wanted.told(), "sessions": ended, "users": len(owners)},
            )
        return ended


def _changed(found: int, expected: int) -> CountChanged:
    more = found > COUNTED_MAX
    said = "is 1 session" if found == 1 else f"are {'more than ' if more else ''}{found - more} sessions"
    return CountChanged(f"There {said} now, not {expected}: none has ended, look again", found=found)
