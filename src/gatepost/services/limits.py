"""What is allowed how often, and what the buckets are called that count it."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from gatepost.errors import TooManyAttempts
from gatepost.log import get_logger
from gatepost.models import Bucket, Client, UserId
from gatepost.security.keys import KeyPurpose, KeyRing
from gatepost.settings import Settings
from gatepost.settings.rates import Rate
from gatepost.store.refreshes import RefreshRates
from gatepost.store.throttles import Charge, Full, Level

EVENT_RATE = Rate(1, 1, "minute")
"""Events `throttled` of one bucket, so that a flood does not fill the trail."""

log = get_logger("gatepost.throttles")

_PREFIX = "throttle_"

_AS_OTHERS: Mapping[str, str] = {
    Bucket.LINK_ADDRESS: Bucket.REGISTER_ADDRESS,
    Bucket.LINK_NETWORK: Bucket.REGISTER_NETWORK,
}
"""Buckets whose rate is the setting of another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits in force.

    Attributes:
        enabled: whether attempts are limited; failures in a row are in any case.
        rates: by the names of the buckets: every setting that is a rate is of the one that it is named after,
            a feature's too. How a name ends says whose the bucket is: `_address`, `_network`, `_account` or
            `_recipient`.
        failures_max: failures in a row after which a password works from known places alone.
        key: under which e-mails become keys of buckets, so that the table names nobody.
        explains: refusals carry a hint for developers.
    """

    enabled: bool
    rates: Mapping[str, Rate]
    failures_max: int
    key: bytes = field(repr=False)
    explains: bool = False

    @classmethod
    def of(cls, settings: Settings, keys: KeyRing) -> Self:
        """Return those of the settings."""
        set_ = {
            name.removeprefix(_PREFIX): rate
            for name in type(settings).model_fields
            if isinstance(rate := getattr(settings, name), Rate)
        }
        return cls(
            enabled=settings.throttle_enabled,
            rates=set_ | {bucket: set_[other] for bucket, other in _AS_OTHERS.items()},
            failures_max=settings.login_failures_max,
            # The newest alone: after a rotation the buckets of accounts are empty.
            key=keys.keys(KeyPurpose.THROTTLE)[0],
            explains=settings.environment == "development",
        )

    @property
    def refreshes(self) -> RefreshRates | None:
        """How often tokens may be refreshed; None for no limit."""
        if not self.enabled:
            return None
        return RefreshRates(
            address=self.rates[Bucket.REFRESH_ADDRESS], session=self.rates[Bucket.REFRESH_SESSION]
        )

    def reached(self, full: Full, *, verb: str) -> TooManyAttempts:
        """Log that a limit is reached, with what would change it, and return the error to be raised."""
        if full.bucket == Bucket.BLOCK:
            hint = f"{full.key} is blocked, until its row in auth_blocks ends or is lifted"
        else:
            setting, rate = setting_of(full.bucket), self.rates[full.bucket]
            hint = f"{setting} allows {rate}; `gatepost throttles clear --all` resets the attempts"
        log.info("too many attempts", verb=verb, retry_after=full.retry_after, hint=hint)
        return TooManyAttempts(full.retry_after).hinted(hint if self.explains else None)

    def account(self, email: str) -> str:
        """Return the key of an account's bucket, whether or not there is such an account.

        Args:
            email: canonical, so that all spellings of an address share one bucket.
        """
        return hmac.digest(self.key, email.lower().encode(), "sha256").hex()[:32]

    @staticmethod
    def guesses(user_id: UserId, *, is_known: bool) -> str:
        """Return the key of the bucket of a user's wrong codes, from known places or from elsewhere."""
        return f"{user_id}:known" if is_known else f"{user_id}"

    def charge(self, bucket: str, key: str) -> Charge:
        """Return one attempt on a bucket."""
        return Charge(bucket=bucket, key=key, rate=self.rates[bucket])

    def from_place(self, client: Client, address: str, network: str) -> list[Charge]:
        """Return one attempt on the bucket of an address and, where that is one of more, of its network."""
        charges = [self.charge(address, client.address_block or "")]
        if client.network_block is not None and client.network_block != client.address_block:
            charges.append(self.charge(network, client.network_block))
        return charges

    def left(self, level: Level) -> int | None:
        """Return how many attempts a bucket has room for now; None for one that is not known here."""
        rate = self.rates.get(level.bucket)
        if rate is None:
            return None
        return max(0, (level.now + rate.tolerance - level.tat) // rate.emission + 1)

    def of_account(self, email: str, user_id: UserId | None) -> list[tuple[str, str]]:
        """Return the buckets of an account, as `store.throttles.clear` takes them."""
        own = [] if user_id is None else self.of_user(email, user_id)
        every = [bucket for bucket in self.rates if bucket.endswith(("_account", "_recipient"))]
        return [*_with_events([(bucket, self.account(email)) for bucket in every]), *own]

    def of_address(self, address: str) -> list[tuple[str, str]]:
        """Return the buckets of an address (IPv6: its /64) and its network, those of features too."""
        client = Client.of(address, None)
        keys = {"_address": client.address_block or "", "_network": client.network_block or ""}
        return _with_events(
            [(bucket, key) for bucket in self.rates for end, key in keys.items() if bucket.endswith(end)]
        )

    def of_user(self, email: str, user_id: UserId) -> list[tuple[str, str]]:
        """Return those of them that nobody fills but who signed in to the account."""
        return _with_events(
            [
                (Bucket.LOGIN_KNOWN, self.account(email)),
                (Bucket.CONFIRM_USER, f"{user_id}:%"),
                *((Bucket.FACTOR_USER, self.guesses(user_id, is_known=known)) for known in (False, True)),
            ]
        )


def setting_of(bucket: str) -> str:
    """Return the name of the setting that says what a bucket has room for."""
    return f"{_PREFIX}{_AS_OTHERS.get(bucket, bucket)}".upper()


def _with_events(names: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [*names, *((Bucket.EVENT, f"{bucket}:{key}") for bucket, key in names)]
