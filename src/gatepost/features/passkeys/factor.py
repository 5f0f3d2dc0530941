"""The passkey as a factor: the second one after a password, or both in one."""

from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.util import find_spec
from uuid import UUID

from gatepost.db.pool import Connection
from gatepost.errors import ValidationFailed
from gatepost.features.passkeys import store
from gatepost.features.passkeys.relying_party import Asserted, Refused, RelyingParty, credential_id_of
from gatepost.features.passkeys.store import Passkey
from gatepost.models import (
    MULTIPLE_FACTORS,
    Answer,
    AuditAction,
    Client,
    Held,
    Options,
    User,
    UserId,
)
from gatepost.models.rows import row_id
from gatepost.services.clock import Clock
from gatepost.services.feature import Happened, Wiring
from gatepost.store import events as event_store
from gatepost.store import users as user_store
from gatepost.texts import Text

METHOD = "passkey"

PROVES = (METHOD,)
"""A key that an authenticator holds. RFC 8176 has names for those in hardware and in software alone, which a
passkey does not tell."""

PROVES_BOTH = (METHOD, MULTIPLE_FACTORS)
"""A key that is used after a PIN or biometrics: two factors in one (NIST SP 800-63B-4 §3.1.7)."""

MOST = 50
"""Passkeys of one user: more than anybody has devices, and few enough to be named in one request."""

NameOf = Callable[[UUID], str | None]
"""Returns what a model of authenticator is called; None where nobody knows."""


class Passkeys:
    """Sets passkeys up and checks what they sign.

    Args:
        party: asks and checks; None where there can be no passkeys, because no name of a host is known.
        features: told of a passkey that may have been copied.
        name_of: what a model of authenticator is called.
        clock: what time it is.
    """

    method = METHOD
    suffices = True

    def __init__(
        self, party: RelyingParty | None, *, features: Wiring, name_of: NameOf, clock: Clock
    ) -> None:
        self._party = party
        self._features = features
        self._name_of = name_of
        self._clock = clock

    @property
    def party(self) -> RelyingParty | None:
        """What asks and checks; None where there can be no passkeys."""
        return self._party if find_spec("webauthn") is not None else None

    @property
    def enrols(self) -> bool:
        """Say whether passkeys can be set up here; those that there are count all the same."""
        return self.party is not None

    async def held(self, conn: Connection, user_id: UserId) -> Sequence[Held]:
        """Return the passkeys of a user."""
        return [
            Held(
                method=METHOD,
                created_at=each.created_at,
                last_used_at=each.last_used_at,
                last_used_from=each.last_used_from,
                id=str(each.id),
                name=each.name,
                suffices=self.suffices_here(each),
                is_synced=each.is_backup_eligible,
            )
            for each in await store.of_user(conn, user_id)
        ]

    def suffices_here(self, passkey: Passkey) -> bool:
        """Say whether a passkey signs in by itself: not where this was another domain when it was made."""
        party = self.party
        return passkey.verifies_user and party is not None and passkey.rp_id in {None, party.rp_id}

    async def holders(self, conn: Connection, user_ids: Sequence[UserId]) -> Collection[UserId]:
        """Return which of these users have a passkey."""
        return await store.holders(conn, user_ids)

    async def options(self, conn: Connection, user_id: UserId, *, alone: bool) -> Options | None:
        """Ask for a signature of one of a user's passkeys."""
        return (
            None
            if self.party is None
            else self.party.request(await store.of_user(conn, user_id), alone=alone)
        )

    async def begin(self, conn: Connection, user: User, _: Mapping[str, object]) -> Options:
        """Ask for a new passkey; what was asked for before is not good any more."""
        if self.party is None:
            return Options(public={})
        return self.party.creation(user.email, user.name, await store.of_user(conn, user.id))

    async def enrol(
        self, conn: Connection, user_id: UserId, answer: Answer, _: Client
    ) -> tuple[str, ...] | None:
        """Keep the passkey that an authenticator has made.

        Raises:
            ValidationFailed: the user has as many as one may have.
        """
        if self.party is None or answer.credential is None:
            return None
        if len(await store.of_user(conn, user_id)) >= MOST:
            raise ValidationFailed({"credential": Text("passkey.too_many")})
        try:
            made = self.party.made(answer.state, answer.credential)
        except Refused:
            return None
        name = answer.name or (None if made.aaguid is None else self._name_of(made.aaguid)) or "Passkey"
        if not await store.insert(conn, user_id, made, name=name, at=self._clock()):
            return None
        return PROVES_BOTH if made.verified_user else PROVES

    async def verify(
        self, conn: Connection, user_id: UserId, answer: Answer, client: Client
    ) -> tuple[str, ...] | None:
        """Check what one of a user's passkeys has signed."""
        named = None if answer.credential is None else credential_id_of(answer.credential)
        passkey = None if named is None else await store.find(conn, named)
        if passkey is None or answer.credential is None or passkey.user_id != user_id:
            return None
        return await self.check(conn, passkey, answer.credential, answer.state, client)

    async def check(
        self,
        conn: Connection,
        passkey: Passkey,
        credential: Mapping[str, object],
        kept: Mapping[str, object],
        client: Client,
    ) -> tuple[str, ...] | None:
        """Check what a passkey has signed, and note its use; None where it is not good.

        Args:
            conn: of the caller's transaction, which is to be committed also where it is not good.
            passkey: the one that is named.
            credential: `AuthenticationResponseJSON`.
            kept: of the options that it answers.
            client: who sends it.
        """
        if self.party is None:
            return None
        try:
            asserted = self.party.asserted(kept, credential, passkey)
        except Refused:
            return None
        if not await store.use(conn, passkey, asserted, address=client.ip_address, at=self._clock()):
            await self._tell_of_copy(conn, passkey, asserted, client)
            return None
        return PROVES_BOTH if asserted.verified_user else PROVES

    async def remove(self, conn: Connection, user_id: UserId, factor_id: str | None = None) -> bool:
        """Take all passkeys of a user away, or the one of this id."""
        if factor_id is None:
            return await store.remove(conn, user_id)
        passkey_id = row_id(factor_id)
        return passkey_id is not None and await store.remove_one(conn, user_id, passkey_id)

    async def _tell_of_copy(
        self, conn: Connection, passkey: Passkey, asserted: Asserted, client: Client
    ) -> None:
        """Tell the owner that there may be two of a passkey: its signature is good, and its count is not."""
        user = await user_store.get(conn, passkey.user_id)
        if user is None or await store.find(conn, passkey.credential_id) is None:
            return  # it was removed meanwhile
        detail = {"method": METHOD, "factor_id": str(passkey.id)}
        counts = {"count": asserted.sign_count, "counted": passkey.sign_count}
        await event_store.insert(
            conn,
            AuditAction.FACTOR_COPIED,
            client=client,
            at=self._clock(),
            user_id=user.id,
            detail={**detail, **counts},
        )
        happened = Happened(action=AuditAction.FACTOR_COPIED, user=user, client=client, detail=detail)
        await self._features.tell(conn, happened)
