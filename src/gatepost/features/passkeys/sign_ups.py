"""Signing up with a passkey in the place of a password."""

from gatepost.errors import ChallengeExpired, NotFound
from gatepost.features.passkeys.ceremonies import Asked, Ceremonies
from gatepost.features.passkeys.factor import METHOD, Passkeys
from gatepost.models import Answer, Client, Instead
from gatepost.security.emails import canonical_email, canonical_name
from gatepost.services.feature import Wiring
from gatepost.services.steps import ENROLMENT
from gatepost.services.throttles import Throttles
from gatepost.services.typed import read

VERB = "register_passkey"
"""What the trail calls it where it was tried too often."""


class PasskeySignUps:
    """Asks whoever comes for a new passkey, which the account has that they make.

    Args:
        passkeys: say whether there can be any.
        ceremonies: keep what was asked for.
        throttles: limit who asks.
        features: say whether mailboxes answer before there is a user.
        is_open: PASSWORDLESS_SIGN_UP.
    """

    method = METHOD

    def __init__(
        self,
        *,
        passkeys: Passkeys,
        ceremonies: Ceremonies,
        throttles: Throttles,
        features: Wiring,
        is_open: bool,
    ) -> None:
        self._passkeys = passkeys
        self._ceremonies = ceremonies
        self._throttles = throttles
        self._features = features
        self._is_open = is_open

    @property
    def is_on(self) -> bool:
        """Whether passkeys can be used here."""
        return self._passkeys.enrols

    @property
    def is_open(self) -> bool:
        """Whether whoever comes may do so, whose address nobody has proven."""
        return self.is_on and self._is_open

    async def begin(self, email: str, name: str, client: Client) -> Asked:
        """Ask for a new passkey.

        Args:
            email: as the authenticator is to show it; nothing else is done with it.
            name: likewise; may be empty.
            client: who asks.

        Raises:
            NotFound: nobody signs up with a passkey here.
            TooManyAttempts: there were too many from this address.
            ValidationFailed: that is no e-mail, or no name; no authenticator makes anything for it.
        """
        party = self._ceremonies.party
        if not self._is_open and self._features.registrar is None:
            raise NotFound
        await self._throttles.arrive(client, verb=VERB)
        email = read("email", email, canonical_email)
        shown = read("name", name, canonical_name) if name.strip() else email
        return await self._ceremonies.begin(party.creation(email, shown, alone=True), lifetime=ENROLMENT)

    async def take(self, instead: Instead) -> Answer:
        """Return what is enrolled by it.

        Raises:
            ChallengeExpired: it was not handed out, or too long ago.
        """
        kept = await self._ceremonies.take(instead.challenge)
        if kept is None:
            raise ChallengeExpired
        return Answer(method=METHOD, credential=instead.credential, state=kept)
