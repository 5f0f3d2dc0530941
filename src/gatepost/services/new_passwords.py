"""Whether a password may be chosen: the one question that register, change and reset ask."""

from gatepost.errors import PasswordTooCommon, ValidationFailed
from gatepost.security.policy import PasswordPolicy
from gatepost.services.breached import BreachedPasswords

BREACHED = "This password is known from a data breach, and attackers try such passwords first"
IS_BREACHED = "This one is known from a data breach: choose another, and change it wherever you use it"


class NewPasswords:
    """Judges passwords that somebody wants to have from now on; never those that somebody signs in with.

    Args:
        policy: what this service accepts.
        breached: the list of breached passwords; None where there is none.
    """

    def __init__(self, policy: PasswordPolicy, breached: BreachedPasswords | None) -> None:
        self._policy = policy
        self._breached = breached

    async def check(self, password: str, *, email: str, field: str = "password") -> None:
        """Accept a password, or say why not and what to do.

        Args:
            password: as it was typed.
            email: of the user whose password it is to be; empty where there is none.
            field: what the password is called where it was typed.

        Raises:
            ValidationFailed: too short, too long or no valid Unicode.
            PasswordTooCommon: on the list of common passwords, or known from a data breach.
            PasswordIsContext: the user's e-mail or the service's name.
            Unavailable: the list of breached passwords is set and can't be read.
        """
        refusal = await self.refusal(password, email=email, field=field)
        if refusal is not None:
            raise refusal

    async def refusal(self, password: str, *, email: str, field: str = "password") -> ValidationFailed | None:
        """Return the error that `check` raises, for whoever has other fields to tell of besides."""
        refusal = self._policy.refusal(password, email=email, field=field)
        if refusal is None and self._breached is not None and await self._breached.holds(password):
            return PasswordTooCommon({field: IS_BREACHED}, BREACHED)
        return refusal
