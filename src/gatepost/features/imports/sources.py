"""The systems that users come from: how their tables are called, and what a row of them says."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]
"""A row as JSON has it."""

FLAGS = frozenset({"is_superuser", "is_staff", "is_active", "is_verified"})
"""Columns that say yes or no."""

FLAG_TYPES = frozenset({"boolean", "smallint", "integer", "bigint", "numeric"})
"""What they may be: a text is none, or whoever has an 'f' there would be an administrator."""

_NAMES = ("name", "full_name", "display_name", "username")
"""Columns that may say what a person is called, the likeliest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A user of another system.

    Attributes:
        id: as JSON has it: a number or a text.
        email: as it is stored; None where there is none.
        username: what else they sign in with.
        names: what they may be called, the likeliest first.
        hashed_password: as it is stored; None where nobody signs in with a password.
        is_superuser, is_staff, is_active, is_verified: what the system says of them.
        created_at: when they registered, where that is known.
    """

    id: int | str
    email: str | None
    username: str | None = None
    names: tuple[str, ...]
    hashed_password: str | None = field(repr=False)
    is_superuser: bool
    is_staff: bool
    is_active: bool
    is_verified: bool
    created_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A system that users come from.

    Attributes:
        name: as the commands have it.
        table: its table of users, where nobody says otherwise.
        columns: by which it is known.
        tokens: its table of live bearer tokens; None where it has none that can be kept.
        providers: its table of accounts at identity providers, and the column that names the provider.
        read: returns whom a row is about.
    """

    name: str
    table: str
    columns: frozenset[str]
    tokens: str | None = None
    providers: tuple[str, str]
    read: Callable[[Row], Person]


def _fastapi_users(row: Row) -> Person:
    return Person(
        id=row["id"],
        email=_text(row["email"]),
        names=_names(row),
        hashed_password=_text(row["hashed_password"]),
        is_superuser=bool(row["is_superuser"]),
        is_staff=False,
        is_active=bool(row["is_active"]),
        is_verified=bool(row.get("is_verified")),
        created_at=_time(row.get("created_at")),
    )


def _django(row: Row) -> Person:
    password = _text(row["password"]) or ""
    return Person(
        id=row["id"],
        email=_text(row["email"]),
        username=_text(row.get("username")),
        names=_names(row),
        # Whom nobody gave a password has an exclamation mark and a random text there.
        hashed_password=None if password.startswith("!") else password or None,
        is_superuser=bool(row["is_superuser"]),
        is_staff=bool(row.get("is_staff")),
        is_active=bool(row["is_active"]),
        is_verified=False,
        created_at=_time(row.get("date_joined")),
    )


def _text(value: object) -> str | None:
    """Return a text that says something; None for everything else, whatever the column holds."""
    return value if isinstance(value, str) and value else None


def _names(row: Row) -> tuple[str, ...]:
    return tuple(filter(None, (_full_name(row), *(_text(row.get(name)) for name in _NAMES))))


def _full_name(row: Row) -> str:
    return re.sub(r"\s+", " ", f"{row.get('first_name') or ''} {row.get('last_name') or ''}").strip()


def _time(text: object) -> datetime | None:
    """Read a time of a row; one without a zone is taken for UTC, as both libraries write it."""
    if not isinstance(text, str):
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:  # infinity, or before Christ
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


FASTAPI_USERS = Source(
    name="fastapi-users",
    table="user",
    columns=frozenset({"id", "email", "hashed_password", "is_active", "is_superuser"}),
    tokens="accesstoken",
    providers=("oauth_account", "oauth_name"),
    read=_fastapi_users,
)

DJANGO = Source(
    name="django",
    table="auth_user",
    columns=frozenset({"id", "email", "password", "is_active", "is_superuser"}),
    providers=("socialaccount_socialaccount", "provider"),
    read=_django,
)

SOURCES = (FASTAPI_USERS, DJANGO)
