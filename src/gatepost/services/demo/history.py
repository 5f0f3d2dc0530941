"""Invents who uses a service and what happened there in thirty days: pure, from a seed and a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain, cycle
from random import Random
from typing import Any

from gatepost.models import AuditAction, Client, EndReason
from gatepost.security.tokens import NONCE_BYTES, StoredToken
from gatepost.services.demo import people
from gatepost.services.demo.timeline import Event, Incident, Person, Row, Timeline, by_command
from gatepost.services.demo.trouble import trouble
from gatepost.services.lifetimes import Lifetimes
from gatepost.store.demo import EventRow, FailureRow, SessionRow, UserRow

WINDOW = timedelta(days=30)
"""How far back the trail goes."""
EVENTS_A_USER = 10
"""Events that each user takes at the least."""
_EVENTS_A_SIGN_IN = 14
"""What one sign-in writes at the most."""
MANY_DEVICES = 12
"""Live sessions of the one user who has most."""

_ENDS = (
    *[EndReason.EXPIRED] * 50,
    *[EndReason.LOGOUT] * 38,
    *[EndReason.REVOKED] * 6,
    *[EndReason.SIGNED_IN_AGAIN] * 3,
    *[EndReason.LIMIT, EndReason.SQL, EndReason.REPLAYED],
)
_BEGUN_ANEW = {
    EndReason.PASSWORD_CHANGED: AuditAction.PASSWORD_CHANGED,
    EndReason.EMAIL_CHANGED: AuditAction.USER_EMAIL_CHANGED,
}
_INCIDENTS = (EndReason.LOGOUT_ALL, *_BEGUN_ANEW, EndReason.PASSWORD_SET)


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


def invent(*, seed: int, now: datetime, users: int, events: int, lifetimes: Lifetimes) -> Invented:
    """Invent users and exactly so many events; the same of the same arguments.

    Args:
        seed: of all chance.
        now: the end of the thirty days.
        users: how many, 20 at the least.
        events: how many, `EVENTS_A_USER` a user and 1,000 at the least.
        lifetimes: how long sessions live.
    """
    # Whatever is set: what has ended in the demo must have ended before now.
    lifetimes = replace(lifetimes, session=min(lifetimes.session, timedelta(hours=1)))
    history = _History(Random(seed), now, lifetimes)  # noqa: S311 - it invents, it keeps no secret
    history.populate(users)
    history.interfere()
    trouble(history.timeline, history.people, history.fail, events)
    history.be_here_now()
    history.pass_time(events)
    return history.numbered()


class _History:
    def __init__(self, rng: Random, now: datetime, lifetimes: Lifetimes) -> None:
        self.rng, self.now, self.began_at = rng, now, now - WINDOW
        self.timeline = Timeline(rng, now, lifetimes)
        self.people: list[Person] = []
        self.failures: dict[tuple[Person, str], tuple[int, datetime]] = {}

    def populate(self, count: int) -> None:
        """Make the people: three administrators, who were there before, and a third who came since."""
        named = [(*people.ADMIN, 1), (*people.USER, 1), *people.names(self.rng, count - 2)]
        for index, (email, name, hours) in enumerate(named):
            newcomer = index >= 6 and self.rng.random() < 0.35
            age = (
                WINDOW * self.rng.random() * 0.97 if newcomer else WINDOW + timedelta(400) * self.rng.random()
            )
            person = Person(
                email=email,
                name=name,
                hours=hours,
                created_at=self.now - age,
                devices=people.devices(self.rng, self.rng.choice([1, 2, 2, 3, 4])),
                is_admin=index in (0, 2, 3),
            )
            self.people.append(person)
            if newcomer:
                self._welcome(person)

    def _welcome(self, person: Person) -> None:
        if self.rng.random() < 0.15:
            detail = by_command(is_admin=False)
            self.timeline.note(person.created_at, AuditAction.USER_CREATED, person, detail=detail)
        else:
            self.timeline.note(
                person.created_at, AuditAction.USER_REGISTERED, person, client=person.devices[0]
            )

    def interfere(self) -> None:
        """Have administrators disable some, and some end all of their own sessions."""
        others = [person for person in self.people[6:] if person.created_at < self.now - timedelta(days=3)]
        disabled = self.rng.sample(others, max(2, len(self.people) // 50))
        for person in disabled:
            at = self._after_all(person, 0.5)
            person.until = at
            detail = by_command(changed=True)
            self.timeline.note(at, AuditAction.USER_DISABLED, person, detail=detail)
            self._incident(person, at, EndReason.USER_DISABLED, Client(), by_command())
            self.fail(person, at + (self.now - at) * self.rng.random(), "user_disabled", person.devices[0])
        rest = [person for person in others if person.until is None]
        for person, reason in zip(
            self.rng.sample(rest, min(len(rest), max(4, len(rest) // 6))), cycle(_INCIDENTS), strict=False
        ):
            at = self._after_all(person, 0.2)
            if reason is EndReason.PASSWORD_SET:
                detail = by_command(changed=True)
                self.timeline.note(at, AuditAction.USER_PASSWORD_SET, person, detail=detail)
                self._incident(person, at, reason, Client(), by_command())
                continue
            incident = self._incident(person, at, reason, person.devices[0], {})
            if reason in _BEGUN_ANEW:
                self.timeline.begin_anew(person, incident, _BEGUN_ANEW[reason])

    def _after_all(self, person: Person, share: float) -> datetime:
        """Return a time when somebody has been here for that share of their time, not in the last hours."""
        start = max(person.created_at, self.began_at)
        return start + (self.now - timedelta(hours=20) - start) * self.rng.uniform(share, 1) * 0.95

    def _incident(
        self,
        person: Person,
        at: datetime,
        reason: EndReason,
        client: Client,
        detail: Any,  # noqa: ANN401 - JSON
    ) -> Incident:
        event = self.timeline.note(
            at, AuditAction.SESSIONS_REVOKED_ALL, person, client=client, detail=dict(detail)
        )
        incident = Incident(at=at, reason=reason, event=event)
        person.incidents.append(incident)
        for _ in range(self.rng.randint(1, 3)):
            since = max(person.created_at, self.began_at)
            self.timeline.overtake(person, self.rng.choice(person.devices), since, incident)
        return incident

    def fail(self, person: Person, at: datetime, reason: str, client: Client) -> None:
        """Add a login that is refused, and count it among those in a row."""
        detail = {"reason": reason, "email": person.email}
        self.timeline.note(at, AuditAction.LOGIN_FAILED, person, client=client, detail=detail)
        if reason == "wrong_password" and client not in person.devices:
            key = (person, client.place or "")
            count, last = self.failures.get(key, (0, at))
            self.failures[key] = (count + 1, max(last, at))

    def be_here_now(self) -> None:
        """Give people their live sessions: none up to six, one user twelve."""
        for index, person in enumerate(self.people):
            if person.until is not None:
                continue
            fixed = {0: 2, 1: 3, 4: MANY_DEVICES, 5: 0}
            count = fixed.get(index, self.rng.choice([0, 0, 1, 1, 1, 2, 2, 3, 4, 6]))
            if index in fixed:
                person.devices = people.devices(self.rng, count or 1)
            ended = [incident.at for incident in person.incidents]
            since = max(person.created_at, self.began_at, *ended)
            for number in range(count):
                client = person.devices[number % len(person.devices)]
                self.timeline.live(person, client, since, remembered=self.rng.random() < 0.75)

    def pass_time(self, events: int) -> None:
        """Have people sign in day after day, until there are so many events."""
        written = self.timeline.events
        while len(written) <= events - _EVENTS_A_SIGN_IN:
            person = self.rng.choice(self.people)
            reason = self.rng.choice(_ENDS)
            refreshes = 1 if reason is EndReason.REPLAYED else self.rng.choice([0, 0, 0, 1, 1, 2, 3, 5])
            start = max(person.created_at, self.began_at)
            over = person.until or self.now
            end = over - self.timeline.lifetimes.session * (refreshes + 1)
            if end <= start:
                continue
            client = self.rng.choice(person.devices)
            at = self.timeline.moment(person, start, end)
            if self.rng.random() < 0.12:
                mistyped_at = max(start, at - timedelta(seconds=self.rng.uniform(4, 40)))
                self.fail(person, mistyped_at, "wrong_password", client)
            self.timeline.sign_in(person, client, at, reason, refreshes=refreshes)
        while len(written) < events:
            person = self.rng.choice([person for person in self.people if person.until is None])
            at = self.timeline.moment(person, max(person.created_at, self.began_at), self.now)
            self.fail(person, at, "wrong_password", person.devices[0])

    def numbered(self) -> Invented:
        """Return it all as rows, with ids in the order of time."""
        self.people.sort(key=lambda person: person.created_at)
        self.timeline.rows.sort(key=lambda row: row.created_at)
        self.timeline.events.sort(key=lambda event: event.at)
        users = {person: number for number, person in enumerate(self.people, 1)}
        sessions = {row: number for number, row in enumerate(self.timeline.rows, 1)}
        for incident in chain.from_iterable(person.incidents for person in self.people):
            incident.event.detail = {
                **incident.event.detail,
                "reason": incident.reason,
                "sessions": incident.ended,
            }
        return Invented(
            began_at=self.began_at,
            users=[self._user(person, number) for person, number in users.items()],
            sessions=[self._session(row, sessions, users) for row in self.timeline.rows],
            events=[_event(event, sessions, users) for event in self.timeline.events],
            failures=[
                FailureRow(user_id=users[person], place=place, failures=count, last_at=last)
                for (person, place), (count, last) in self.failures.items()
            ],
        )

    def _user(self, person: Person, number: int) -> UserRow:
        return UserRow(
            id=number,
            email=person.email,
            name=person.name,
            is_admin=person.is_admin,
            is_active=person.until is None,
            created_at=person.created_at,
        )

    def _session(self, row: Row, sessions: dict[Row, int], users: dict[Person, int]) -> SessionRow:
        rng = self.rng
        return SessionRow(
            id=sessions[row],
            token=StoredToken(f"{rng.getrandbits(32):08x}.{rng.getrandbits(256):064x}"),  # of nobody's token
            user_id=users[row.person],
            created_at=row.created_at,
            last_used_at=row.last_used_at,
            expires_at=row.expires_at,
            authenticated_at=row.authenticated_at,
            absolute_expires_at=row.authenticated_at + self.timeline.lifetimes.absolute,
            client=row.client,
            place=row.client.place if row.first is None else None,
            remembered=row.remembered,
            family_id=None if row.first is None else sessions[row.first],
            replaced_by=None if row.successor is None else sessions[row.successor],
            nonce=None if row.successor is None else rng.randbytes(NONCE_BYTES),
            ended_at=row.ended_at,
            end_reason=row.end_reason,
        )


def _event(event: Event, sessions: dict[Row, int], users: dict[Person, int]) -> EventRow:
    return EventRow(
        at=event.at,
        action=event.action,
        user_id=None if event.person is None else users[event.person],
        session_id=None if event.session is None else sessions[event.session],
        client=event.client,
        detail={k: sessions[v] if isinstance(v, Row) else v for k, v in event.detail.items()},
    )
