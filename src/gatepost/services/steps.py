"""Steps of proving who somebody is, which features contribute: due at the door, and where a user confirms."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Protocol, TypeAlias
from uuid import UUID

from gatepost.db.pool import Connection
from gatepost.errors import FactorEnrolmentRequired, InvalidCode, SecondFactorRequired, ValidationFailed
from gatepost.models import Answer, Challenge, Client, Due, Options, Proof, Proven, SignedIn, UserId
from gatepost.texts import Text

LIFETIME = timedelta(minutes=5)
"""How long a challenge can be answered: long enough to fetch a telephone (ASVS 6.6.2)."""

ENROLMENT = timedelta(minutes=15)
"""How long something can be set up: long enough to install an app."""

TRIES = 5
"""Wrong answers that end a challenge (ASVS 6.6.3)."""

WRONG_CREDENTIAL = Text("error.invalid_code.credential")
"""What is said of a wrong answer that is no code."""

_NO_STAMP = UUID(int=0)
"""Of a proof that nobody gave, to ask what would be due after it."""


class SignInStep(Protocol):
    """A step of signing in, and of confirming, that a feature contributes."""

    async def due(self, conn: Connection, proof: Proof) -> Due | None:
        """Say whether this step is due after what is proven; None where it is not.

        A user who confirms with something else than the password has nothing proven yet: what `suffices` then
        is asked, and nothing else.
        """

    async def options(
        self, conn: Connection, proof: Proof, method: str, kept: Mapping[str, object]
    ) -> Options | None:
        """Return what a method hands out before it is answered; None where there is nothing.

        `kept` is the state of the options that were handed out before: a page is shown again after a mistake.
        """

    async def verify(self, conn: Connection, proof: Proof, answer: Answer, client: Client) -> Proven | None:
        """Return what the answer proves; None where it is wrong.

        What it writes is undone where no session starts.
        """


class Contributing(Protocol):
    """Whatever knows the steps that there are."""

    @property
    def steps(self) -> tuple[SignInStep, ...]:
        """Return them, in the order in which they are asked."""


class Steps:
    """Asks the step of second factors and then those of features; after each they are all asked again."""

    def __init__(self, factors: SignInStep, contributing: Contributing) -> None:
        self._factors = factors
        self._contributing = contributing

    async def due(self, conn: Connection, proof: Proof, *, enrolling: bool = True) -> Due | None:
        """Return what is due after a proof; None where it is complete.

        Without `enrolling` nothing is asked that would have to be set up first.
        """
        first = await self._first(conn, proof, enrolling=enrolling)
        return None if first is None else first[1]

    async def after(
        self, conn: Connection, user_id: UserId, *methods: str, enrolling: bool = True
    ) -> Due | None:
        """Return what would be due after a user has proven themselves by these methods, as `due` does."""
        given = Proof(user_id=user_id, methods=methods, stamp=_NO_STAMP, at=None)
        return await self.due(conn, given, enrolling=enrolling)

    async def asking(self, conn: Connection, proof: Proof, method: str) -> SignInStep | None:
        """Return the step that is due, where this is one of its methods."""
        first = await self._first(conn, proof, enrolling=True)
        return first[0] if first is not None and method in first[1].methods else None

    async def _first(
        self, conn: Connection, proof: Proof, *, enrolling: bool
    ) -> tuple[SignInStep, Due] | None:
        for step in self._all():
            due = await step.due(conn, proof)
            if due is None or (due.enrols and not enrolling):
                continue
            if proof.methods or due.suffices:
                return step, due
        return None

    def _all(self) -> Iterator[SignInStep]:
        yield self._factors
        yield from self._contributing.steps


Outcome: TypeAlias = SignedIn | Challenge
"""What a proof leads to."""


def settled(outcome: Outcome) -> SignedIn:
    """Return the session that there is.

    Raises:
        SecondFactorRequired, FactorEnrolmentRequired: one more step is due.
    """
    if isinstance(outcome, SignedIn):
        return outcome
    kind = FactorEnrolmentRequired if outcome.due.enrols else SecondFactorRequired
    raise kind(
        challenge=outcome.token,
        methods=outcome.due.methods,
        by_cookie=outcome.by_cookie,
        expires_at=outcome.expires_at,
    )


def wrong(answer: Answer) -> InvalidCode:
    """Return the error of an answer that is wrong: a code, or what an authenticator has signed."""
    return InvalidCode(None if answer.credential is None else WRONG_CREDENTIAL)


def unknown_method() -> ValidationFailed:
    """Return the error of a method that is not due."""
    return ValidationFailed({"method": Text("field.method")})
