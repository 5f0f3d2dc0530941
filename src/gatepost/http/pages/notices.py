"""What the next page says once: a cookie holds its name, and a number where it counts something."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from gatepost.http.pages.language import Language
from gatepost.http.pages.user_agents import device_of
from gatepost.models import OverseenSession, row_id
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
    "password_removed": lambda _: Text("flash.password_removed"),
    "email_changed": lambda count: (
        Text("flash.email_changed", count=count) if count else Text("flash.email_changed.alone")
    ),
    "email_pending": lambda _: Text("flash.email_pending"),
    "user_created": lambda _: Text("flash.user_created"),
    "user_disabled": lambda _: Text("flash.user_disabled"),
    "user_enabled": lambda _: Text("flash.user_enabled"),
    "user_promoted": lambda _: Text("flash.user_promoted"),
    "user_demoted": lambda _: Text("flash.user_demoted"),
    "users_disabled": lambda count: Text("flash.users_disabled", count=count),
    "user_unlocked": lambda _: Text("flash.user_unlocked"),
    "factors_reset": lambda _: Text("flash.factors_reset"),
    "user_deleted": lambda _: Text("flash.user_deleted"),
    "session_ended": lambda _: Text("flash.session_ended"),
    "cleaned": lambda count: Text("flash.cleaned", count=count),
    "sessions_ended": lambda count: Text("word.sessions_ended", count=count),
}
"""Name → the text, besides those of features; what has no name is not said."""

_NEUTRAL = {
    "session_expired",
    "session_revoked",
    "session_replaced",
    "challenge_expired",
    "not_done",
    "email_pending",
}
"""Those that tell of no success."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a page says once.

    Attributes:
        text: in the language of the visit.
        kind: "good" or "neutral".
        name: of what is said.
    """

    text: str
    kind: str
    name: str


def ended_session(notice: str) -> int | None:
    """Return the id of the session whose end a cookie asks to be told; None where it asks for none."""
    name, _, number = notice.partition(".")
    return row_id(number) if name == "session_ended" else None


def read_notice(
    language: Language, notice: str, texts: Mapping[str, NoticeText], ended: OverseenSession | None = None
) -> Notice | None:
    """Return what a cookie asks to be said, None where it asks for nothing that there is.

    Args:
        language: of the visit.
        notice: what the cookie holds.
        texts: what may be said.
        ended: the session that `ended_session` names, where it has ended and is for this visitor to see.
    """
    name, _, count = notice.partition(".")
    if name not in texts:
        return None
    if ended is not None:
        device = _device(language, ended.row.user_agent)
        said = Text("flash.session_ended.named", device=device, email=ended.email)
        return Notice(language.say(said), "good", name)
    number = int(count) if count.isascii() and count.isdigit() and len(count) < 10 else 0
    return Notice(language.say(texts[name](number)), "neutral" if name in _NEUTRAL else "good", name)


def _device(language: Language, user_agent: str | None) -> str:
    device = device_of(user_agent)
    if device.browser and device.system:
        return language.say(Text("device.browser_on_system", browser=device.browser, system=device.system))
    return device.browser or language.say(Text("device.unknown"))
