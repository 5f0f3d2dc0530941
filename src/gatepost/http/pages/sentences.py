"""The audit trail in sentences: as one reads one's own, and as an administrator reads everybody's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gatepost.http.pages.language import N_, Language
from gatepost.models import AuditAction, AuditEvent


@dataclass(frozen=True, slots=True)
class Words:
    """What is said of an action.

    Attributes:
        kind: "good", "plain", "warn" or "bad", for who looks through many.
        own: to the person whom it concerns.
        other: to everybody else, with `%(who)s` for the person.
    """

    kind: str
    own: str
    other: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event as a list shows it.

    Attributes:
        event: what happened.
        text: as `sentence` has it.
        more: another sentence, such as how many sessions it ended; None where there is no more to say.
        kind: as `kind` has it.
        is_by_admin: as `AuditEvent.is_by_admin`.
    """

    event: AuditEvent
    text: str
    more: str | None
    kind: str
    is_by_admin: bool


# Features have theirs in their folders.
# Behind a slash stands what tells one event of an action from another, as `_keys` has it.
WORDS: dict[str, Words] = {
    "user.registered": Words("good", N_("You signed up"), N_("%(who)s signed up")),
    "user.registration_refused": Words(
        "warn", N_("A sign-up with your e-mail was refused"), N_("A sign-up as %(who)s was refused")
    ),
    "user.created": Words(
        "plain", N_("An administrator made your account"), N_("An account was made for %(who)s")
    ),
    "user.promoted": Words("warn", N_("You became an administrator"), N_("%(who)s became an administrator")),
    "user.demoted": Words(
        "warn", N_("You are no longer an administrator"), N_("%(who)s is no longer an administrator")
    ),
    "user.disabled": Words(
        "bad", N_("An administrator disabled your account"), N_("The account of %(who)s was disabled")
    ),
    "user.enabled": Words(
        "good",
        N_("An administrator enabled your account again"),
        N_("The account of %(who)s was enabled again"),
    ),
    "user.password_set": Words(
        "warn",
        N_("An administrator gave your account another password"),
        N_("The account of %(who)s was given another password"),
    ),
    "user.password_set/temporary": Words(
        "warn",
        N_("An administrator gave your account a temporary password"),
        N_("The account of %(who)s was given a temporary password"),
    ),
    "user.deleted": Words(
        "bad", N_("An administrator deleted your account"), N_("The account of %(who)s was deleted")
    ),
    "user.renamed": Words("plain", N_("You changed your name"), N_("%(who)s changed their name")),
    "user.email_changed": Words("warn", N_("You changed your e-mail"), N_("%(who)s changed their e-mail")),
    "user.exported": Words("plain", N_("You downloaded your data"), N_("%(who)s downloaded their data")),
    "user.erased": Words("bad", N_("You deleted your account"), N_("%(who)s deleted their account")),
    "user.unlocked": Words(
        "good", N_("An administrator unlocked your account"), N_("The account of %(who)s was unlocked")
    ),
    "password.rehashed": Words(
        "plain",
        N_("Your password was put into safer storage"),
        N_("The password of %(who)s was put into safer storage"),
    ),
    "password.changed": Words("good", N_("You changed your password"), N_("%(who)s changed their password")),
    "password.refused": Words(
        "bad",
        N_("A wrong password was given where you were asked for it again"),
        N_("A wrong password was given where %(who)s was asked for it again"),
    ),
    "login.failed": Words(
        "bad", N_("Somebody tried your password and failed"), N_("Failed sign-in to %(who)s")
    ),
    "login.failed/unknown_user": Words(
        "bad",
        N_("Somebody tried your password and failed"),
        N_("Failed sign-in to %(who)s: there is no such account"),
    ),
    "login.failed/locked": Words(
        "bad",
        N_("A sign-in was refused after too many wrong passwords"),
        N_("A sign-in to %(who)s was refused after too many wrong passwords"),
    ),
    "login.failed/user_disabled": Words(
        "bad",
        N_("A sign-in was refused while your account was disabled"),
        N_("A sign-in to %(who)s was refused: the account is disabled"),
    ),
    "session.started": Words("good", N_("You signed in"), N_("%(who)s signed in")),
    "session.refreshed": Words(
        "plain", N_("Your session was renewed"), N_("A session of %(who)s was renewed")
    ),
    "session.confirmed": Words(
        "good", N_("You confirmed that it is you"), N_("%(who)s gave the password once more")
    ),
    "session.replayed": Words(
        "bad",
        N_("Somebody used an old copy of one of your sessions, so the session was ended"),
        N_("Somebody used an old copy of a session of %(who)s, so the session was ended"),
    ),
    "session.revoked": Words(
        "plain", N_("One of your sessions was ended"), N_("A session of %(who)s was ended")
    ),
    "session.revoked/logout": Words("plain", N_("You signed out"), N_("%(who)s signed out")),
    "session.revoked/signed_in_again": Words(
        "plain",
        N_("You signed in anew, and the browser's former session was ended"),
        N_("%(who)s signed in anew, and the browser's former session was ended"),
    ),
    "session.revoked/limit": Words(
        "warn",
        N_("Your oldest session was ended, because there were too many"),
        N_("The oldest session of %(who)s was ended, because there were too many"),
    ),
    "session.revoked/revoked": Words(
        "plain", N_("You ended one of your sessions"), N_("%(who)s ended one of their sessions")
    ),
    "session.revoked/by": Words(
        "warn",
        N_("An administrator ended one of your sessions"),
        N_("An administrator ended a session of %(who)s"),
    ),
    "session.revoked_all": Words(
        "plain", N_("Your sessions were ended"), N_("The sessions of %(who)s were ended")
    ),
    "session.revoked_all/logout_all": Words(
        "plain", N_("You signed out everywhere"), N_("%(who)s signed out everywhere")
    ),
    "session.revoked_all/others": Words(
        "plain", N_("You ended all your other sessions"), N_("%(who)s ended all their other sessions")
    ),
    "session.revoked_all/by": Words(
        "warn",
        N_("An administrator ended your sessions"),
        N_("An administrator ended the sessions of %(who)s"),
    ),
    "session.revoked_all/user_disabled": Words(
        "warn",
        N_("Your sessions were ended, because your account was disabled"),
        N_("The sessions of %(who)s were ended, because the account was disabled"),
    ),
    "session.revoked_all/password_set": Words(
        "warn",
        N_("Your sessions were ended, because an administrator set another password"),
        N_("The sessions of %(who)s were ended, because an administrator set another password"),
    ),
    "session.revoked_all/password_changed": Words(
        "plain",
        N_("Your sessions were ended, because you changed your password"),
        N_("The sessions of %(who)s were ended, because the password was changed"),
    ),
    "session.revoked_all/email_changed": Words(
        "plain",
        N_("Your sessions were ended, because you changed your e-mail"),
        N_("The sessions of %(who)s were ended, because the e-mail was changed"),
    ),
    "session.refused": Words(
        "warn",
        N_("Something was asked for with a session of yours that had ended"),
        N_("Something was asked for with a session of %(who)s that had ended"),
    ),
    "session.refused/nobody": Words(
        "warn",
        N_("Something was asked for with a session that is not valid"),
        N_("Something was asked for with a session that is not valid"),
    ),
    "access.denied": Words(
        "warn",
        N_("You asked for something that you may not do or see"),
        N_("%(who)s asked for something that they may not do or see"),
    ),
    "throttled": Words(
        "bad",
        N_("Attempts on your account were refused, because there were too many"),
        N_("Attempts on the account of %(who)s were refused, because there were too many"),
    ),
    "throttled/nobody": Words(
        "bad",
        N_("Attempts were refused, because there were too many"),
        N_("Attempts were refused, because there were too many"),
    ),
    "refusals.counted": Words(
        "bad",
        N_("More requests on your account were refused"),
        N_("More requests on the account of %(who)s were refused"),
    ),
    "refusals.counted/nobody": Words(
        "bad",
        N_("More requests from one place were refused"),
        N_("More requests from one place were refused"),
    ),
    "throttles.cleared": Words(
        "plain",
        N_("An administrator cleared the limits on attempts"),
        N_("The limits on attempts were cleared"),
    ),
    "cross_origin.refused": Words(
        "bad",
        N_("Another site tried to use your session and was refused"),
        N_("Another site tried to use the session of a browser and was refused"),
    ),
    "sessions.ended": Words(
        "warn",
        N_("An administrator ended the sessions that a filter names"),
        N_("An administrator ended the sessions that a filter names"),
    ),
    "events.exported": Words(
        "warn",
        N_("An administrator took a copy of the audit trail"),
        N_("An administrator took a copy of the audit trail"),
    ),
    "invitation.created": Words("plain", N_("An invitation was made"), N_("An invitation was made")),
    "invitation.created/named": Words("plain", N_("You were invited"), N_("%(who)s was invited")),
    "invitation.revoked": Words(
        "plain", N_("An invitation was taken back"), N_("An invitation was taken back")
    ),
    "invitation.revoked/named": Words(
        "plain", N_("Your invitation was taken back"), N_("The invitation of %(who)s was taken back")
    ),
    "invitation.refused": Words(
        "warn",
        N_("Somebody came with an invitation that is not good"),
        N_("Somebody came with an invitation that is not good"),
    ),
    "invitation.refused/named": Words(
        "warn",
        N_("You came with an invitation that is not good"),
        N_("%(who)s came with an invitation that is not good"),
    ),
    "cleanup.run": Words("plain", N_("You ran the clean-up"), N_("%(who)s ran the clean-up")),
    "cleanup.run/nobody": Words("plain", N_("The clean-up was run"), N_("The clean-up was run")),
    "command.failed": Words(
        "warn", N_("A command on the server failed"), N_("A command on the server failed")
    ),
    "events.purged": Words("warn", N_("Old events were removed"), N_("Old events were removed")),
    "schema.migrated": Words("plain", N_("The database was migrated"), N_("The database was migrated")),
}


