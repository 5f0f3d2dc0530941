"""How often passwords may be tried: the same limits in every worker, because PostgreSQL holds them.

Whoever checks a password begins an `Attempt` and says how it ended: `succeeded` or `failed`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gatepost.db.pool import Connection, Database
from gatepost.errors import TooManyAttempts
from gatepost.models import AuditAction, Bucket, Client, UserId
from gatepost.security.devices import Devices
from gatepost.services.audit import BY_COMMAND
from gatepost.services.clock import Clock
from gatepost.services.limits import EVENT_RATE, Limits, setting_of
from gatepost.services.lines import Line
from gatepost.store import attempts, failures
from gatepost.store import events as event_store
from gatepost.store import throttles as store
from gatepost.store import users as user_store
from gatepost.store.throttles import Charge, Full


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A password that is about to be checked.

    Attributes:
        client: who asks.
        user_id: of the account; None for an unknown one.
        is_known: whoever asks has signed in to the account: a device cookie or a session proves it.
        is_known_place: they come from where the user has signed in before; too many failures in a row do not
            lock it.
        is_locked: the password counts as wrong, whatever it is: too many failed in a row, and the account
            was never used from here. The work is to be done all the same, and the answer the same.
        charge: what a success gives back.
        has_failures: there are failures in a row that a success may have to clear.
    """

    client: Client
    user_id: UserId | None
    is_known: bool
    is_known_place: bool
    is_locked: bool
    charge: Charge | None
    has_failures: bool

    @property
    def line(self) -> Line:
        """Where it waits for its turn."""
        return Line.of(self.client, is_known=self.is_known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How full a bucket is.

    Attributes:
        bucket, key: its names.
        left: attempts that it has room for now; None for a bucket of another version of Gatepost.
        drained_at: when it will be empty.
    """

    bucket: str
    key: str
    left: int | None
    drained_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A limit that is reached.

    Attributes:
        bucket, key: its names.
        setting: which says how much there is room for.
        until: when there is room for one more attempt.
    """

    bucket: str
    key: str
    setting: str
    until: datetime

    @property
    def is_of_account(self) -> bool:
        """Whether it is about an account, which the key does not name."""
        return self.bucket in {Bucket.LOGIN_ACCOUNT, Bucket.LOGIN_KNOWN}

    @property
    def user_id(self) -> str | None:
        """The id of the user whose sign-in it is about, where the key has one."""
        return self.key.rpartition(":")[0] if self.bucket == Bucket.CONFIRM_USER else None


class Throttles:
    """Limits attempts at passwords, and shows and clears what they left.

    Attributes:
        limits: those in force.
    """

    def __init__(self, database: Database, *, limits: Limits, devices: Devices, clock: Clock) -> None:
        self._database = database
        self.limits = limits
        self._devices = devices
        self._clock = clock

    async def begin_login(
        self, email: str, *, client: Client, device: str | None
    ) -> tuple[Attempt, user_store.Credential | None]:
        """Begin a login to the account of a canonical e-mail; return also what to check it against.

        Args:
            email: canonical.
            client: who asks.
            device: the value of the device cookie, as it was sent.

        Raises:
            TooManyAttempts: the address, its network or the account has had too many; the trail has it.
        """
        account = self.limits.account(email)
        async with self._database.connection() as conn:
            login = await attempts.begin_login(
                conn,
                email=email,
                account=account,
                stamps=self._devices.stamps(device, now=self._clock() or datetime.now(UTC)),
                client=client,
                rates=self.limits.rates if self.limits.enabled else None,
                at=self._clock(),
            )
        user_id = None if login.credential is None else login.credential.user_id
        if login.full is not None:
            raise await self._refused(login.full, verb="login", user_id=user_id, client=client)
        bucket = Bucket.LOGIN_KNOWN if login.is_known_device else Bucket.LOGIN_ACCOUNT
        attempt = Attempt(
            client=client,
            user_id=user_id,
            is_known=login.is_known_device,
            is_known_place=login.is_known_place,
            is_locked=not login.is_known_place and login.failures >= self.limits.failures_max,
            charge=self.limits.charge(bucket, account) if self.limits.enabled else None,
            has_failures=login.failures > 0,
        )
        return attempt, login.credential

    async def arrive(self, client: Client, *, verb: str) -> None:
        """Charge the address for what has to be read before anything else limits it.

        Raises:
            TooManyAttempts: there were too many from there; the trail has it.
        """
        await self.charge(
            [self.limits.charge(Bucket.FORM_ADDRESS, client.address_block or "")], client, verb=verb
        )

    async def confirm(self, user_id: UserId, *, session_id: int, client: Client, verb: str) -> Attempt:
        """Begin to check the password of a user who is signed in and gives it again.

        Args:
            user_id: who it is.
            session_id: the session that asks.
            client: who asks.
            verb: what for, for the trail.

        Raises:
            TooManyAttempts: this sign-in has had too many; the trail has it.
        """
        async with self._database.connection() as conn:
            begun = await attempts.begin_confirmation(
                conn,
                user_id=user_id,
                session_id=session_id,
                client=client,
                rate=self.limits.rates[Bucket.CONFIRM_USER] if self.limits.enabled else None,
                at=self._clock(),
            )
        if begun.full is not None:
            raise await self._refused(begun.full, verb=verb, user_id=user_id, client=client)
        charge = self.limits.charge(Bucket.CONFIRM_USER, begun.key)
        return Attempt(
            client=client,
            user_id=user_id,
            is_known=True,
            is_known_place=begun.is_known,
            is_locked=not begun.is_known and begun.failures >= self.limits.failures_max,
            charge=charge if self.limits.enabled else None,
            has_failures=begun.failures > 0,
        )

    async def guess(self, user_id: UserId, *, is_known: bool, client: Client, verb: str) -> Charge | None:
        """Charge an answer to a step, whatever it is answered with and whatever it belongs to.

        A new sign-in, another factor or a right password gives nothing back, a right answer its own charge.
        Whoever knows a password elsewhere does not keep its owner out at home.

        Args:
            user_id: whose sign-in it is.
            is_known: they come from where the user has signed in before.
            client: who answers.
            verb: what for, for the trail.

        Raises:
            TooManyAttempts: there were too many wrong ones; the trail has it.
        """
        charge = self.limits.charge(Bucket.FACTOR_USER, self.limits.guesses(user_id, is_known=is_known))
        await self.charge([charge], client, verb=verb, user_id=user_id)
        return charge if self.limits.enabled else None

    async def register(self, client: Client, *, is_invited: bool) -> None:
        """Charge a registration of somebody who may register.

        Args:
            client: who asks.
            is_invited: by a good invitation; strangers can't use up what there is for those.

        Raises:
            TooManyAttempts: there were too many from this address or network, or from everywhere; the trail
                has it.
        """
        charges = self.limits.from_place(client, Bucket.REGISTER_ADDRESS, Bucket.REGISTER_NETWORK)
        if not is_invited:
            charges.append(self.limits.charge(Bucket.REGISTER_TOTAL, ""))
        await self.charge(charges, client, verb="register")

    async def refuse_link(self, client: Client, *, verb: str) -> None:
        """Charge a link that is no good, or a registration of somebody who may not; a good one costs nothing.

        Raises:
            TooManyAttempts: there were too many of those from this address or network; the trail has it.
        """
        charges = self.limits.from_place(client, Bucket.LINK_ADDRESS, Bucket.LINK_NETWORK)
        await self.charge(charges, client, verb=verb)

    async def charge(
        self, charges: Sequence[Charge], client: Client, *, verb: str, user_id: UserId | None = None
    ) -> None:
        """Charge buckets in turn, such as those of a feature.

        Args:
            charges: as `Limits` makes them.
            client: who asks; whoever is blocked is refused, whatever is limited.
            verb: what for, for the trail.
            user_id: whose they are, where that is known.

        Raises:
            TooManyAttempts: one of them was full, and those behind it were not charged; the trail has it.
        """
        async with self._database.connection() as conn:
            full = await store.charge(
                conn,
                charges if self.limits.enabled else [],
                address=client.address_block,
                at=self._clock(),
            )
        if full is not None:
            raise await self._refused(full, verb=verb, client=client, user_id=user_id)

    async def count(self, conn: Connection, charges: Sequence[Charge]) -> bool:
        """Charge buckets in the caller's transaction, which goes on; return whether all of them had room."""
        if not self.limits.enabled:
            return True
        return await store.charge(conn, charges, address=None, at=self._clock()) is None

    async def room_at(self, charges: Sequence[Charge]) -> datetime | None:
        """Return from when on all of these buckets have room for an attempt; None where they have."""
        if not self.limits.enabled:
            return None
        async with self._database.connection() as conn:
            return await store.room_at(conn, charges, at=self._clock())

    async def succeeded(self, conn: Connection, attempt: Attempt) -> None:
        """Give back what the attempt was charged, and clear the failures of its own place.

        What failed elsewhere stays: a success there says nothing of it (NIST SP 800-63B-4 §3.2.2).
        """
        if attempt.user_id is not None and (attempt.charge is not None or attempt.has_failures):
            await attempts.succeed(
                conn, attempt.charge, user_id=attempt.user_id, place=attempt.client.address_block or ""
            )

    async def failed(
        self,
        attempt: Attempt,
        action: AuditAction,
        *,
        detail: Mapping[str, Any],
        session_id: int | None = None,
        counts: bool = True,
    ) -> None:
        """Put a failed attempt on the trail, and count it among those in a row.

        One on a locked account is not counted: it could not have succeeded, and the rows would grow.

        Args:
            attempt: what failed.
            action: how the trail calls it.
            detail: of the event.
            session_id: of the session that asked, if there is one.
            counts: False where the password was not the reason.
        """
        async with self._database.connection() as conn:
            await failures.record(
                conn,
                action,
                client=attempt.client,
                at=self._clock(),
                user_id=attempt.user_id,
                session_id=session_id,
                detail=detail,
                counts=counts and not attempt.is_locked,
            )

    # What an administrator sees and does.

    def locks(self, failures: int) -> bool:
        """Say whether so many failures in a row let a password work from known places alone."""
        return failures >= self.limits.failures_max

    async def page(self, *, limit: int) -> list[Level]:
        """Return the buckets that are not empty, the fullest first by the time that they need."""
        async with self._database.connection() as conn:
            found = await store.page(conn, limit=limit, at=self._clock())
        return [
            Level(bucket=each.bucket, key=each.key, left=self.limits.left(each), drained_at=each.tat)
            for each in found
        ]

    async def reached(self, *, limit: int) -> list[Reached]:
        """Return the limits that are reached now, those that last longest first; at most so many."""
        if not self.limits.enabled:
            return []
        async with self._database.connection() as conn:
            found = await store.reached(conn, self.limits.rates, limit=limit, at=self._clock())
        return [
            Reached(
                bucket=each.bucket,
                key=each.key,
                setting=setting_of(each.bucket),
                until=each.tat - self.limits.rates[each.bucket].tolerance,
            )
            for each in found
        ]

    @staticmethod
    async def lift(conn: Connection, bucket: str, key: str) -> int:
        """Empty one bucket, in the caller's transaction; return 0 where it is empty already."""
        return await store.empty(conn, bucket, key)

    async def clear(self, *, email: str | None, address: str | None, client: Client) -> int:
        """Empty buckets, of an account, of an address, or of all where neither is given; return how many.

        Args:
            email: canonical.
            address: canonical.
            client: who asks.
        """
        async with self._database.transaction() as conn:
            user = None if email is None else await user_store.find(conn, email)
            user_id = None if user is None else user.id
            patterns = [
                *([] if email is None else self.limits.of_account(email, user_id)),
                *([] if address is None else self.limits.of_address(address)),
            ]
            cleared = await store.clear(conn, patterns or [("%", "%")])
            named = {"email": email, "address": address} if patterns else {"all": True}
            await event_store.insert(
                conn,
                AuditAction.THROTTLES_CLEARED,
                client=client,
                at=self._clock(),
                user_id=user_id,
                detail={**BY_COMMAND, "buckets": cleared, **{k: v for k, v in named.items() if v}},
            )
            return cleared

    async def refuses(self, address: str) -> bool:
        """Say whether a limit is reached now for this address (IPv6: its /64) or its network."""
        if not self.limits.enabled:
            return False
        async with self._database.connection() as conn:
            found = await store.named(conn, self.limits.of_address(address), at=self._clock())
        return any(self.limits.left(level) == 0 for level in found)

    async def clear_address(self, conn: Connection, address: str) -> int:
        """Empty the buckets of an address (IPv6: its /64) and its network, in the caller's transaction."""
        return await store.clear(conn, self.limits.of_address(address))

    async def forget(self, conn: Connection, user_id: UserId, email: str, *, by_owner: bool = False) -> None:
        """Clear a user's failures and buckets: they have another password, are unlocked, or gone.

        A user's own change leaves the bucket that everybody fills who tries the account from elsewhere: were
        it empty all at once, strangers would know that there is such an account.
        """
        await failures.clear(conn, user_id)
        names = self.limits.of_user(email, user_id) if by_owner else self.limits.of_account(email, user_id)
        await store.clear(conn, names)

    async def erase(self, conn: Connection, user_id: UserId, email: str) -> None:
        """Clear them for users who delete themselves, but for what their address was sent.

        Else whoever makes and deletes accounts with an address of others could have it flooded.
        """
        await failures.clear(conn, user_id)
        names = self.limits.of_account(email, user_id)
        await store.clear(conn, [each for each in names if not each[0].endswith("_recipient")])

    async def _refused(
        self, full: Full, *, verb: str, client: Client, user_id: UserId | None = None
    ) -> TooManyAttempts:
        """Put it on the trail, not each time, and return the error to be raised."""
        async with self._database.connection() as conn:
            await store.refuse(
                conn,
                full,
                event_rate=EVENT_RATE,
                verb=verb,
                user_id=user_id,
                client=client,
                at=self._clock(),
            )
        return self.limits.reached(full, verb=verb)
