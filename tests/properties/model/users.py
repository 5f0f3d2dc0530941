"""Who there is: users with what they sign in with, and clients.

A thief is a client at another place with another program, who may come with any token that was ever known.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from tests.conftest import PASSWORD

from gatepost.features.passkeys.soft_authenticator import SoftAuthenticator
from gatepost.settings.rates import Rate

GUESSES = Rate(3, 1, "minute")


class Caller(NamedTuple):
    """Who asks."""

    place: str
    agent: str


OWNER = Caller("192.0.2.1", "the browser")
APP = Caller("192.0.2.1", "another program of the same machine")
THIEF = Caller("198.51.100.7", "the browser")


@dataclass(eq=False)
class ModelApp:
    """An authenticator app that is set up, and the last step whose code was used."""

    secret: bytes
    last_step: int


@dataclass(eq=False)
class ModelUser:
    """A user.

    Attributes:
        is_verified: a mailbox has answered for the e-mail.
        stamp: moves with whatever one signs in with; what was proven or sent before counts no more.
        passkeys: devices that have one each.
        recovery_codes: code → whether it is still good; none where there is no second factor.
    """

    email: str
    id: int
    password: str | None = PASSWORD
    is_active: bool = True
    is_verified: bool = False
    stamp: int = 0
    app: ModelApp | None = None
    passkeys: list[SoftAuthenticator] = field(default_factory=list)
    recovery_codes: dict[str, bool] = field(default_factory=dict)

    @property
    def has_factor(self) -> bool:
        return self.app is not None or bool(self.passkeys)

    @property
    def methods(self) -> tuple[str, ...]:
        """What answers the step of second factors."""
        if not self.has_factor:
            return ()
        held = {"passkey": self.passkeys, "totp": self.app, "recovery_code": self.recovery_codes}
        return tuple(name for name, has in held.items() if has)

    @property
    def ways_in(self) -> list[object]:
        """The password, passkeys that check their owner, and a mailbox that has answered."""
        alone = [device for device in self.passkeys if device.verifies]
        return [
            *([self.password] if self.password else ()),
            *alone,
            *([self.email] if self.is_verified else ()),
        ]

    def move(self) -> None:
        self.stamp += 1

    def lose_factors(self) -> None:
        self.app, self.passkeys, self.recovery_codes = None, [], {}

    def lose(self, passkey: SoftAuthenticator | None) -> None:
        """Lose one factor, the app for None, and the recovery codes with the last."""
        if passkey is None:
            self.app = None
        else:
            self.passkeys.remove(passkey)
        if not self.has_factor:
            self.recovery_codes = {}
