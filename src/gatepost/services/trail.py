"""The audit trail as an administrator reads it: filtered, page by page, and all of it for a copy."""

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

from gatepost.db.pool import Database
from gatepost.errors import ValidationFailed
from gatepost.models import (
    AuditAction,
    AuditEvent,
    Client,
    EventFilter,
    EventPage,
    SeenEvent,
    Session,
    as_json,
    canonical_address,
)
from gatepost.models.filters import as_detail
from gatepost.models.times import as_utc
from gatepost.services.actors import with_actors
from gatepost.services.acts import Acts, By, Program, detail_of
from gatepost.services.clock import Clock
from gatepost.services.oversight import canonical
from gatepost.store import events as store
from gatepost.texts import Text

WINDOW = 100_000
"""Ids that one statement looks at: some tens of milliseconds, whatever the filter."""

FEW = 5_000
"""Events from an address that are all read and then sorted; of more the newest are never far."""

RENEWALS = frozenset({AuditAction.SESSION_REFRESHED, AuditAction.SESSION_CONFIRMED})
"""What the indexes by address leave out."""

OFTEN = RENEWALS | {AuditAction.SESSION_STARTED, AuditAction.LOGIN_FAILED, AuditAction.THROTTLED}
"""What happens so often that it stands in no index by its name: the newest ones are never far."""

PAGE_SECONDS = 1.0
"""After which a page is handed over as it is, with a cursor to go on from."""

BATCH = 1_000
"""Events of an export that are read at once, each time by a statement of its own."""

DISORDER = timedelta(days=1)
"""How far times may be out of the order of ids, in a trail of more than a `WINDOW`."""


