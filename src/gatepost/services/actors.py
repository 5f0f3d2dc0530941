"""Who did what the trail tells of: administrators by their e-mails."""

from collections.abc import Sequence

import msgspec

from gatepost.db.pool import Connection
from gatepost.models import SeenEvent, UserId, UserIdType
from gatepost.store import users as store


async def with_actors(conn: Connection, user_ids: UserIdType, events: Sequence[SeenEvent]) -> list[SeenEvent]:
    """Return events with the e-mails of the administrators who acted."""
    acted = {id(seen): actor for seen in events if (actor := _actor(user_ids, seen)) is not None}
    if not acted:
        return list(events)
    emails = await store.emails(conn, sorted(set(acted.values()), key=str))
    return [
        msgspec.structs.replace(seen, actor=emails.get(acted[id(seen)])) if id(seen) in acted else seen
        for seen in events
    ]


def _actor(user_ids: UserIdType, seen: SeenEvent) -> UserId | None:
    found = seen.event.admin_id
    return None if found is None else user_ids.of_json(found)
