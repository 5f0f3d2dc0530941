"""One person's thirty days: sign-ins, what they were refreshed to, and how each ended."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

from gatepost.demo.records import Event, Incident, Person, Row
from gatepost.models import AuditAction, Client, EndReason
from gatepost.services.audit import BY_COMMAND
from gatepost.services.lifetimes import Lifetimes

WINDOW = timedelta(days=30)
"""How far back the trail goes."""
_HOURS = (1, 1, 1, 1, 2, 4, 10, 24, 60, 90, 85, 75, 60, 70, 80, 75, 65, 50, 40, 38, 42, 36, 18, 6)
"""How busy each hour of a person's day is, in percent."""
_WEEKEND = 0.5

WITH_EVENT = frozenset({EndReason.LOGOUT, EndReason.REVOKED, EndReason.LIMIT, EndReason.SIGNED_IN_AGAIN})
"""Ends of one session that `session.revoked` tells of."""


class Timeline:
    """Writes rows and events of people's sign-ins.

    Args:
        rng: where chance comes from.
        now: the end of the thirty days; nothing lies behind it.
        lifetimes: how long sessions live.
    """

    def __init__(self, rng: Random, now: datetime, lifetimes: Lifetimes) -> None:
        self.rng = rng
        self.now = now
        self.began_at = now - WINDOW
        self.lifetimes = lifetimes
        self.rows: list[Row] = []
        self.events: list[Event] = []

    def moment(self, person: Person, start: datetime, end: datetime) -> datetime:
        """Return a time between two when this person is likely to be about."""
        for _ in range(60):
            at = start + (end - start) * self.rng.random()
            local = at + timedelta(hours=person.hours)
            share = _HOURS[local.hour] / 100 * (_WEEKEND if local.weekday() >= 5 else 1)
            if self.rng.random() < share:
                break
        return at

    def note(self, at: datetime, action: AuditAction, person: Person | None = None, **more: Any) -> Event:  # noqa: ANN401 - fields of Event
        """Add an event."""
        event = Event(at=at, action=action, person=person, **more)
        self.events.append(event)
        return event

    def live(self, person: Person, client: Client, since: datetime, *, remembered: bool) -> Row:
        """Start a session that still lives; one that is not remembered was refreshed as often as it takes."""
        lifetimes, now = self.lifetimes, self.now
        if remembered:
            # Most of those who are signed in came lately; each at an hour of theirs.
            start = max(since, now - lifetimes.absolute * 0.95 * self.rng.random() ** 1.5)
            at = self.moment(person, start, min(now, start + timedelta(days=1)))
        else:
            start = max(since, now - min(lifetimes.session * 6, lifetimes.absolute * 0.95))
            at = self.moment(person, start, now)
        row = self._start(person, client, at, remembered=remembered)
        while row.expires_at <= now:
            left = row.expires_at - row.created_at
            row = self._refresh(row, row.created_at + left * self.rng.uniform(0.5, 0.97))
        if lifetimes.idle is None:
            used = row.created_at + (now - row.created_at) * (1 - self.rng.random() ** 3)
            row.last_used_at = self.moment(person, used, now) if remembered else used
        else:
            row.last_used_at = max(row.created_at, now - lifetimes.idle * self.rng.random() * 0.8)
        return row

    def sign_in(
        self, person: Person, client: Client, at: datetime, reason: EndReason, *, refreshes: int
    ) -> None:
        """Start a session, refresh it so often, and end it for this reason, or as the incident does."""
        row = self._start(person, client, at)
        end = self._next_incident(person, at)
        for _ in range(refreshes):
            refreshed_at = row.created_at + (row.expires_at - row.created_at) * self.rng.uniform(0.5, 0.97)
            if end is not None and refreshed_at >= end.at:
                break
            row = self._refresh(row, refreshed_at)
        if reason is EndReason.REPLAYED and row.first is None:
            reason = EndReason.LOGOUT  # an incident came before the refresh
        self._aside(row)
        if reason is EndReason.EXPIRED:
            ended_at = row.expires_at
        else:
            ended_at = row.created_at + (row.expires_at - row.created_at) * self.rng.uniform(0.6, 0.95)
        if end is not None and ended_at >= end.at:
            end.ended += 1
            self._end(row, end.at, end.reason)
            return
        self._end(row, ended_at, reason)
        self._tell_end(row, ended_at, reason)

    def overtake(self, person: Person, client: Client, since: datetime, incident: Incident) -> None:
        """Start a remembered session that an incident then ends."""
        since = max(since, incident.at - self.lifetimes.absolute * 0.9, incident.at - timedelta(days=9))
        row = self._start(person, client, self.moment(person, since, incident.at), remembered=True)
        self._end(row, incident.at, incident.reason)
        incident.ended += 1

    def begin_anew(self, person: Person, incident: Incident, action: AuditAction) -> None:
        """Start the session that a changed password or e-mail leaves behind, which soon expires."""
        row = self._start(person, incident.event.client, incident.at)
        self._end(row, row.expires_at, EndReason.EXPIRED)
        self.note(incident.at, action, person, session=row, client=row.client)

    def _start(self, person: Person, client: Client, at: datetime, *, remembered: bool = False) -> Row:
        lifetime = self.lifetimes.absolute if remembered else self.lifetimes.session
        row = Row(
            person=person,
            client=client,
            created_at=at,
            authenticated_at=at,
            expires_at=at + min(lifetime, self.lifetimes.absolute),
            last_used_at=at,
            remembered=remembered,
        )
        self.rows.append(row)
        self.note(at, AuditAction.SESSION_STARTED, person, session=row, client=client)
        return row

    def _refresh(self, row: Row, at: datetime) -> Row:
        confirmed = self.rng.random() < 0.06  # the password was given again
        authenticated_at = at if confirmed else row.authenticated_at
        successor = Row(
            person=row.person,
            client=row.client,
            created_at=at,
            authenticated_at=authenticated_at,
            expires_at=min(at + self.lifetimes.session, authenticated_at + self.lifetimes.absolute),
            last_used_at=at,
            first=row.first or row,
        )
        self.rows.append(successor)
        row.successor = successor
        self._end(row, at, EndReason.REFRESHED)
        row.last_used_at = at
        self.note(
            at,
            AuditAction.SESSION_CONFIRMED if confirmed else AuditAction.SESSION_REFRESHED,
            row.person,
            session=row,
            client=row.client,
            detail={"successor": successor},
        )
        return successor

    def _end(self, row: Row, at: datetime, reason: EndReason) -> None:
        row.ended_at, row.end_reason = at, reason
        row.last_used_at = row.created_at + (at - row.created_at) * self.rng.random()

    def _tell_end(self, row: Row, at: datetime, reason: EndReason) -> None:
        person, client = row.person, row.client
        if reason in WITH_EVENT:
            detail: dict[str, Any] = {"reason": reason}
            if reason is EndReason.REVOKED:  # on the list of devices, by the same person on another one
                detail["sessions"] = 1
                client = self.rng.choice(person.devices)
            self.note(at, AuditAction.SESSION_REVOKED, person, session=row, client=client, detail=detail)
        elif reason is EndReason.REPLAYED:
            replayed = row.first or row
            detail = {
                "replayed_session": replayed,
                "successor": row,
                "successor_ip": client.ip_address,
                "reason": reason,
                "sessions": 1,
            }
            self.note(
                at, AuditAction.SESSION_REPLAYED, person, session=replayed, client=client, detail=detail
            )

    def _aside(self, row: Row) -> None:
        """Have something else happen in a session now and then."""
        if self.rng.random() > 0.04:
            return
        at = row.created_at + (row.expires_at - row.created_at) * self.rng.uniform(0.05, 0.5)
        incident = self._next_incident(row.person, row.created_at)
        if incident is not None and at >= incident.at:
            return
        action, detail = self.rng.choice(
            [
                (AuditAction.USER_RENAMED, {}),
                (AuditAction.USER_EXPORTED, {}),
                (AuditAction.PASSWORD_REFUSED, {"verb": "change_password", "reason": "wrong_password"}),
                (AuditAction.PASSWORD_REFUSED, {"verb": "confirm", "reason": "wrong_password"}),
                (AuditAction.ACCESS_DENIED, {"code": "admin_required"}),
            ]
        )
        if row.person.is_admin and action is AuditAction.ACCESS_DENIED:
            return
        self.note(at, action, row.person, session=row, client=row.client, detail=detail)

    def _next_incident(self, person: Person, after: datetime) -> Incident | None:
        return min((i for i in person.incidents if i.at > after), key=lambda i: i.at, default=None)


def by_command(**detail: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON
    """Return the detail of what an administrator did by a command."""
    return {**BY_COMMAND, **detail}
