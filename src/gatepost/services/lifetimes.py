"""How long what lives."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from gatepost.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long sessions live.

    Attributes:
        session: from a start, refresh or renewal to `expires_at`.
        absolute: from the password to the end that no refresh moves (ASVS 7.3.2).
        grace: after a token was replaced, how long the answer may be repeated, and how long that token still
            opens its session by cookie.
        fresh: after the password, how long a session counts as fresh (ASVS 7.2.4).
        idle: after the last use, when a session is over (ASVS 7.3.1); None for never.
        touch: age of `last_used_at` from which it is written again.
    """

    session: timedelta
    absolute: timedelta
    grace: timedelta
    fresh: timedelta
    idle: timedelta | None
    touch: timedelta

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return those of the settings."""
        idle = settings.session_idle_minutes
        return cls(
            session=timedelta(minutes=settings.session_expire_minutes),
            absolute=timedelta(minutes=settings.session_max_minutes),
            grace=timedelta(seconds=settings.refresh_grace_seconds),
            fresh=timedelta(minutes=settings.fresh_session_minutes),
            idle=timedelta(minutes=idle) if idle else None,
            touch=timedelta(seconds=settings.session_touch_seconds),
        )

    @property
    def touch_after(self) -> timedelta:
        """The age to write at: with an idle end a quarter of it at most, or the value would lag too far."""
        return self.touch if self.idle is None else min(self.touch, self.idle / 4)
