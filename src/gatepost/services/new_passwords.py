"""Whether a password may be chosen: the one question that register, change and reset ask."""

from typing import Self

from gatepost.errors import PasswordTooCommon, ValidationFailed
from gatepost.security.passwords import Password
from gatepost.security.policy import PasswordPolicy, service_words
from gatepost.services.breached import BreachedPasswords
from gatepost.settings import Settings
from gatepost.texts import Text


class NewPasswords:
    """Judges passwords that somebody wants to have from now on; never those that somebody signs in with.

    Args:
        policy: what this service accepts.
        breached: the list of breached passwords; None where there is none.
    """

    def __init__(self, policy: PasswordPolicy, breached: BreachedPasswords | None) -> None:
        self._policy = policy
        self._breached = breached

    @classmethod
    async def of(cls, settings: Settings) -> Self:
        """Return what judges by the settings.

        Raises:
            SettingsError: the list of breached passwords can't be read.
        """
        breached = None
        if settings.breached_passwords is not None:
            breached = BreachedPasswords(settings.breached_passwords)
            await breached.verify()
        words = service_words(settings.app_name, settings.effective_public_url)
        return cls(PasswordPolicy(min_length=settings.password_min_length, service_words=words), breached)

    async def accept(self, typed: str, *, email: str, field: str = "password") -> Password:
        """Return the password, or say why it is not accepted and what to do.

        Args:
            typed: as it was typed.
            email: of the user whose password it is to be; empty where there is none.
            field: what the password is called where it was typed.

        Raises:
            ValidationFailed: too short, too long or no valid Unicode.
            PasswordTooCommon: on the list of common passwords, or known from a data breach.
            PasswordIsContext: the user's e-mail or the service's name.
            Unavailable: the list of breached passwords is set and can't be read.
        """
        password = self._policy.accept(typed, email=email, field=field)
        if self._breached is not None and await self._breached.holds(password):
            raise PasswordTooCommon(
                {field: Text("field.password.breached")}, Text("error.password_too_common.breached")
            )
        return password

    async def another(self, current: Password, typed: str, *, email: str, field: str) -> Password:
        """Return the password that is to stand in for the current one.

        Raises:
            ValidationFailed: it is the same; and as `accept`.
        """
        password = await self.accept(typed, email=email, field=field)
        if password == current:
            raise ValidationFailed({field: Text("field.password.same")})
        return password
