"""What the next page says once: a cookie holds its name, and a number where it counts something."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from gatepost.http.pages.language import Language
from gatepost.texts import Text

NoticeText: TypeAlias = Callable[[int], Text]
"""Returns what is said, of a number."""

TEXTS: dict[str, NoticeText] = {
    "session_expired": lambda _: Text("flash.session_expired"),
    "session_revoked": lambda _: Text("flash.session_revoked"),
    "session_replaced": lambda _: Text("flash.session_revoked"),
    "challenge_expired": lambda _: Text("flash.challenge_expired"),
    "not_done": lambda _: Text("flash.not_done"),
    "name_changed": lambda _: Text("flash.name_changed"),
    "password_changed": lambda count: (
        Text("flash.password_changed", count=count) if count else Text("flash.password_changed.alone")
    ),
    "email_changed": lambda count: (
        Text("flash.email_changed", count=count) if count else Text("flash.email_changed.alone")
    ),
    "user_disabled": lambda _: Text("flash.user_disabled"),
    "user_enabled": lambda _: Text("flash.user_enabled"),
    "user_promoted": lambda _: Text("flash.user_promoted"),
    "user_demoted": lambda _: Text("flash.user_demoted"),
    "user_unlocked": lambda _: Text("flash.user_unlocked"),
    "user_deleted": lambda _: Text("flash.user_deleted"),
    "session_ended": lambda _: Text("flash.session_ended"),
    "sessions_ended": lambda count: Text("word.sessions_ended", count=count),
}
"""Name → the text, besides those of features; what has no name is not said."""

_NEUTRAL = {"session_expired", "session_revoked", "session_replaced", "challenge_expired", "not_done"}
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


def read_notice(language: Language, notice: str, texts: Mapping[str, NoticeText]) -> Notice | None:
    """Return what a cookie asks to be said, None where it asks for nothing that there is."""
    name, _, count = notice.partition(".")
    if name not in texts:
        return None
    number = int(count) if count.isascii() and count.isdigit() and len(count) < 10 else 0
    return Notice(language.say(texts[name](number)), "neutral" if name in _NEUTRAL else "good")
