"""What is asked of somebody whom nobody knows yet: a challenge without a user, good for one answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from gatepost.db.pool import Database
from gatepost.errors import NotFound
from gatepost.features.passkeys.factor import Passkeys
from gatepost.features.passkeys.relying_party import RelyingParty
from gatepost.models import Options
from gatepost.security.links import LinkCodec
from gatepost.services.clock import Clock
from gatepost.store import challenges


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What signing in or up by passkey begins with.

    Attributes:
        challenge: what it is answered with, shown this once.
        public: what `navigator.credentials.get()` or `create()` needs.
    """

    challenge: str = field(repr=False)
    public: Mapping[str, object]


class Ceremonies:
    """Keeps what was asked of strangers until they answer, once."""

    def __init__(self, database: Database, *, passkeys: Passkeys, codec: LinkCodec, clock: Clock) -> None:
        self._database = database
        self._passkeys = passkeys
        self._codec = codec
        self._clock = clock

    @property
    def party(self) -> RelyingParty:
        """What asks.

        Raises:
            NotFound: there can be no passkeys here.
        """
        party = self._passkeys.party
        if party is None:
            raise NotFound
        return party

    async def begin(self, options: Options, *, lifetime: timedelta) -> Asked:
        """Keep what was asked for as long as it is good."""
        issued = self._codec.issue()
        async with self._database.connection() as conn:
            await challenges.begin(conn, issued.stored, options, lifetime=lifetime, at=self._clock())
        return Asked(challenge=issued.raw, public=options.public)

    async def take(self, challenge: str) -> Mapping[str, object] | None:
        """Return what was kept with a challenge, which is gone then; None where there is none such."""
        digests = self._codec.stored_forms(challenge)
        if not digests:
            return None
        async with self._database.connection() as conn:
            return await challenges.take_begun(conn, digests, at=self._clock())
