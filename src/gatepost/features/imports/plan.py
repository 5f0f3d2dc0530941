"""What is to be imported, and what came of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from gatepost.features.imports.sources import Source


class Admins(StrEnum):
    """Who becomes an administrator of Gatepost."""

    NONE = "none"
    SUPERUSERS = "superusers"
    STAFF = "staff"


class Problem(StrEnum):
    """Why a user is not imported."""

    NO_EMAIL = "no_email"
    INVALID_EMAIL = "invalid_email"
    SAME_EMAIL = "same_email"
    EMAIL_TAKEN = "email_taken"
    ID_TAKEN = "id_taken"
    ID_UNFIT = "id_unfit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A user who is not imported.

    Attributes:
        id, email: of the other system's row.
        problem: why.
    """

    id: int | str
    email: str | None
    problem: Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be imported.

    Attributes:
        source: the system.
        dsn: where its tables are; None for the database of Gatepost.
        table: of its users; with a schema before a dot, if need be.
        admins: who becomes an administrator.
        emails: id → the e-mail that this user gets instead.
        domain: whoever has no e-mail gets `username@domain`; None where they are left out.
        lifetime: of the other system's tokens; zero where they never expire; None leaves them out.
    """

    source: Source
    dsn: str | None = None
    table: str
    admins: Admins = Admins.SUPERUSERS
    emails: Mapping[str, str] = field(default_factory=dict)
    domain: str | None = None
    lifetime: timedelta | None = None


@dataclass(slots=True, kw_only=True)
class Imported:
    """What came of an import, or would.

    Attributes:
        users: in the other system.
        imported: of them now; `admins` and `disabled` are among these.
        present: were here already.
        hashes: of those imported, by kind.
        unsupported, damaged: kinds of hashes that can't be checked.
        conflicts: who is left out.
        tokens: what became of the other system's: `imported`, `present`, `expired`, `unfit` (no session
            token can look so), `left` (of users who are not here, disabled, or asked for a second
            factor here, or no lifetime was given).
        unfilled: columns of `users` that must have a value, and for which there is none.
        providers: accounts at identity providers, which are left where they are.
    """

    users: int = 0
    imported: int = 0
    present: int = 0
    admins: int = 0
    disabled: int = 0
    passwordless: int = 0
    hashes: Counter[str] = field(default_factory=Counter)
    unsupported: Counter[str] = field(default_factory=Counter)
    damaged: Counter[str] = field(default_factory=Counter)
    conflicts: list[Conflict] = field(default_factory=list)
    tokens: Counter[str] = field(default_factory=Counter)
    unfilled: Sequence[str] = ()
    providers: Mapping[str, int] = field(default_factory=dict)


def nothing_fills(column: str) -> str:
    """Say what to do about a column of `users` that must have a value, and for which there is none."""
    return (
        f"Nothing fills it, and it must not be empty. Have @auth.on_insert('{column}') in your application do"
        " it, and name the application: gatepost --app MODULE:NAME import"
    )
