"""Second factors, and sign-ins that wait for one."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.properties.model.mail import Mail
from tests.properties.model.users import ModelApp, ModelUser

from gatepost.features.passkeys.soft_authenticator import SoftAuthenticator
from gatepost.features.totp.codes import PERIOD, code_at

LIFETIME = timedelta(minutes=5)
ENROLMENT = timedelta(minutes=15)
TRIES = 5
PROVES = ("otp", "mfa")
"""What a code adds to what was proven before it."""


@dataclass(eq=False)
class ModelChallenge:
    """A sign-in that waits for one more step.

    Attributes:
        token: None where it belongs to a session.
        stamp: of the user's credentials when it began.
        proven: before it.
        enrols: what is waited for is a factor that is to be set up.
        secret: of the app that is being set up.
    """

    user: ModelUser
    token: str | None
    stamp: int
    proven: tuple[str, ...]
    expires_at: datetime
    enrols: bool = False
    secret: bytes | None = None
    tries: int = 0
    is_gone: bool = False


@dataclass
class Factors(Mail):
    """Mail, and what is asked for besides.

    Attributes:
        challenges: of sign-ins, known to whoever began them.
        confirming, enrolling: what waits at a user's sign-in, by whose it is, when that was proven and, of
            what is being set up, which method it is.
    """

    challenges: list[ModelChallenge] = field(default_factory=list)
    confirming: dict[tuple[ModelUser, datetime], ModelChallenge] = field(default_factory=dict)
    enrolling: dict[tuple[ModelUser, datetime, str], ModelChallenge] = field(default_factory=dict)

    def challenge(
        self, user: ModelUser, token: str | None, proven: tuple[str, ...] = (), *, enrols: bool = False
    ) -> ModelChallenge:
        """Begin to wait."""
        lasts = ENROLMENT if enrols else LIFETIME
        return ModelChallenge(user, token, user.stamp, proven, self.now + lasts, enrols)

    def is_good(self, challenge: ModelChallenge | None) -> bool:
        """Say whether a challenge can be answered."""
        return (
            challenge is not None
            and not challenge.is_gone
            and self.now < challenge.expires_at
            and challenge.user.is_active
            and challenge.user.stamp == challenge.stamp
        )

    def miss(self, challenge: ModelChallenge) -> None:
        """Answer it wrongly."""
        challenge.tries += 1
        challenge.is_gone = challenge.tries >= TRIES

    @property
    def step(self) -> int:
        return int(self.now.timestamp()) // PERIOD

    def step_of(self, secret: bytes, code: str) -> int | None:
        """Return the step that a code is of: of this one or the one before."""
        return next((s for s in (self.step, self.step - 1) if code_at(secret, s) == code), None)

    def answer(self, user: ModelUser, method: str, code: str) -> bool:
        """Answer the step of second factors: what was good once is not again."""
        if method == "recovery_code":
            is_good = user.recovery_codes.get(code, False)
            if is_good:
                user.recovery_codes[code] = False
                self.sent.append(("factor_changed", user.email))
            return is_good
        if user.app is None:
            return False
        step = self.step_of(user.app.secret, code)
        if step is None or step <= user.app.last_step:
            return False
        user.app.last_step = step
        return True

    def enrol(self, user: ModelUser, factor: ModelApp | SoftAuthenticator, codes: list[str]) -> None:
        """Set a factor up; with the first one come recovery codes."""
        assert bool(codes) is not user.has_factor
        if codes:
            user.recovery_codes = dict.fromkeys(codes, True)
        if isinstance(factor, ModelApp):
            user.app = factor
        else:
            user.passkeys.append(factor)
        self.sent.append(("factor_changed", user.email))


World = Factors
"""All there is, and the verbs as they are meant."""
