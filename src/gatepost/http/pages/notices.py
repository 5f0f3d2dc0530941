"""What the next page says once: a cookie holds its name, and a number where it counts something."""

from collections.abc import Callable
from dataclasses import dataclass

from gatepost.http.pages.language import Language

_TEXTS: dict[str, Callable[[Language, int], str]] = {
    "session_expired": lambda to, _: to.gettext("Your session has expired. Sign in to go on."),
    "session_revoked": lambda to, _: to.gettext("Your session was ended. Sign in to go on."),
    "session_replaced": lambda to, _: to.gettext("Your session was ended. Sign in to go on."),
    "name_changed": lambda to, _: to.gettext("Your name was changed."),
    "password_changed": lambda to, count: (
        to.ngettext(
            "Your password was changed. %(count)s other session was ended.",
            "Your password was changed. %(count)s other sessions were ended.",
            count,
        )
        if count
        else to.gettext("Your password was changed. No other session was open.")
    ),
    "email_changed": lambda to, count: (
        to.ngettext(
            "Your e-mail was changed. %(count)s other session was ended.",
            "Your e-mail was changed. %(count)s other sessions were ended.",
            count,
        )
        if count
        else to.gettext("Your e-mail was changed. No other session was open.")
    ),
    "user_disabled": lambda to, _: to.gettext("The account was disabled, and its sessions were ended."),
    "user_enabled": lambda to, _: to.gettext("The account was enabled."),
    "user_promoted": lambda to, _: to.gettext("The user is an administrator now."),
    "user_demoted": lambda to, _: to.gettext("The user is no longer an administrator."),
    "user_unlocked": lambda to, _: to.gettext("The account was unlocked."),
    "user_deleted": lambda to, _: to.gettext("The account was deleted."),
    "invitation_revoked": lambda to, _: to.gettext("The invitation was revoked."),
    "session_ended": lambda to, _: to.gettext("The session was ended."),
    "sessions_ended": lambda to, count: to.ngettext(
        "%(count)s session was ended.", "%(count)s sessions were ended.", count
    ),
}
"""Name → the text; what has no name here is not said."""

_NEUTRAL = {"session_expired", "session_revoked", "session_replaced"}
"""Those that tell of no success."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a page says once.

    Attributes:
        text: in the language of the visit.
        kind: "good" or "neutral".
    """

    text: str
    kind: str


def read_notice(language: Language, notice: str) -> Notice | None:
    """Return what a cookie asks to be said, None where it asks for nothing that there is."""
    name, _, count = notice.partition(".")
    if name not in _TEXTS:
        return None
    number = int(count) if count.isascii() and count.isdigit() and len(count) < 10 else 0
    text = _TEXTS[name](language, number).replace("%(count)s", language.number(number))
    return Notice(text, "neutral" if name in _NEUTRAL else "good")