class Trail:
    """Reads everybody's events."""

    def __init__(self, database: Database, *, acts: Acts, clock: Clock) -> None:
        self._database = database
        self._acts = acts
        self._clock = clock

    async def page(self, wanted: EventFilter, *, before: int | None, limit: int) -> EventPage:
        """Return the newest events of a filter with an id below `before`.

        Where few events fit, finding them takes long: after `PAGE_SECONDS` the page has what was found,
        maybe nothing, and `EventPage.before` goes on from there.

        Raises:
            ValidationFailed: the address is none, or a text can't be in a database.
        """
        wanted = _checked(wanted)
        lowest, beyond = await self._bounds(wanted)
        page = await self._page(wanted, lowest, beyond if before is None else min(before, beyond), limit)
        async with self._database.connection() as conn:
            seen = await with_actors(conn, self._database.user_ids, page.events)
        return EventPage(events=seen, before=page.before)

    async def batches(self, wanted: EventFilter) -> AsyncIterator[list[SeenEvent]]:
        """Yield every event of a filter that there is now, newest first, at most `BATCH` at a time.

        Each batch is read by itself, so that no transaction and no connection is held while whoever reads
        takes their time.

        Raises:
            ValidationFailed: as `page`.
        """
        wanted = _checked(wanted)
        lowest, before = await self._bounds(wanted)
        while True:
            found = await self._page(wanted, lowest, before, BATCH)
            if found.events:
                yield found.events
            if found.before is None:
                return
            before = found.before

    async def newest(self) -> int:
        """Return the highest id of an event, 0 where there is none: from here a live feed goes on."""
        async with self._database.connection() as conn:
            return (await store.span(conn))[1] - 1

    @staticmethod
    def chooser(wanted: EventFilter) -> Callable[[AuditEvent], bool]:
        """Return what says of an event whether a filter takes it, as the statements of `page` do.

        Raises:
            ValidationFailed: as `page`.
        """
        wanted = _checked(wanted)
        action, address = wanted.action or "", wanted.address
        family = action if action.endswith(".") else None
        by = None if wanted.by is None else as_json(wanted.by)
        without, email = wanted.without or (), wanted.email
        network = ipaddress.ip_network(address) if address is not None and "/" in address else None

        def takes(event: AuditEvent) -> bool:
            return (
                event.action not in without
                and (event.action.startswith(family) if family else action in {"", event.action})
                and wanted.user_id in {None, event.user_id}
                and by in {None, event.admin_id}
                and (email is None or str(event.detail.get("email", "")).lower() == email)
                and (network is not None or address in {None, event.ip_address})
                and (network is None or _is_within(event.ip_address, network))
                and (wanted.since is None or event.at >= wanted.since)
                and (wanted.until is None or event.at < wanted.until)
            )

        return takes

    async def note_export(
        self,
        wanted: EventFilter,
        *,
        form: Literal["csv", "ndjson"],
        client: Client,
        by: By = Program.COMMAND,
    ) -> None:
        """Put on the trail that somebody is about to take a copy of it.

        Raises:
            ValidationFailed: as `page`.
            SessionRevoked, AdminRequired: as `Acts.begin`.
        """
        detail = {**detail_of(by), "filter": as_detail(_checked(wanted)), "format": form}
        async with self._acts.begin("export-events", by=by, client=client) as conn:
            await store.insert(
                conn,
                AuditAction.EVENTS_EXPORTED,
                client=client,
                at=self._clock(),
                session_id=by.id if isinstance(by, Session) else None,
                detail=detail,
            )

    async def _page(self, wanted: EventFilter, lowest: int, before: int, limit: int) -> EventPage:
        loop = asyncio.get_running_loop()
        until = loop.time() + PAGE_SECONDS
        found: list[SeenEvent] = []
        is_indexed, by_address = _is_indexed(wanted), False
        if not is_indexed and wanted.address is not None and set(wanted.without or ()) >= RENEWALS:
            async with self._database.planning() as conn:
                by_address = await store.are_few_at(conn, wanted.address, most=FEW)
        by_family = not is_indexed and not by_address and _is_seldom_family(wanted.action)
        while before > lowest:
            floor = lowest if is_indexed or by_address or by_family else max(lowest, before - WINDOW)
            more = limit + 1 - len(found)
            async with self._database.planning() as conn:
                if by_family:
                    found += await store.search_family(conn, wanted, lowest=floor, before=before, limit=more)
                else:
                    found += await store.search(
                        conn, wanted, by_address=by_address, lowest=floor, before=before, limit=more
                    )
            if len(found) > limit:
                return EventPage(events=found[:limit], before=found[limit - 1].event.id)
            before = floor
            if loop.time() > until and before > lowest:
                return EventPage(events=found, before=before)
        return EventPage(events=found, before=None)

    async def _bounds(self, wanted: EventFilter) -> tuple[int, int]:
        """Return the ids between which events of the filter's times are."""
        async with self._database.connection() as conn:
            lowest, beyond = await store.span(conn)
            if beyond - lowest <= WINDOW:
                return lowest, beyond
            first, last = lowest, beyond
            if wanted.since is not None:
                since = wanted.since - DISORDER
                first = await store.first_since(conn, since, lowest=lowest, beyond=beyond)
            if wanted.until is not None:
                until = wanted.until + DISORDER
                last = await store.first_since(conn, until, lowest=lowest, beyond=beyond)
            return first, last


def _is_indexed(wanted: EventFilter) -> bool:
    """Say whether an index leads to the events of a filter, so that they need no windows."""
    is_about_someone = any(each is not None for each in (wanted.user_id, wanted.by, wanted.email))
    action = wanted.action
    return is_about_someone or (action is not None and action not in OFTEN and not action.endswith("."))


def _is_seldom_family(action: str | None) -> bool:
    """Say whether an action is a family of which none happens often, so that an index has all of them."""
    is_family = action is not None and action.endswith(".")
    return is_family and not any(each.startswith(action or "") for each in OFTEN)


def _is_within(text: str | None, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    address = None if text is None else canonical_address(text)
    return address is not None and ipaddress.ip_address(address) in network


def _checked(wanted: EventFilter) -> EventFilter:
    """Return a filter as the statements take it.

    Raises:
        ValidationFailed: the address is none, a time too far away, or the action no text for a database.
    """
    action = wanted.action
    if action is not None and not (action.isascii() and action.isprintable()):
        raise ValidationFailed({"action": Text("field.action")})
    times: dict[str, Any] = {}
    for name in ("since", "until"):
        at = getattr(wanted, name)
        if at is None:
            continue
        at = as_utc(at)
        if not 1970 <= at.year < 9999:
            raise ValidationFailed({name: Text("field.time")})
        times[name] = at
    return replace(canonical(wanted), **times)
