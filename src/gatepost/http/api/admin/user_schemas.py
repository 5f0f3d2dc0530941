"""What answers about the accounts of others hold."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, StrictStr

from gatepost.http.api import schemas
from gatepost.http.api.user_ids import ExampleUserId, ShownUserId
from gatepost.models import User, bounds
from gatepost.services.directory import Account

PASSWORD = "mKd7wXvRq3TzhB9nYs4c"  # noqa: S105 - an example
USER = {
    "id": ExampleUserId(2),
    "email": "jane@example.com",
    "name": "Jane Doe",
    "is_admin": False,
    "is_active": True,
    "created_at": schemas.TIME,
    "email_verified": False,
}
ACCOUNT = USER | {
    "active_sessions": 1,
    "last_sign_in_at": schemas.TIME,
    "failures": 0,
    "is_locked": False,
    "has_password": True,
    "temporary_password_expires_at": None,
}


class FoundUserData(BaseModel):
    """A user as administrators find one."""

    id: ShownUserId
    email: str
    name: str
    is_admin: bool
    is_active: bool
    created_at: datetime
    email_verified: bool


class FoundUsersData(BaseModel):
    """A page of users; `next_cursor` asks for the next one, null after the last."""

    users: list[FoundUserData]
    next_cursor: str | None


class AccountData(FoundUserData):
    """A user and how the account stands.

    `failures` are wrong passwords in a row; where they are too many `is_locked` is true, and the password
    works from known places alone. `temporary_password_expires_at` is null where no temporary password waits
    to be changed.
    """

    active_sessions: int
    last_sign_in_at: datetime | None
    failures: int
    is_locked: bool
    has_password: bool
    temporary_password_expires_at: datetime | None


class AccountOnlyData(BaseModel):
    """One user."""

    user: AccountData


class LoggedOutData(AccountOnlyData):
    """One user, and how many sessions were ended."""

    sessions_revoked: int


class ResetFactorsRequest(BaseModel):
    """Why a user's second factors are removed."""

    reason: Annotated[
        StrictStr,
        Field(
            json_schema_extra={"minLength": 1, "maxLength": bounds.NAME_MAX},
            examples=["Lost phone, identified by video call"],
        ),
    ]


class FactorsResetData(BaseModel):
    """The user, and the methods that were removed."""

    user: AccountData
    removed: list[str]


class TemporaryPasswordData(AccountOnlyData):
    """One user, and the password that they must change at the next sign-in: shown this once."""

    password: str
    expires_at: datetime


def found_user_data(user: User) -> dict[str, Any]:
    """Return `FoundUserData`."""
    return schemas.user_data(user) | {"is_active": user.is_active}


def account_data(account: Account) -> dict[str, Any]:
    """Return `AccountData`."""
    return found_user_data(account.user) | {
        "active_sessions": account.active_sessions,
        "last_sign_in_at": account.last_sign_in_at,
        "failures": account.failures,
        "is_locked": account.is_locked,
        "has_password": account.has_password,
        "temporary_password_expires_at": account.temporary_password_expires_at,
    }
