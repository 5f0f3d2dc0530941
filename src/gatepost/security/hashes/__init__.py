"""Stored password hashes: those that are made here, and those that other software made.

Each family has a module: how its forms are read, and what a password is checked by. All of them stand in
one table, `KINDS`. New hashes are made by `bcrypts.Bcrypt` or `argon2s.Argon2id`.
"""

import re

from gatepost.security.hashes import argon2s, bcrypts, crypts, digests, pbkdf2, scrypts
from gatepost.security.hashes.argon2s import Argon2id
from gatepost.security.hashes.bcrypts import Bcrypt
from gatepost.security.hashes.stored import (
    MAX_LENGTH,
    CorruptHash,
    Kind,
    StoredHash,
    UnreadableHash,
    UnsupportedHash,
)

__all__ = [
    "KINDS",
    "Argon2id",
    "Bcrypt",
    "CorruptHash",
    "Kind",
    "StoredHash",
    "UnreadableHash",
    "UnsupportedHash",
    "name_of",
    "patterns",
    "read",
]

KINDS: tuple[Kind, ...] = (
    *bcrypts.KINDS,
    *argon2s.KINDS,
    *pbkdf2.KINDS,
    *scrypts.KINDS,
    *crypts.KINDS,
    *digests.KINDS,
)
"""Every form that is read."""


def read(stored: str, *, devise_pepper: bytes = b"") -> StoredHash:
    """Read a stored hash; that computes nothing, and is quick whatever it holds.

    Args:
        stored: what is in the column.
        devise_pepper: what was put behind each password before it became `$2a$`.

    Raises:
        CorruptHash: it is of a known kind, and damaged or too costly.
        UnsupportedHash: it is of no kind that can be checked here.
    """
    if len(stored) <= MAX_LENGTH:
        try:
            if devise_pepper and (devise := bcrypts.DEVISE.fullmatch(stored)):
                return bcrypts.peppered(devise, devise_pepper)
            for kind in KINDS:
                if found := kind.form.fullmatch(stored):
                    if not kind.is_supported:
                        raise UnsupportedHash
                    return kind.read(found)
        except UnreadableHash:
            raise
        except ValueError:
            raise CorruptHash from None
    if any(stored.startswith(kind.begins) for kind in KINDS):
        raise CorruptHash
    raise UnsupportedHash


def name_of(stored: str) -> str | None:
    """Return the name of the kind that a stored hash is of, a damaged one too; None where it is of none."""
    for kind in KINDS:
        if kind.form.fullmatch(stored):
            return kind.name
    return next((kind.name for kind in KINDS if any(map(stored.startswith, kind.begins))), None)


def patterns() -> list[str]:
    """Return the forms that are read as regular expressions of PostgreSQL, the commonest first.

    They say nothing of lengths: PostgreSQL takes ten times as long to count.
    """
    forms = (kind.form.pattern for kind in KINDS if kind.is_supported)
    uncounted = (re.sub(r"\{(\d+)(?:,\d+)?\}", lambda n: "*" if n[1] == "0" else "+", form) for form in forms)
    return [f"^(?:{re.sub(r'[(][?]P<[a-z0-9_]+>', '(?:', form)})$" for form in uncounted]
