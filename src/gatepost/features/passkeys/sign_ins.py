"""Signing in with nothing but a passkey: it says who it is, and proves it."""

from collections.abc import Mapping

from gatepost.db.pool import Connection, Database
from gatepost.errors import ChallengeExpired, InvalidCredentials, NotFound
from gatepost.features.passkeys import store
from gatepost.features.passkeys.ceremonies import Asked, Ceremonies
from gatepost.features.passkeys.errors import UnknownPasskey
from gatepost.features.passkeys.factor import METHOD, Passkeys
from gatepost.features.passkeys.relying_party import credential_id_of, encoded
from gatepost.models import AuditAction, Client, Proof, SignedIn
from gatepost.services.audit import Audit
from gatepost.services.clock import Clock
from gatepost.services.sign_in import Arrival, SignIns
from gatepost.services.steps import LIFETIME, Outcome, settled
from gatepost.services.throttles import Throttles
from gatepost.store import users as user_store
from gatepost.texts import Text

VERB = "login_passkey"
"""What the trail calls it where it was tried too often."""


class PasskeySignIns:
    """Asks for a signature of whoever comes, and starts a session for whose passkey it is."""

    def __init__(
        self,
        database: Database,
        *,
        passkeys: Passkeys,
        ceremonies: Ceremonies,
        throttles: Throttles,
        sign_ins: SignIns,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._database = database
        self._passkeys = passkeys
        self._ceremonies = ceremonies
        self._throttles = throttles
        self._sign_ins = sign_ins
        self._audit = audit
        self._clock = clock

    @property
    def is_on(self) -> bool:
        """Whether passkeys can be used here."""
        return self._passkeys.enrols

    async def begin(self, client: Client) -> Asked:
        """Ask for a signature of any passkey that was made for this site.

        Raises:
            NotFound: there can be no passkeys here.
            TooManyAttempts: there were too many from this address.
        """
        party, limits = self._ceremonies.party, self._throttles.limits
        # A bucket of its own: pages that are merely opened keep nobody from signing in.
        await self._throttles.charge(
            [limits.charge("passkey_address", client.address_block or "")], client, verb=VERB
        )
        return await self._ceremonies.begin(party.request(alone=True), lifetime=LIFETIME)

    async def finish(self, challenge: str, credential: Mapping[str, object], arrival: Arrival) -> SignedIn:
        """Start a session for the owner of the passkey, unless one more step is due.

        The challenge is taken before anything is looked at: of those who answer it at once one is heard.

        Raises:
            NotFound: there can be no passkeys here.
            ChallengeExpired: there is no such challenge, or not any more.
            UnknownPasskey: nobody has it, or not any more.
            InvalidCredentials: what it signed is not good, or its user is disabled.
            TooManyAttempts: there were too many from this address.
            SecondFactorRequired, FactorEnrolmentRequired: it is good, and one more step is due.
        """
        if not self.is_on:
            raise NotFound
        client = arrival.client
        await self._throttles.arrive(client, verb=VERB)
        kept = await self._ceremonies.take(challenge)
        if kept is None:
            await self._note(client, "challenge_unknown")
            raise ChallengeExpired
        named = credential_id_of(credential)
        async with self._database.connection() as conn:
            passkey = None if named is None else await store.find(conn, named)
            user = None if passkey is None else await user_store.get(conn, passkey.user_id)
        outcome = None
        if passkey is not None and user is not None:
            async with (
                self._sign_ins.noting(client, user_id=user.id, email=user.email),
                self._database.transaction() as conn,
            ):
                outcome = await self._enter(conn, passkey, credential, kept, arrival)
        if outcome is None:
            reason = "passkey_unknown" if passkey is None else "passkey_refused"
            await self._note(client, reason, passkey)
            if named is not None and passkey is None:
                raise UnknownPasskey({"rpId": self._ceremonies.party.rp_id, "credentialId": encoded(named)})
            raise InvalidCredentials(Text("error.invalid_credentials.passkey"))
        return settled(outcome)

    async def _enter(
        self,
        conn: Connection,
        passkey: store.Passkey,
        credential: Mapping[str, object],
        kept: Mapping[str, object],
        arrival: Arrival,
    ) -> Outcome | None:
        """Check the passkey and go through the one door; None where it is not good."""
        _, stamp = await user_store.hash_of(conn, passkey.user_id)
        methods = await self._passkeys.check(conn, passkey, credential, kept, arrival.client)
        if methods is None or stamp is None:
            return None
        proof = Proof(user_id=passkey.user_id, methods=methods, stamp=stamp, at=self._clock())
        return await self._sign_ins.finish(conn, proof, arrival)

    async def _note(self, client: Client, reason: str, passkey: store.Passkey | None = None) -> None:
        """Put on the trail what proved nothing. It is not counted: nobody guesses a passkey."""
        await self._audit.refuse(
            AuditAction.LOGIN_FAILED,
            client=client,
            user_id=None if passkey is None else passkey.user_id,
            detail={"reason": reason, "method": METHOD},
        )
