"""Users."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Self

import msgspec

from gatepost.models.rows import Row
from gatepost.models.user_ids import UserId


class Lack(StrEnum):
    """What users are looked for who have not got it."""

    FACTOR = "factor"
    """A second factor."""
    SIGN_IN = "sign_in"
    """A sign-in, ever."""


class NewUser(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A user who is about to be added: what hooks of `on_insert` are given.

    Attributes:
        email, name: canonical.
        is_admin: they will be an administrator.
        fields: what was sent for the model in `Gatepost(registration=…)`; None where nothing was.
    """

    email: str
    name: str
    is_admin: bool
    fields: Any = None


class User(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A user as everybody but the login sees one: without the password's hash.

    Attributes:
        id: primary key.
        email: canonical (lower-case) address, unique.
        name: what the user is called.
        is_admin: may use what only administrators may.
        is_active: False where an administrator disabled the user.
        created_at: when the user was made, UTC.
        email_verified: the user proved that the e-mail is theirs.
        language: that the user chose, as RFC 5646 writes it (`pt-BR`); None where they chose none.
    """

    id: UserId
    email: str
    name: str
    is_admin: bool
    is_active: bool
    created_at: datetime
    email_verified: bool
    language: str | None

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `store.users`."""
        return cls(
            id=row["user_id"],
            email=row["email"],
            name=row["name"],
            is_admin=row["is_admin"],
            is_active=row["user_is_active"],
            created_at=row["user_created_at"],
            email_verified=row["email_verified"],
            language=row["language"],
        )
