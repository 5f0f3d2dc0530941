"""What goes wrong in thirty days: passwords are guessed, requests refused, commands mistyped."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from gatepost.demo import people
from gatepost.demo.records import Person
from gatepost.demo.timeline import Timeline, by_command
from gatepost.models import AuditAction, Bucket, Client

Fail = Callable[[Person, datetime, str, Client], None]
"""Adds a login that is refused: whose, when, why, and from where."""

_BY_REQUEST: Sequence[tuple[AuditAction, Mapping[str, Any]]] = (
    (AuditAction.SESSION_REFUSED, {"code": "session_expired", "verb": "refresh"}),
    (AuditAction.SESSION_REFUSED, {"code": "session_revoked", "verb": "refresh"}),
    (AuditAction.SESSION_REFUSED, {"code": "invalid_session", "verb": "revoke"}),
    (AuditAction.USER_REGISTRATION_REFUSED, {"reason": "email_taken", "email": people.USER[0]}),
    (
        AuditAction.CROSS_ORIGIN_REFUSED,
        {"method": "POST", "path": "/api/auth/logout", "origin": "https://evil.example"},
    ),
)
_BY_COMMAND: Sequence[tuple[AuditAction, Mapping[str, Any]]] = (
    (AuditAction.CLEANUP_RUN, by_command(sessions_expired=17, sessions_purged=0)),
    (AuditAction.THROTTLES_CLEARED, by_command(buckets=2, address="198.51.100.7")),
    (
        AuditAction.COMMAND_FAILED,
        by_command(command="users show", code="not_found", user="nobody@example.com"),
    ),
)


ATTACKED = 5
"""Which of the people has the account that is tried most."""
_WAVES = (38, 31, 15, 3)
"""Hours ago at which it is."""


def trouble(timeline: Timeline, persons: Sequence[Person], fail: Fail, events: int) -> None:
    """Add waves of guessing and what else is refused, for a trail of so many events."""
    tries = max(60, min(600, events // 120))
    _one_address(timeline, persons[2:], fail, timedelta(days=6, hours=4), tries)
    _one_address(timeline, persons[2:], fail, timedelta(hours=9), tries // 12)
    _many_addresses(timeline, persons[ATTACKED], fail, max(5, min(36, events // 1000)))
    for person, each in zip(persons[6:10], (14, 9, 6, 4), strict=True):
        _one_by_one(timeline, person, fail, each if events > 10_000 else 2)
    _here_and_there(timeline, persons, max(1, events // 4000))


def _one_address(
    timeline: Timeline, persons: Sequence[Person], fail: Fail, ago: timedelta, tries: int
) -> None:
    """Try many accounts from one address, one after the other."""
    rng, client = timeline.rng, people.GUESSER
    at = timeline.now - ago
    for person in rng.choices(persons, k=tries):
        at += timedelta(seconds=rng.uniform(0.5, 3.5))
        kind = rng.random()
        if kind < 0.3:
            detail = {"bucket": Bucket.LOGIN_ADDRESS, "verb": "login"}
            timeline.note(at, AuditAction.THROTTLED, client=client, detail=detail)
        elif kind < 0.6 or person.created_at > at:
            detail = {"reason": "unknown_user", "email": f"info{rng.randint(1, 999)}@example.net"}
            timeline.note(at, AuditAction.LOGIN_FAILED, client=client, detail=detail)
        else:
            fail(person, at, "wrong_password", client)


def _many_addresses(timeline: Timeline, person: Person, fail: Fail, tries: int) -> None:
    """Try one account from many addresses, in waves; of a large demo it is locked in the last of them."""
    rng = timeline.rng
    bots = iter(people.bots(rng, tries * len(_WAVES)))
    for hours in _WAVES:
        at = timeline.now - timedelta(hours=hours)
        for number, bot in enumerate(islice(bots, tries), 1):
            at += timedelta(seconds=rng.uniform(30, 110))
            if number % 6 == 0:
                detail = {"bucket": Bucket.LOGIN_ACCOUNT, "verb": "login"}
                timeline.note(at, AuditAction.THROTTLED, person, client=bot, detail=detail)
            else:
                fail(person, at, "wrong_password", bot)


def _one_by_one(timeline: Timeline, person: Person, fail: Fail, tries: int) -> None:
    """Try one account from a few addresses in the last hours."""
    rng = timeline.rng
    since = max(person.created_at, timeline.now - timedelta(hours=20))
    bots = people.bots(rng, 3)
    for _ in range(tries):
        at = since + (timeline.now - since) * rng.random() * 0.95
        fail(person, at, "wrong_password", rng.choice(bots))


def _here_and_there(timeline: Timeline, persons: Sequence[Person], times: int) -> None:
    rng, began_at = timeline.rng, timeline.now - timedelta(days=29)
    for _ in range(times):
        for action, detail in _BY_REQUEST:
            person = rng.choice(persons)
            at = timeline.moment(person, began_at, timeline.now)
            timeline.note(at, action, client=rng.choice(person.devices), detail=detail)
        for action, detail in _BY_COMMAND:
            timeline.note(timeline.moment(persons[0], began_at, timeline.now), action, detail=detail)
    victim = persons[ATTACKED]
    timeline.note(timeline.now - timedelta(days=2), AuditAction.USER_UNLOCKED, victim, detail=by_command())
    for days, action in ((9, AuditAction.USER_PROMOTED), (8, AuditAction.USER_DEMOTED)):
        timeline.note(
            timeline.now - timedelta(days=days), action, persons[4], detail=by_command(changed=True)
        )
