"""What every kind of stored hash has in common: how it is read, and what it may cost to check.

Whoever can write one row must not be able to keep a core busy for hours or take all memory, so the cost of
a stored hash is bounded when it is read, before anything is computed. The bounds stand far above what any
of the makers recommends, and each keeps one check below some five seconds of one core.
"""

import base64
import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass

MAX_LENGTH = 1024
"""Characters of a stored hash; longer ones are not read."""
MAX_BCRYPT_COST = 16
"""The highest that `BCRYPT_ROUNDS` takes (some five seconds)."""
MAX_PBKDF2_ROUNDS = 5_000_000
"""Iterations times blocks of output (Django 6 uses 1.2 million, Werkzeug 3 one million, both one block)."""
MAX_SCRYPT_BYTES = 512 * 2**20
"""128·N·r·p, which bounds memory and work (OWASP's strongest: 128 MiB)."""
MAX_ARGON2_KIB = 512 * 2**10
"""Memory (libsodium's MODERATE: 256 MiB)."""
MAX_ARGON2_KIB_PASSES = 2 * 2**20
"""Memory times passes."""
MAX_ARGON2_LANES = 64
"""Lanes, each of them a thread."""
MAX_CRYPT_BYTES = 512 * 2**20
"""Bytes that sha-crypt and phpass may digest (passlib's 656,000 rounds of sha512-crypt, of a short password,
are some 100 MiB)."""
MIN_DIGEST_BYTES = 16
"""A shorter digest is that of a column which is too narrow, and easily guessed."""


class UnreadableHash(ValueError):
    """A stored hash that no password can be checked against.

    Attributes:
        reason: its name on the trail.
    """

    reason = "corrupt_hash"


class CorruptHash(UnreadableHash):
    """It is of a known kind, and damaged or too costly."""


class UnsupportedHash(UnreadableHash):
    """It is of a kind that can't be checked here."""

    reason = "unsupported_hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2Cost:
    """What argon2id costs.

    Attributes:
        memory: KiB.
        passes: over the memory.
        lanes: that are worked on at once.
    """

    memory: int
    passes: int
    lanes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHash:
    """A stored hash that was read; nothing is computed yet.

    Attributes:
        matches: says whether these bytes are the password; takes the full work whether they are or not.
        is_ours: it may have been made here, of a password in NFC.
        is_strong: it is kept, whoever made it and whichever method is set.
        bcrypt_cost: of bcrypt and what wraps it.
        argon2_cost: of argon2id in its current version.
    """

    matches: Callable[[bytes], bool]
    is_ours: bool = False
    is_strong: bool = False
    bcrypt_cost: int | None = None
    argon2_cost: Argon2Cost | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """One written form of password hashes.

    Attributes:
        name: of the function and, where it has a form of its own, of who writes it.
        begins: how each begins that is of this kind, a damaged one too.
        form: a whole one.
        read: makes of it what can be checked; raises ValueError where that can't be, or costs too much.
        needs: a package that not every installation has.
    """

    name: str
    begins: tuple[str, ...]
    form: re.Pattern[str]
    read: Callable[[re.Match[str]], StoredHash]
    needs: str | None = None

    @property
    def is_supported(self) -> bool:
        """Whether what it needs is there."""
        return self.needs is None or importlib.util.find_spec(self.needs) is not None


def require(condition: bool) -> None:
    """Refuse a hash.

    Raises:
        ValueError: the condition does not hold.
    """
    if not condition:
        raise ValueError


def decoded(text: str) -> bytes:
    """Return the bytes of base64, padded or not; `.` may stand for `+`, as passlib writes it.

    Raises:
        ValueError: it is none.
    """
    text = text.rstrip("=").replace(".", "+")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


BASE64 = r"[A-Za-z0-9+/.]+={0,2}"
"""What `decoded` reads."""
NUMBER = r"[1-9][0-9]{0,9}"
