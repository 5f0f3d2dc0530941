"""Proofs of identity: what every way of signing in yields, and all that a session is started by."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from gatepost.models.challenges import Proven
from gatepost.models.user_ids import UserId

PASSWORD = "pwd"  # noqa: S105 - a method, no password
"""A password (RFC 8176 §2)."""

MULTIPLE_FACTORS = "mfa"
"""More than one factor (RFC 8176 §2): the methods beside it say which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That somebody has just proven to be a user.

    Attributes:
        user_id: which one.
        methods: how, by the names of RFC 8176 (`amr`): `pwd`, `otp`, `mfa` and others; none where nothing is
            proven yet.
        stamp: the user's `credentials_stamp` at that time. The proof is good only while that is still the
            user's: anything they sign in with that changes moves it.
        at: when; None for now, by the database's clock.
        earlier: when those of the methods were proven that were not proven then.
    """

    user_id: UserId
    methods: tuple[str, ...]
    stamp: UUID
    at: datetime | None
    earlier: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def aal(self) -> int:
        """The authenticator assurance level (NIST SP 800-63B-4): 2 for more than one factor, else 1."""
        return 2 if MULTIPLE_FACTORS in self.methods else 1

    @property
    def methods_at(self) -> list[datetime | None] | None:
        """When each of the methods was proven, None for `at`; None where all of them were."""
        return [self.earlier.get(method) for method in self.methods] if self.earlier else None

    def after(self, proven: Mapping[str, datetime]) -> Self:
        """Return it together with what was proven before: by which methods, and when."""
        earlier = {method: at for method, at in proven.items() if method not in self.methods}
        return replace(self, methods=tuple(dict.fromkeys((*proven, *self.methods))), earlier=earlier)

    def plus(self, proven: Proven, *, at: datetime | None) -> Self:
        """Return it together with what one more step has proven just now: that is more than one factor.

        Where nothing was proven before, the step's own methods say whether it was more than one.
        """
        more = (MULTIPLE_FACTORS,) if self.methods and proven.methods else ()
        methods = tuple(dict.fromkeys((*self.methods, *proven.methods, *more)))
        return replace(self, methods=methods, stamp=proven.stamp or self.stamp, at=at)

    def moved_to(self, stamp: UUID) -> Self:
        """Return it with the stamp of credentials that the same transaction has just changed."""
        return replace(self, stamp=stamp)
