"""Signing up with a passkey in the place of a password."""

from gatepost.db.pool import Database
from gatepost.errors import ChallengeExpired, NotFound
from gatepost.features.passkeys.factor import METHOD, Passkeys
from gatepost.features.passkeys.sign_ins import Asked
from gatepost.models import Answer, Client, Instead
from gatepost.security.emails import canonical_email, canonical_name
from gatepost.security.links import LinkCodec
from gatepost.services.clock import Clock
from gatepost.services.feature import Wiring
from gatepost.services.steps import ENROLMENT
from gatepost.services.throttles import Throttles
from gatepost.services.typed import read
from gatepost.store import challenges

VERB = "register_passkey"
"""What the trail calls it where it was tried too often."""


class PasskeySignUps:
    """Asks whoever comes for a new passkey, which the account has that they make.

    Args:
        database: keeps what was asked for.
        passkeys: ask, and check what comes.
        codec: makes challenges.
        throttles: limit who asks.
        features: say whether mailboxes answer before there is a user.
        is_open: PASSWORDLESS_SIGN_UP.
        clock: what time it is.
    """

    method = METHOD

    def __init__(
        self,
        database: Database,
        *,
        passkeys: Passkeys,
        codec: LinkCodec,
        throttles: Throttles,
        features: Wiring,
        is_open: bool,
        clock: Clock,
    ) -> None:
        self._database = database
        self._passkeys = passkeys
        self._codec = codec
        self._throttles = throttles
        self._features = features
        self._is_open = is_open
        self._clock = clock

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
        party = self._passkeys.party
        if party is None or not (self._is_open or self._features.registrar is not None):
            raise NotFound
        await self._throttles.arrive(client, verb=VERB)
        email = read("email", email, canonical_email)
        shown = read("name", name, canonical_name) if name.strip() else email
        options, issued = party.creation(email, shown, alone=True), self._codec.issue()
        async with self._database.connection() as conn:
            await challenges.begin(conn, issued.stored, options, lifetime=ENROLMENT, at=self._clock())
        return Asked(challenge=issued.raw, public=options.public)

    async def take(self, instead: Instead) -> Answer:
        """Return what is enrolled by it.

        Raises:
            ChallengeExpired: it was not handed out, or too long ago.
        """
        digests, kept = self._codec.stored_forms(instead.challenge), None
        if digests:
            async with self._database.connection() as conn:
                kept = await challenges.take_begun(conn, digests, at=self._clock())
        if kept is None:
            raise ChallengeExpired
        return Answer(method=METHOD, credential=instead.credential, state=kept)
