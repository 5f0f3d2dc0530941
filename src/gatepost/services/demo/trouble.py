"""What goes wrong in thirty days: passwords are guessed, requests refused, commands mistyped."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gatepost.models import AuditAction, Bucket, Client
from gatepost.services.demo import people
from gatepost.services.demo.records import Person
from gatepost.services.demo.timeline import Timeline, by_command

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


def trouble(timeline: Timeline, persons: Sequence[Person], fail: Fail, events: int) -> None:
    """Add two waves of guessing and what else is refused, for a trail of so many events."""
    tries = max(60, min(600, events // 120))
    _one_address(timeline, persons[2:], fail, tries)
    _many_addresses(timeline, persons[5], fail, min(90, tries // 3))
    _here_and_there(timeline, persons, max(1, events // 4000))


def _one_address(timeline: Timeline, persons: Sequence[Person], fail: Fail, tries: int) -> None:
    """Try many accounts from one address, six days ago."""
    rng, client = timeline.rng, people.GUESSER
    at = timeline.now - timedelta(days=6, hours=4)
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
    """Try one account from many addresses, three hours ago; fewer than would lock it."""
    rng = timeline.rng
    at = timeline.now - timedelta(hours=3)
    for bot in people.bots(rng, tries):
        at += timedelta(seconds=rng.uniform(30, 85))
        if rng.random() < 0.3:
            detail = {"bucket": Bucket.LOGIN_ACCOUNT, "verb": "login"}
            timeline.note(at, AuditAction.THROTTLED, person, client=bot, detail=detail)
        else:
            fail(person, at, "wrong_password", bot)


def _here_and_there(timeline: Timeline, persons: Sequence[Person], times: int) -> None:
    rng, began_at = timeline.rng, timeline.now - timedelta(days=29)
    for _ in range(times):
        for action, detail in _BY_REQUEST:
            person = rng.choice(persons)
            at = timeline.moment(person, began_at, timeline.now)
            timeline.note(at, action, client=rng.choice(person.devices), detail=detail)
        for action, detail in _BY_COMMAND:
            timeline.note(timeline.moment(persons[0], began_at, timeline.now), action, detail=detail)
    victim = persons[5]
    timeline.note(timeline.now - timedelta(days=2), AuditAction.USER_UNLOCKED, victim, detail=by_command())
    for days, action in ((9, AuditAction.USER_PROMOTED), (8, AuditAction.USER_DEMOTED)):
        timeline.note(
            timeline.now - timedelta(days=days), action, persons[4], detail=by_command(changed=True)
        )
