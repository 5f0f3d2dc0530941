"""Turns what was invented into rows: ids in the order of time, and what refers to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from uuid import UUID

from gatepost.demo.records import Event, Person, Row
from gatepost.demo.store import EventRow, FailureRow, SessionRow, UserRow
from gatepost.demo.timeline import Timeline
from gatepost.models import UserId, UserIdType
from gatepost.security.tokens import NONCE_BYTES, StoredToken
from gatepost.services.lifetimes import Lifetimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Invented:
    """What is to be put into a database; ids and times grow together."""

    began_at: datetime
    users: Sequence[UserRow]
    sessions: Sequence[SessionRow]
    events: Sequence[EventRow]
    failures: Sequence[FailureRow]

    @property
    def rows(self) -> int:
        """How many rows that is."""
        return len(self.users) + len(self.sessions) + len(self.events) + len(self.failures)


def numbered(
    timeline: Timeline,
    people: Sequence[Person],
    failures: Mapping[tuple[Person, str], tuple[int, datetime]],
    ids: UserIdType,
) -> Invented:
    """Return it all as rows, with ids in the order of time."""
    in_order = sorted(people, key=lambda person: person.created_at)
    rows = sorted(timeline.rows, key=lambda row: row.created_at)
    users = {person: _user_id(number, person, timeline.rng, ids) for number, person in enumerate(in_order, 1)}
    sessions = {row: number for number, row in enumerate(rows, 1)}
    for person in people:
        for incident in person.incidents:
            counted = {"reason": incident.reason, "sessions": incident.ended}
            incident.event.detail = {**incident.event.detail, **counted}
    return Invented(
        began_at=timeline.began_at,
        users=[_user(person, user_id) for person, user_id in users.items()],
        sessions=[_session(row, sessions, users, timeline.rng, timeline.lifetimes) for row in rows],
        events=[
            _event(event, sessions, users) for event in sorted(timeline.events, key=lambda event: event.at)
        ],
        failures=[
            FailureRow(user_id=users[person], place=place, failures=count, last_at=last)
            for (person, place), (count, last) in failures.items()
        ],
    )


def _user_id(number: int, person: Person, rng: Random, ids: UserIdType) -> UserId:
    """Return what the database would have made: a number, or a UUID of the time (RFC 9562 §5.7)."""
    if ids.highest is not None:
        return number
    at = int(person.created_at.timestamp() * 1_000)
    made = UUID(int=at << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62))
    return made if ids is UserIdType.UUID else str(made)


def _user(person: Person, user_id: UserId) -> UserRow:
    return UserRow(
        id=user_id,
        email=person.email,
        name=person.name,
        is_admin=person.is_admin,
        is_active=person.until is None,
        created_at=person.created_at,
    )


def _session(
    row: Row, sessions: dict[Row, int], users: dict[Person, UserId], rng: Random, lifetimes: Lifetimes
) -> SessionRow:
    return SessionRow(
        id=sessions[row],
        token=StoredToken(f"{rng.getrandbits(32):08x}.{rng.getrandbits(256):064x}"),  # of nobody's token
        user_id=users[row.person],
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        authenticated_at=row.authenticated_at,
        absolute_expires_at=row.authenticated_at + lifetimes.absolute,
        client=row.client,
        place=row.client.address_block if row.first is None else None,
        remembered=row.remembered,
        family_id=None if row.first is None else sessions[row.first],
        replaced_by=None if row.successor is None else sessions[row.successor],
        nonce=None if row.successor is None else rng.randbytes(NONCE_BYTES),
        ended_at=row.ended_at,
        end_reason=row.end_reason,
    )


def _event(event: Event, sessions: dict[Row, int], users: dict[Person, UserId]) -> EventRow:
    return EventRow(
        at=event.at,
        action=event.action,
        user_id=None if event.person is None else users[event.person],
        session_id=None if event.session is None else sessions[event.session],
        client=event.client,
        detail={k: sessions[v] if isinstance(v, Row) else v for k, v in event.detail.items()},
    )
