"""The audit trail in sentences: as one reads one's own, and as an administrator reads everybody's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from gatepost.http.pages.language import Language
from gatepost.http.pages.runs import Run
from gatepost.models import AuditAction, AuditEvent
from gatepost.texts import Text


class Texts(NamedTuple):
    """The ids of what is said of an event: to the person, to others, with its actor, beside the person."""

    own: str
    other: str
    by: str
    short: str


@dataclass(frozen=True, slots=True)
class Words:
    """How an event is told: `event.<name>.own` to the person it concerns, `event.<name>.other` to others.

    Where it stands beside whom it concerns, `event.<name>.short` says what happened and nothing else.

    Attributes:
        kind: "good", "plain", "warn" or "bad", for who looks through many.
        is_personal: it concerns a person; what does not is told to everybody alike, in `event.<name>`.
        has_actor: an administrator may have done it; `event.<name>.by` names them.
    """

    kind: str
    is_personal: bool = True
    has_actor: bool = False

    def texts(self, name: str) -> Texts:
        """Return the ids of what is said of the event."""
        about = f"event.{name.replace('/', '.')}"
        if not self.is_personal:
            return Texts(about, about, f"{about}.by" if self.has_actor else about, about)
        other = f"{about}.other"
        return Texts(f"{about}.own", other, f"{about}.by" if self.has_actor else other, f"{about}.short")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEvent:
    """An event as a list shows it.

    Attributes:
        event: what happened.
        text: as `sentence` has it.
        more: another sentence, such as how many sessions it ended; None where there is no more to say.
        kind: as `kind` has it.
        is_by_admin: as `AuditEvent.is_by_admin`.
        count: how often it happened in a row.
        since: when first of these.
    """

    event: AuditEvent
    text: str
    more: str | None
    kind: str
    is_by_admin: bool
    count: int
    since: datetime


# Features have theirs in their folders.
WORDS: dict[str, Words] = {
    "user.registered": Words("good"),
    "user.registration_refused": Words("warn"),
    "user.created": Words("plain", has_actor=True),
    "user.promoted": Words("warn", has_actor=True),
    "user.demoted": Words("warn", has_actor=True),
    "user.disabled": Words("bad", has_actor=True),
    "user.enabled": Words("good", has_actor=True),
    "user.password_set": Words("warn", has_actor=True),
    "user.password_set/temporary": Words("warn", has_actor=True),
    "user.deleted": Words("bad", has_actor=True),
    "user.renamed": Words("plain"),
    "user.email_changed": Words("warn"),
    "user.exported": Words("plain"),
    "user.erased": Words("bad"),
    "user.unlocked": Words("good", has_actor=True),
    "password.rehashed": Words("plain"),
    "password.changed": Words("good"),
    "password.removed": Words("warn"),
    "password.refused": Words("bad"),
    "password.refused/wrong_code": Words("bad"),
    "login.failed": Words("bad"),
    "login.challenged": Words("plain"),
    "login.failed/wrong_code": Words("bad"),
    "factor.enrolled": Words("good"),
    "factor.removed": Words("warn"),
    "factor.copied": Words("bad"),
    "factor.reset": Words("warn", has_actor=True),
    "factor.recovery_codes_made": Words("plain"),
    "factor.recovery_code_used": Words("warn"),
    "login.failed/challenge_expired": Words("plain"),
    "login.failed/passkey_refused": Words("bad"),
    "login.failed/passkey_unknown": Words("bad"),
    "login.failed/unknown_user": Words("bad"),
    "login.failed/locked": Words("bad"),
    "login.failed/user_disabled": Words("bad"),
    "session.impersonated": Words("warn", has_actor=True),
    "session.started": Words("good"),
    "session.refreshed": Words("plain"),
    "session.confirmed": Words("good"),
    "session.replayed": Words("bad"),
    "session.revoked": Words("plain"),
    "session.revoked/logout": Words("plain"),
    "session.revoked/signed_in_again": Words("plain"),
    "session.revoked/limit": Words("warn"),
    "session.revoked/impersonator": Words("plain"),
    "session.revoked/revoked": Words("plain"),
    "session.revoked/by": Words("warn", has_actor=True),
    "session.revoked_all": Words("plain"),
    "session.revoked_all/logout_all": Words("plain"),
    "session.revoked_all/others": Words("plain"),
    "session.revoked_all/by": Words("warn", has_actor=True),
    "session.revoked_all/user_disabled": Words("warn", has_actor=True),
    "session.revoked_all/password_set": Words("warn", has_actor=True),
    "session.revoked_all/password_changed": Words("plain"),
    "session.revoked_all/email_changed": Words("plain"),
    "session.revoked_all/factor_changed": Words("plain"),
    "session.refused": Words("warn"),
    "session.refused/nobody": Words("warn", is_personal=False),
    "access.denied": Words("warn"),
    "throttled": Words("bad"),
    "throttled/nobody": Words("bad", is_personal=False),
    "refusals.counted": Words("bad"),
    "refusals.counted/nobody": Words("bad", is_personal=False),
    "throttles.cleared": Words("plain", has_actor=True),
    "cross_origin.refused": Words("bad"),
    "sessions.ended": Words("warn", is_personal=False, has_actor=True),
    "events.exported": Words("warn", is_personal=False, has_actor=True),
    "cleanup.run": Words("plain"),
    "cleanup.run/nobody": Words("plain", is_personal=False),
    "command.failed": Words("warn", is_personal=False),
    "events.purged": Words("warn", is_personal=False),
    "schema.migrated": Words("plain", is_personal=False),
}
"""Action → how it is told; after a slash what tells its events from each other, as `_names` has it."""

_COUNTED = {AuditAction.SESSIONS_REVOKED_ALL, AuditAction.SESSIONS_ENDED}
"""Actions that end several sessions."""


def shown_event(
    language: Language,
    event: AuditEvent,
    *,
    own: bool,
    who: str | None = None,
    by: str | None = None,
    is_short: bool = False,
    words: Mapping[str, Words] = WORDS,
) -> ShownEvent:
    """Return an event with all that is said of it; what is given is as `sentence` takes it."""
    return ShownEvent(
        event=event,
        text=sentence(language, event, own=own, who=who, by=by, is_short=is_short, words=words),
        more=sessions_ended(language, event),
        kind=kind(event, words),
        is_by_admin=event.is_by_admin,
        count=1,
        since=event.at,
    )


def shown_run(
    language: Language,
    run: Run,
    *,
    own: bool,
    is_short: bool = False,
    words: Mapping[str, Words] = WORDS,
) -> ShownEvent:
    """Return a run as `shown_event` returns its newest event."""
    told = shown_event(language, run.newest.event, own=own, is_short=is_short, words=words)
    return replace(told, count=run.count, since=run.since)


def sentence(
    language: Language,
    event: AuditEvent,
    *,
    own: bool,
    who: str | None = None,
    by: str | None = None,
    is_short: bool = False,
    words: Mapping[str, Words] = WORDS,
) -> str:
    """Return what happened, as a sentence without its full stop.

    Args:
        language: of the reader.
        event: what happened; an action that only a newer Gatepost knows is told by its name.
        own: the reader is whom it concerns.
        who: how everybody else is told whom it concerns, such as an e-mail.
        by: likewise which administrator did it; None where none did.
        is_short: it stands beside whom it concerns, who is not named once more.
        words: what is said of every action, those of features included.
    """
    name = _name(event, words)
    if name is None:
        return event.action
    texts, named = words[name].texts(name), _named(event)
    if own or is_short:
        return language.say(Text(texts.own if own else texts.short, **named))
    named["who"] = who or _who(language, event)
    return language.say(Text(texts.other, **named) if by is None else Text(texts.by, by=by, **named))


def kind(event: AuditEvent, words: Mapping[str, Words] = WORDS) -> str:
    """Return how an event is to be taken: "good", "plain", "warn" or "bad"."""
    name = _name(event, words)
    return "plain" if name is None else words[name].kind


def sessions_ended(language: Language, event: AuditEvent) -> str | None:
    """Return how many sessions an event ended, None where it ended none or does not say."""
    count = event.detail.get("sessions")
    if not isinstance(count, int) or not count or event.action not in _COUNTED:
        return None
    return language.say(Text("word.sessions_ended", count=count))


def _name(event: AuditEvent, words: Mapping[str, Words]) -> str | None:
    return next((name for name in _names(event) if name in words), None)


def _names(event: AuditEvent) -> Iterator[str]:
    """Yield what the words of an event may be called, those that say most first."""
    reason = event.detail.get("reason")
    if "kept_session" in event.detail:
        yield f"{event.action}/others"
    if event.detail.get("temporary") is True:
        yield f"{event.action}/temporary"
    if event.is_by_admin and reason == "revoked":
        yield f"{event.action}/by"
    yield f"{event.action}/{reason}"
    if event.user_id is None:
        yield f"{event.action}/{'named' if 'email' in event.detail else 'nobody'}"
    yield event.action


def _named(event: AuditEvent) -> dict[str, str]:
    """Return what a sentence may name besides whom it concerns."""
    return {"network": str(event.detail.get("network", "?"))}


def _who(language: Language, event: AuditEvent) -> str:
    named = event.detail.get("email")
    if isinstance(named, str) and named:
        return named
    if event.user_id is not None:
        return language.say(Text("event.user", id=str(event.user_id)))
    return language.say(Text("event.somebody"))
