"""Invents who uses a service and what happened there in thirty days: pure, from a seed and a time."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import cycle
from random import Random
from typing import Any

from gatepost.demo import people
from gatepost.demo.numbering import Invented, numbered
from gatepost.demo.records import Incident, Person
from gatepost.demo.timeline import WINDOW, Timeline, by_command
from gatepost.demo.trouble import ATTACKED, trouble
from gatepost.models import AuditAction, Client, EndReason, UserIdType
from gatepost.services.lifetimes import Lifetimes

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


def invent(
    *,
    seed: int,
    now: datetime,
    users: int,
    events: int,
    lifetimes: Lifetimes,
    ids: UserIdType = UserIdType.INTEGER,
) -> Invented:
    """Invent users and exactly so many events; the same of the same arguments.

    Args:
        seed: of all chance.
        now: the end of the thirty days.
        users: how many, 20 at the least.
        events: how many, `EVENTS_A_USER` a user and 1,000 at the least.
        lifetimes: how long sessions live.
        ids: the type of users' ids.
    """
    # Whatever is set: what has ended in the demo must have ended before now.
    lifetimes = replace(lifetimes, session=min(lifetimes.session, timedelta(hours=1)))
    history = _History(Random(seed), now, lifetimes)  # noqa: S311 - it invents, it keeps no secret
    history.populate(users)
    history.interfere()
    trouble(history.timeline, history.people, history.fail, events)
    history.be_here_now()
    history.pass_time(events)
    return numbered(history.timeline, history.people, history.failures, ids)


class _History:
    def __init__(self, rng: Random, now: datetime, lifetimes: Lifetimes) -> None:
        self.rng, self.now = rng, now
        self.timeline = Timeline(rng, now, lifetimes)
        self.began_at = self.timeline.began_at
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
            key = (person, client.address_block or "")
            count, last = self.failures.get(key, (0, at))
            self.failures[key] = (count + 1, max(last, at))

    def be_here_now(self) -> None:
        """Give people their live sessions: none up to six, one user twelve."""
        for index, person in enumerate(self.people):
            if person.until is not None:
                continue
            fixed = {0: 2, 1: 3, 4: MANY_DEVICES, ATTACKED: 2}
            count = fixed.get(index, self.rng.choice([0, 0, 1, 1, 1, 2, 2, 3, 4, 6]))
            if index in fixed:
                person.devices = (
                    people.USER_DEVICES if person.email == people.USER[0] else people.devices(self.rng, count)
                )
            ended = [incident.at for incident in person.incidents]
            since = max(person.created_at, self.began_at, *ended)
            for number in range(count):
                client = person.devices[number % len(person.devices)]
                self.timeline.live(person, client, since, remembered=self.rng.random() < 0.94)

    def pass_time(self, events: int) -> None:
        """Have people sign in day after day, until there are so many events."""
        written = self.timeline.events
        while len(written) <= events - _EVENTS_A_SIGN_IN:
            person = self.rng.choice(self.people)
            reason = self.rng.choice(_ENDS)
            refreshes = 1 if reason is EndReason.REPLAYED else self.rng.choice([0, 0, 0, 1, 1, 2, 3, 5])
            longest = self.timeline.lifetimes.session * (refreshes + 1)
            at = self.timeline.moment(person, self.began_at, self.now - longest)
            # Over all thirty days, and dropped where it is not theirs: so that nobody who came yesterday
            # does in a day what others do in a month.
            start = max(person.created_at, self.began_at)
            if at < start or at + longest > (person.until or self.now):
                continue
            client = self.rng.choice(person.devices)
            if self.rng.random() < 0.12:
                mistyped_at = max(start, at - timedelta(seconds=self.rng.uniform(4, 40)))
                self.fail(person, mistyped_at, "wrong_password", client)
            self.timeline.sign_in(person, client, at, reason, refreshes=refreshes)
        while len(written) < events:
            person = self.rng.choice([person for person in self.people if person.until is None])
            at = self.timeline.moment(person, max(person.created_at, self.began_at), self.now)
            self.fail(person, at, "wrong_password", person.devices[0])
