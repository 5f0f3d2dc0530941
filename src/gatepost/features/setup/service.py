"""The first administrator: made by a link that the server prints while there is none."""

from collections.abc import Mapping
from datetime import timedelta

from gatepost.db.pool import Connection, Database
from gatepost.errors import GatepostError, InvalidCredentials, Unavailable
from gatepost.features.setup.actions import SetupAction
from gatepost.features.setup.errors import InvalidSetupLink
from gatepost.models import PASSWORD, Client, Link, Proof, SignedIn
from gatepost.security.links import LinkCodec
from gatepost.services.accounts import NOTHING, Accounts
from gatepost.services.audit import BY_COMMAND, Audit
from gatepost.services.clock import Clock
from gatepost.services.own_fields import OwnFields
from gatepost.services.sign_in import Arrival, SignIns
from gatepost.services.steps import Outcome, settled
from gatepost.services.throttles import Throttles
from gatepost.store import events as event_store
from gatepost.store import links as store
from gatepost.store import users as user_store
from gatepost.texts import Text

PURPOSE = "setup"
"""Of its links, as `auth_links` has it."""

LIFETIME = timedelta(hours=24)
"""How long a setup link is good: a day to get to the browser, and no open door that is forgotten."""

SETUP_PATH = "/auth/setup"
"""The page that it leads to."""


class Setup:
    """Issues the setup link and makes the first administrator of whoever has it."""

    def __init__(
        self,
        database: Database,
        *,
        codec: LinkCodec,
        accounts: Accounts,
        own_fields: OwnFields,
        sign_ins: SignIns,
        throttles: Throttles,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._database = database
        self._codec = codec
        self._accounts = accounts
        self._own_fields = own_fields
        self._sign_ins = sign_ins
        self._throttles = throttles
        self._audit = audit
        self._clock = clock

    async def issue(self) -> str | None:
        """Return the token of a new setup link, good for `LIFETIME`; None where an administrator exists.

        Earlier links stop working. Locked like `redeem`.
        """
        link = self._codec.issue()
        async with self._database.transaction() as conn:
            await user_store.lock_admins(conn)
            if await user_store.any_admin(conn):
                return None
            await store.revoke_all(conn, PURPOSE, at=self._clock())
            made = await store.insert(conn, PURPOSE, link.stored, lifetime=LIFETIME, at=self._clock())
            await event_store.insert(
                conn,
                SetupAction.ISSUED,
                client=Client(),
                at=self._clock(),
                detail={**BY_COMMAND, "link": made.id},
            )
        return link.raw

    async def end(self, conn: Connection) -> None:
        """Have the link be good no more: there is an administrator from now on."""
        await store.revoke_all(conn, PURPOSE, at=self._clock())

    async def look(self, token: str, *, client: Client) -> Link:
        """Return the setup link of a token where it can be used; it stays open.

        One that is not good is charged, so that guesses end in `TooManyAttempts`.

        Raises:
            InvalidSetupLink: it is not good, or there is an administrator; the trail says which.
            TooManyAttempts: there were too many of those.
        """
        digests = self._codec.stored_forms(token)
        found, reason = None, "unknown"
        if digests:
            async with self._database.connection() as conn:
                found = await store.find(conn, PURPOSE, digests, at=self._clock())
                if found is not None and found.status == "open" and await user_store.any_admin(conn):
                    reason = "has_admin"
                elif found is not None:
                    reason = found.status
        if found is not None and reason == "open":
            return found
        await self._throttles.refuse_link(client, verb="setup")
        raise await self._refused(reason, client)

    async def redeem(
        self,
        *,
        token: str,
        email: str,
        name: str,
        password: str,
        client: Client,
        remembered: bool = False,
        by_cookie: bool = False,
        own: Mapping[str, object] = NOTHING,
        problems: Mapping[str, Text] = NOTHING,
    ) -> SignedIn:
        """Make the first administrator and start their session, as `Accounts.register` makes a user.

        Under a lock and in one transaction: of several who have the link, or while somebody is made an
        administrator otherwise, it makes one or none. What fails leaves the link usable.

        Raises:
            InvalidSetupLink, TooManyAttempts: as `look`.
            ValidationFailed: a field does not fit; of the password alone, as `NewPasswords.accept`.
            EmailTaken: there is such a user already; `gatepost users promote` makes them one.
            Conflict, RejectedByDatabase: the database's own rules stand against it.
            SecondFactorRequired, FactorEnrolmentRequired: they are made, and one more step is due.
        """
        await self._throttles.arrive(client, verb="setup")
        link = await self.look(token, client=client)
        fields, wrong = self._own_fields.read(own)
        email, name, hashed = await self._accounts.prepare(
            email=email, name=name, password=password, client=client, problems={**wrong, **problems}
        )
        outcome: Outcome | None = None
        try:
            async with self._database.transaction() as conn:
                await user_store.lock_admins(conn)
                refusal = await self._claim(conn, link, email)
                if refusal is None:
                    user, stamp = await self._accounts.insert(
                        conn,
                        email=email,
                        name=name,
                        hashed=hashed,
                        client=client,
                        action=SetupAction.COMPLETED,
                        is_admin=True,
                        detail={"link": link.id},
                        fields=fields,
                    )
                    await store.use(conn, link.id, user.id, at=self._clock())
                    proof = Proof(user_id=user.id, methods=(PASSWORD,), stamp=stamp, at=self._clock())
                    arrival = Arrival(client=client, by_cookie=by_cookie, remembered=remembered)
                    outcome = await self._sign_ins.finish(conn, proof, arrival)
                    if outcome is None:
                        raise InvalidCredentials  # noqa: TRY301 - undoes the transaction
        except Unavailable:
            raise
        except Exception as error:
            reason = error.code if isinstance(error, GatepostError) else type(error).__name__
            await self._refused(reason, client, email)
            raise
        if outcome is None:
            raise await self._refused(refusal or "ended_meanwhile", client, email)
        return settled(outcome)

    async def _claim(self, conn: Connection, link: Link, email: str) -> str | None:
        """Claim the link; return why that can't be."""
        if await user_store.any_admin(conn):
            return "has_admin"
        if not await store.claim(conn, link.id, email=email, at=self._clock()):
            return "ended_meanwhile"
        return None

    async def _refused(self, reason: str, client: Client, email: str | None = None) -> InvalidSetupLink:
        """Put it on the trail, and return the error to be raised."""
        whose = {} if email is None else {"email": email}
        await self._audit.refuse(SetupAction.REFUSED, client=client, detail={"reason": reason, **whose})
        return InvalidSetupLink()


def setup_url(root: str, token: str) -> str:
    """Return the link to click; it is a secret as the token is."""
    return f"{root}{SETUP_PATH}?token={token}"
