"""What sessions are meant to be: tokens that are known or lost, and who has them."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.properties.model.users import GUESSES, Caller, ModelUser

LIFETIME = timedelta(minutes=30)
ABSOLUTE = timedelta(minutes=70)
FRESH = timedelta(minutes=10)
GRACE = timedelta(seconds=10)
HISTORY = timedelta(days=1)
KEYS = 3
NOTHING: Mapping[str, datetime] = {}


@dataclass(eq=False)
class ModelSession:
    """A session as it must be.

    Attributes:
        family: the session that its sign-in began with; None for that one.
        reason: why it ended; None while nothing has ended it.
        successor: what took its place.
        derived: the successor that a refresh has derived from its token, and may hand out again.
        handed: what gave its token out, refresh or confirm, until it first comes; then None.
        proven: by which methods its user has proven who they are, and when.
    """

    user: ModelUser
    token: str
    by: Caller
    created_at: datetime
    authenticated_at: datetime
    expires_at: datetime
    absolute_end: datetime
    family: "ModelSession | None" = None
    ended_at: datetime | None = None
    reason: str | None = None
    successor: "ModelSession | None" = None
    derived: "ModelSession | None" = None
    handed: str | None = None
    proven: dict[str, datetime] = field(default_factory=dict)
    purged: bool = False
    id: int = 0

    @property
    def aal(self) -> int:
        return 2 if "mfa" in self.proven else 1

    @property
    def newest(self) -> list[str]:
        """What was proven when its user last did so."""
        return [method for method, at in self.proven.items() if at >= self.authenticated_at]

    @property
    def root(self) -> "ModelSession":
        return self.family or self

    def refusal(self, now: datetime) -> str | None:
        """Say how its token is refused, None where it opens the session."""
        if self.purged:
            return "invalid_session"
        if self.reason is None:
            if now >= self.expires_at:
                return "session_expired"
            return None if self.user.is_active else "session_revoked"
        return {"refreshed": "session_replaced", "expired": "session_expired"}.get(
            self.reason, "session_revoked"
        )

    def is_fresh(self, now: datetime) -> bool:
        return self.authenticated_at > now - FRESH

    def was_replaced_lately(self, now: datetime) -> bool:
        return self.successor is not None and self.ended_at is not None and now < self.ended_at + GRACE

    def end(self, now: datetime, reason: str) -> None:
        late = now >= self.expires_at
        self.ended_at, self.reason = (self.expires_at, "expired") if late else (now, reason)


@dataclass
class Sessions:
    """Users and sessions, and the verbs as they are meant."""

    now: datetime = datetime(2024, 1, 1, tzinfo=UTC)
    users: list[ModelUser] = field(default_factory=list)
    sessions: list[ModelSession] = field(default_factory=list)
    sent: list[tuple[str, str]] = field(default_factory=list)
    """Mails that have to be written down by now, beside those with a link: which, and to whom."""
    key: int = 0
    drained_at: dict[tuple[int, str], datetime] = field(default_factory=dict)
    """Of the buckets of accounts: another key has others, and the former ones stay where they are."""

    def user(self, email: str) -> ModelUser | None:
        """Return who has an e-mail."""
        return next((user for user in self.users if user.email == email), None)

    # Attempts.

    def charge(self, email: str) -> int | None:
        """Charge a login without a known device; return the seconds to wait where there were too many."""
        drained_at = max(self.drained_at.get((self.key, email), self.now), self.now)
        ahead = drained_at - self.now - GUESSES.tolerance
        if ahead > timedelta():
            return math.ceil(ahead.total_seconds())
        self.drained_at[self.key, email] = drained_at + GUESSES.emission
        return None

    def give_back(self, email: str) -> None:
        """Undo the charge of a login that succeeded."""
        self.drained_at[self.key, email] -= GUESSES.emission

    def rotate(self) -> None:
        self.key = (self.key + 1) % KEYS

    # Beginnings.

    def start(
        self,
        user: ModelUser,
        token: str,
        by: Caller,
        methods: Iterable[str] = ("pwd",),
        at: datetime | None = None,
        earlier: Mapping[str, datetime] = NOTHING,
    ) -> ModelSession:
        """Start a session for what was proven, now or then, and what was proven before."""
        at = at or self.now
        session = ModelSession(
            user=user,
            token=token,
            by=by,
            created_at=self.now,
            authenticated_at=at,
            expires_at=self.now + min(LIFETIME, ABSOLUTE),
            absolute_end=self.now + ABSOLUTE,
            proven={**earlier, **dict.fromkeys(methods, at)},
        )
        self.sessions.append(session)
        return session

    def replace(self, old: ModelSession, token: str, by: Caller) -> ModelSession:
        """Refresh a session."""
        self.come(old, only="confirm")
        new = ModelSession(
            user=old.user,
            token=token,
            by=by,
            created_at=self.now,
            authenticated_at=old.authenticated_at,
            expires_at=min(self.now + LIFETIME, old.absolute_end),
            absolute_end=old.absolute_end,
            family=old.root,
            handed="refresh",
            proven=old.proven,
        )
        old.ended_at, old.reason, old.handed = self.now, "refreshed", None
        old.successor = old.derived = new
        self.sessions.append(new)
        return new

    def confirm(
        self, old: ModelSession, token: str, by: Caller, methods: Iterable[str] = ("pwd",)
    ) -> ModelSession:
        """Begin a fresh session, which takes the place of the others once its token comes."""
        newest = self.newest(old)
        assert newest is not None
        new = self.start(old.user, token, by, methods, earlier=newest.proven)
        new.family, new.handed = old.root, "confirm"
        return new

    def begin_anew(
        self,
        old: ModelSession,
        reason: str,
        token: str,
        by: Caller,
        methods: Iterable[str],
        at: datetime | None = None,
    ) -> ModelSession:
        """End every session after a change of what one signs in with, and go on with another."""
        user, live = old.user, self.newest(old)
        assert live is not None
        self.end_all(user, reason)
        user.move()
        new = self.start(user, token, by, methods, at, live.proven)
        for session in self.sign_in(old):
            if session is not new and session.reason is not None and session.ended_at == live.ended_at:
                session.successor = new
        return new

    def change_password(
        self, shown: ModelSession, old: ModelSession, password: str, token: str, by: Caller
    ) -> ModelSession:
        """Change a password; who has a second factor, or no password yet, is no fresher by it."""
        user = old.user
        at = shown.authenticated_at if user.has_factor or user.password is None else None
        methods = ["pwd"] if user.password else shown.newest
        user.password = password
        self.sent.append(("password_changed", old.user.email))
        return self.begin_anew(old, "password_changed", token, by, methods, at)

    # Uses.

    def come(self, session: ModelSession, only: str | None = None) -> None:
        """Note that a live session's token has come."""
        if only is not None and session.handed != only:
            return
        handed, session.handed = session.handed, None
        if handed == "confirm":
            for other in self.sign_in(session):
                if other is not session and other.reason is None:
                    other.end(self.now, "refreshed")
                    other.successor = session

    def renew(self, session: ModelSession) -> None:
        """Give a session its full length again, of which half is over."""
        if session.expires_at <= self.now + LIFETIME / 2 and session.absolute_end > session.expires_at:
            session.expires_at = min(self.now + LIFETIME, session.absolute_end)

    def sign_in(self, session: ModelSession) -> Iterator[ModelSession]:
        return (s for s in self.sessions if s.root is session.root and not s.purged)

    def newest(self, session: ModelSession) -> ModelSession | None:
        """Return what a sign-in has come to."""
        live = [s for s in self.sign_in(session) if s.refusal(self.now) is None]
        return live[-1] if live else None

    def held(self, session: ModelSession, by: Caller) -> ModelSession | None:
        """Return what a replaced token still opens by cookie."""
        if session.purged or session.successor is None or not session.was_replaced_lately(self.now):
            return None
        live = self.newest(session.successor)
        is_open = self.now < session.expires_at and live is not None and live.by == by
        return live if is_open else None

    def repeated(self, session: ModelSession, by: Caller) -> ModelSession | None:
        """Return the successor whose token a repeated refresh is answered with."""
        successor = session.successor
        if session.purged or successor is None or successor.purged or successor is not session.derived:
            return None
        may_be_lost = successor.handed == "refresh" or session.was_replaced_lately(self.now)
        is_open = may_be_lost and successor.refusal(self.now) is None and successor.by == by
        return successor if is_open else None

    def refuse_refresh(self, session: ModelSession, by: Caller) -> str | None:
        """Say how a refresh is refused that is no repeat; a replay ends the sign-in. None: it is a claim."""
        refusal = session.refusal(self.now)
        if refusal is None or session.purged:
            return refusal
        if session.was_replaced_lately(self.now):
            assert session.successor is not None
            of_successor = session.successor.refusal(self.now) if session.successor.by == by else None
            return of_successor or refusal
        if refusal == "session_replaced":
            self.end_all(session.user, "replayed", session.root)
        return refusal

    # Ends.

    def live(self, user: ModelUser) -> list[ModelSession]:
        """Return what `sessions` lists."""
        return [s for s in self.sessions if s.user is user and s.refusal(self.now) is None]

    def end_all(
        self,
        user: ModelUser,
        reason: str,
        root: ModelSession | None = None,
        kept: ModelSession | None = None,
    ) -> int:
        """End sessions of a user, those of one sign-in or all but one's; return how many were live."""
        ended = 0
        for session in self.sessions:
            chosen = session.user is user and (root is None or session.root is root)
            chosen = chosen and session.root is not kept
            if chosen and session.reason is None:
                ended += self.now < session.expires_at
                session.end(self.now, reason)
        return ended

    def cleanup(self) -> tuple[int, int]:
        expired = [s for s in self.sessions if s.reason is None and self.now >= s.expires_at]
        for session in expired:
            session.end(self.now, "expired")
        old = [s for s in self.sessions if not s.purged and s.ended_at and s.ended_at < self.now - HISTORY]
        for session in old:
            session.purged = True
        return len(expired), len(old)
