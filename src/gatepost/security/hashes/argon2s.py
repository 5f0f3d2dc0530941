"""argon2id, the other method that new hashes are made by; argon2i and argon2d are checked too.

What is made has the parameters that OWASP's Password Storage Cheat Sheet names first: 19 MiB, two passes,
one lane. The sheet calls five pairs of memory and passes equally strong, and so are they here.
"""

import hmac
import re
import secrets

from argon2.low_level import ARGON2_VERSION, Type, hash_secret, hash_secret_raw

from gatepost.security.hashes.stored import (
    BASE64,
    MAX_ARGON2_KIB,
    MAX_ARGON2_KIB_PASSES,
    MAX_ARGON2_LANES,
    MIN_DIGEST_BYTES,
    NUMBER,
    Argon2Cost,
    Kind,
    StoredHash,
    decoded,
    require,
)

COST = Argon2Cost(memory=19_456, passes=2, lanes=1)
"""Of new hashes."""
_EQUALLY_STRONG = ((47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5))
"""OWASP's pairs of KiB and passes."""
_SALT_BYTES, _DIGEST_BYTES = 16, 32
_MIN_SALT_BYTES = 8
_TYPES = {"d": Type.D, "i": Type.I, "id": Type.ID}


class Argon2id:
    """Makes hashes by argon2id."""

    seconds = 0.025
    """About how long a check takes one core."""

    def make(self, secret: bytes) -> str:
        """Return the hash to store."""
        made = hash_secret(
            secret,
            secrets.token_bytes(_SALT_BYTES),
            time_cost=COST.passes,
            memory_cost=COST.memory,
            parallelism=COST.lanes,
            hash_len=_DIGEST_BYTES,
            type=Type.ID,
        )
        return made.decode()

    def keeps(self, stored: StoredHash) -> bool:
        """Say whether a hash is as good as one that would be made now."""
        return stored.is_strong

    def equalize(self, secret: bytes, stored: StoredHash | None) -> None:
        """Do the work that checking an unknown user's password takes beyond that of a stored hash."""
        if stored is None or stored.argon2_cost != COST:
            _digest(secret, bytes(_SALT_BYTES), COST, _DIGEST_BYTES, Type.ID, ARGON2_VERSION)


def _is_strong(cost: Argon2Cost) -> bool:
    return any(cost.memory >= memory and cost.passes >= passes for memory, passes in _EQUALLY_STRONG)


def _digest(secret: bytes, salt: bytes, cost: Argon2Cost, length: int, type_: Type, version: int) -> bytes:
    return hash_secret_raw(
        secret,
        salt,
        time_cost=cost.passes,
        memory_cost=cost.memory,
        parallelism=cost.lanes,
        hash_len=length,
        type=type_,
        version=version,
    )


def _read(found: re.Match[str]) -> StoredHash:
    cost = Argon2Cost(memory=int(found["memory"]), passes=int(found["passes"]), lanes=int(found["lanes"]))
    salt, digest = decoded(found["salt"]), decoded(found["digest"])
    type_, version = _TYPES[found["type"]], int(found["version"] or 16)
    require(cost.memory <= MAX_ARGON2_KIB and cost.memory * cost.passes <= MAX_ARGON2_KIB_PASSES)
    require(cost.lanes <= MAX_ARGON2_LANES and cost.memory >= 8 * cost.lanes)
    require(len(salt) >= _MIN_SALT_BYTES and len(digest) >= MIN_DIGEST_BYTES)

    def matches(secret: bytes) -> bool:
        return hmac.compare_digest(_digest(secret, salt, cost, len(digest), type_, version), digest)

    is_current = type_ is Type.ID and version == ARGON2_VERSION
    return StoredHash(
        matches=matches,
        is_ours=is_current and cost == COST,
        is_strong=is_current and _is_strong(cost),
        argon2_cost=cost if is_current else None,
    )


KINDS = (
    Kind(
        "argon2",
        ("$argon2id$", "$argon2i$", "$argon2d$", "argon2$argon2"),
        re.compile(
            r"(?:\$|argon2\$)argon2(?P<type>id|i|d)\$(?:v=(?P<version>16|19)\$)?"
            rf"m=(?P<memory>{NUMBER}),t=(?P<passes>{NUMBER}),p=(?P<lanes>{NUMBER})"
            rf"\$(?P<salt>{BASE64})\$(?P<digest>{BASE64})"
        ),
        _read,
    ),
)
