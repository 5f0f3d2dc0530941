"""The audit trail: written by whoever acts, in the transaction of the act; read here."""

from collections.abc import Mapping, Sequence
from typing import Any

from gatepost.db.pool import Database
from gatepost.models import Action, AppAction, AuditEvent, Client, UserId
from gatepost.services.clock import Clock
from gatepost.settings.rates import Rate
from gatepost.store import events as store
from gatepost.store import refusals

BY_COMMAND: Mapping[str, Any] = {"by": "command"}
"""What the detail of an event has where a command on the server did it and no request."""


REFUSALS_OF_A_PLACE = Rate(30, 6, "minute")
"""Refusals of one kind from one place that have a row each; the others are counted."""

REFUSALS_OF_A_SITE = Rate(120, 24, "minute")
"""Likewise of an IPv6 /48, where what is refused names nobody."""


class Audit:
    """Records what was refused, which has no transaction of its own, and shows what was recorded."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def record(
        self,
        action: Action | AppAction,
        *,
        client: Client,
        user_id: UserId | None = None,
        session_id: int | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one event in a transaction of its own, so that an error raised afterwards can't undo it."""
        async with self._database.connection() as conn:
            await store.insert(
                conn,
                action,
                client=client,
                at=self._clock(),
                user_id=user_id,
                session_id=session_id,
                detail=detail,
            )

    async def refuse(
        self,
        action: Action,
        *,
        client: Client,
        user_id: UserId | None = None,
        session_id: int | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """Write down a refusal, as `record` does; past a rate it is counted, so that nobody fills the trail.

        Every refusal that a stranger can cause goes through here. Housekeeping puts the numbers on the trail
        as `refusals.counted`.
        """
        async with self._database.connection() as conn:
            await refusals.record(
                conn,
                action,
                client=client,
                at=self._clock(),
                user_id=user_id,
                session_id=session_id,
                detail=detail or {},
                place_rate=REFUSALS_OF_A_PLACE,
                site_rate=REFUSALS_OF_A_SITE,
                nobody=self._database.user_ids.nobody,
            )

    async def of_user(
        self, user_id: UserId, *, before: int | None, limit: int, without: Sequence[str] = ()
    ) -> list[AuditEvent]:
        """Return a user's events, newest first, those with an id below `before`; none of these actions."""
        async with self._database.planning() as conn:
            return await store.page_of_user(conn, user_id, without=without, before=before, limit=limit)

    async def newer_of_user(
        self, user_id: UserId, *, after: int, limit: int, without: Sequence[str] = ()
    ) -> list[AuditEvent]:
        """Return the events of a user that came right after one, newest first."""
        async with self._database.planning() as conn:
            return await store.newer_of_user(conn, user_id, without=without, after=after, limit=limit)