_COUNTED = {AuditAction.SESSIONS_REVOKED_ALL, AuditAction.SESSIONS_ENDED}
"""Actions that end several sessions."""


def told(
    language: Language,
    event: AuditEvent,
    *,
    own: bool,
    who: str | None = None,
    words: Mapping[str, Words] = WORDS,
) -> Told:
    """Return an event with all that is said of it; what is given is as `sentence` takes it."""
    return Told(
        event=event,
        text=sentence(language, event, own=own, who=who, words=words),
        more=sessions_ended(language, event),
        kind=kind(event, words),
        is_by_admin=event.is_by_admin,
    )


def sentence(
    language: Language,
    event: AuditEvent,
    *,
    own: bool,
    who: str | None = None,
    words: Mapping[str, Words] = WORDS,
) -> str:
    """Return what happened, as a sentence without its full stop.

    Args:
        language: of the reader.
        event: what happened; an action that only a newer Gatepost knows is told by its name.
        own: the reader is whom it concerns.
        who: how everybody else is told whom it concerns, such as an e-mail.
        words: what is said of every action, those of features included.
    """
    said = _said(event, words)
    if said is None:
        return event.action
    if own:
        return language.gettext(said.own)
    return language.gettext(said.other).replace("%(who)s", who or _who(language, event))


def kind(event: AuditEvent, words: Mapping[str, Words] = WORDS) -> str:
    """Return how an event is to be taken: "good", "plain", "warn" or "bad"."""
    said = _said(event, words)
    return "plain" if said is None else said.kind


def sessions_ended(language: Language, event: AuditEvent) -> str | None:
    """Return how many sessions an event ended, None where it does not say."""
    count = event.detail.get("sessions")
    if not isinstance(count, int) or event.action not in _COUNTED:
        return None
    text = language.ngettext("%(count)s session was ended.", "%(count)s sessions were ended.", count)
    return text.replace("%(count)s", language.number(count))


def _said(event: AuditEvent, words: Mapping[str, Words]) -> Words | None:
    return next((words[key] for key in _keys(event) if key in words), None)


def _keys(event: AuditEvent) -> Iterator[str]:
    """Yield where the words of an event may stand, those that say most first."""
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


def _who(language: Language, event: AuditEvent) -> str:
    named = event.detail.get("email")
    if isinstance(named, str) and named:
        return named
    if event.user_id is not None:
        return language.gettext("user %(id)s").replace("%(id)s", str(event.user_id))
    return language.gettext("somebody")
