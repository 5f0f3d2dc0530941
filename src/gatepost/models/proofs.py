"""Proofs of identity: what every way of signing in yields, and all that a session is started by."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
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
    """

    user_id: UserId
    methods: tuple[str, ...]
    stamp: UUID
    at: datetime | None

    @property
    def aal(self) -> int:
        """The authenticator assurance level (NIST SP 800-63B-4): 2 for more than one factor, else 1."""
        return 2 if MULTIPLE_FACTORS in self.methods else 1

    def after(self, methods: Iterable[str]) -> Self:
        """Return it together with what was proven before, by these methods."""
        return replace(self, methods=tuple(dict.fromkeys((*methods, *self.methods))))

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
