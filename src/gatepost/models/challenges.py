"""A sign-in that is not complete: what is proven, what is due, and what answers it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

_ONCE = "once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """That one more step is due.

    Attributes:
        methods: which would do, by their names in the API, such as `totp`.
        enrols: none of them is set up yet, and one has to be before a session starts.
        suffices: an answer proves who somebody is by itself, with nothing proven before it, as a passkey's
            does; without that the step comes after another.
    """

    methods: tuple[str, ...]
    enrols: bool = False
    suffices: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What the caller is given instead of a session.

    Attributes:
        token: the raw challenge, shown this once; it opens nothing. None where it belongs to a session.
        due: the step.
        by_cookie: a cookie is to hold it.
        expires_at: first instant at which it is refused, UTC.
    """

    token: str | None = field(repr=False)
    due: Due
    by_cookie: bool
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the caller answers a step with.

    Attributes:
        method: of those that were due.
        code: what was typed; None where the method takes none.
        credential: what an authenticator has signed; None where the method takes none.
        name: what one of several of its kind is to be called; None where its own name would do.
        state: what the step kept when it gave its options.
    """

    method: str
    code: str | None = field(default=None, repr=False)
    credential: Mapping[str, object] | None = field(default=None, repr=False)
    name: str | None = None
    state: Mapping[str, object] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instead:
    """What a newcomer sets up in the place of a password.

    Attributes:
        challenge: what was handed out for it.
        credential: what an authenticator has made; None for what is none.
    """

    challenge: str = field(repr=False)
    credential: Mapping[str, object] | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a step hands out before it is answered.

    Attributes:
        public: for the caller.
        state: for the step itself, when the answer comes.
        once: they are good for one answer: after a wrong one others are handed out.
    """

    public: Mapping[str, object]
    state: Mapping[str, object] = field(default_factory=dict, repr=False)
    once: bool = False

    @property
    def kept(self) -> Mapping[str, object]:
        """What is stored of them."""
        return {**self.state, _ONCE: True} if self.once else self.state


def after_wrong_answer(kept: Mapping[str, object]) -> Mapping[str, object]:
    """Return what is left of options once they were answered wrongly."""
    return {} if kept.get(_ONCE) else kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What an answer has proven.

    Attributes:
        methods: by the names of RFC 8176.
        stamp: what the user's credentials have from now on, where something was set up or removed by it.
        recovery_codes: what was made for the user with it, shown this once.
    """

    methods: tuple[str, ...] = ()
    stamp: UUID | None = None
    recovery_codes: tuple[str, ...] = field(default=(), repr=False)
