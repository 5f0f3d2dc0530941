"""Choosing one's own password in the place of a temporary one, which is not typed once more for it."""

from gatepost.db.pool import Connection, Database
from gatepost.errors import ChallengeExpired, InvalidCredentials, PasswordChangeRequired, ValidationFailed
from gatepost.models import Client, Proof, SignedIn
from gatepost.security.links import LinkCodec
from gatepost.security.passwords import Password
from gatepost.services.clock import Clock
from gatepost.services.hashing import Hashing
from gatepost.services.lines import Line
from gatepost.services.new_passwords import NewPasswords
from gatepost.services.sign_in import Arrival, SignIns
from gatepost.services.steps import ENROLMENT, settled
from gatepost.services.throttles import Throttles
from gatepost.store import challenges as store
from gatepost.store import users as user_store
from gatepost.texts import Text


class TemporaryPasswords:
    """Keeps that a temporary password was right until its user has chosen another one."""

    def __init__(
        self,
        database: Database,
        *,
        sign_ins: SignIns,
        hashing: Hashing,
        throttles: Throttles,
        codec: LinkCodec,
        clock: Clock,
        new_passwords: NewPasswords,
    ) -> None:
        self._database = database
        self._sign_ins = sign_ins
        self._hashing = hashing
        self._throttles = throttles
        self._codec = codec
        self._clock = clock
        self._new_passwords = new_passwords

    async def hold(self, conn: Connection, proof: Proof, arrival: Arrival) -> PasswordChangeRequired:
        """Begin a challenge, and return the error that hands it over."""
        issued = self._codec.issue()
        expires_at = await store.insert(
            conn,
            [issued.stored],
            proof,
            purpose=store.Purpose.NEW_PASSWORD,
            by_cookie=arrival.by_cookie,
            remembered=arrival.remembered,
            is_known=arrival.is_known,
            lifetime=ENROLMENT,
            at=self._clock(),
        )
        return PasswordChangeRequired(challenge=issued.raw, expires_at=expires_at)

    async def pending(self, token: str | None) -> store.Waiting:
        """Return the challenge of a browser.

        Raises:
            ChallengeExpired: there is none, or not any more.
        """
        return await self._find(token, take=False)

    async def change(self, token: str | None, new_password: str, *, client: Client) -> SignedIn:
        """Give a user another password, and start the session; every other one ends.

        Args:
            token: the challenge.
            new_password: as it was typed.
            client: who asks.

        Raises:
            ChallengeExpired: there is no such challenge, or not any more: the sign-in starts over.
            ValidationFailed: as `NewPasswords.accept`, or it is the temporary one.
            SecondFactorRequired, FactorEnrolmentRequired: one more step is due.
            TooManyAttempts: there were too many from this address.
        """
        await self._throttles.arrive(client, verb="login")
        waiting = await self._find(token, take=False)
        password = await self._new_passwords.accept(new_password, email=waiting.email, field="new_password")
        line = Line.of(client, is_known=True)
        await self._check_is_another(waiting, password, line)
        hashed = await self._hashing.hash(password, line)
        arrival = Arrival(
            client=client,
            by_cookie=waiting.by_cookie,
            remembered=waiting.remembered,
            is_known=waiting.is_known,
            hashed_password=hashed,
            email=waiting.email,
            is_temporary=True,
        )
        waiting = await self._find(token, take=True)  # of two at the same moment one goes on
        try:
            async with (
                self._sign_ins.noting(client, user_id=waiting.user_id, email=waiting.email),
                self._database.transaction() as conn,
            ):
                outcome = await self._sign_ins.finish(conn, waiting.proof, arrival)
                if outcome is None:
                    raise InvalidCredentials  # noqa: TRY301 - undoes the transaction
        except InvalidCredentials:
            raise ChallengeExpired from None
        return settled(outcome)

    async def _check_is_another(self, waiting: store.Waiting, password: Password, line: Line) -> None:
        async with self._database.connection() as conn:
            stored, _ = await user_store.hash_of(conn, waiting.user_id)
        if stored is not None and (await self._hashing.check(password, stored, line)).matches:
            raise ValidationFailed({"new_password": Text("field.password.same")})

    async def _find(self, token: str | None, *, take: bool) -> store.Waiting:
        digests = self._codec.stored_forms(token) if token is not None else ()
        waiting = None
        if digests:
            async with self._database.connection() as conn:
                waiting = await store.find(
                    conn,
                    digests,
                    purpose=store.Purpose.NEW_PASSWORD,
                    by_cookie=True,
                    take=take,
                    at=self._clock(),
                )
        if waiting is None or not waiting.is_good:
            raise ChallengeExpired
        return waiting
