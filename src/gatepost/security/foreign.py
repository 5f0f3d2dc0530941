"""Password hashes that other software made and that are no bcrypt: checked, never made.

Read are argon2 (also as Django writes it), scrypt (PHC format of passlib, Django, Werkzeug) and pbkdf2
(passlib, Django, Werkzeug). What libpass knows it checks; Django's salts are wider than it allows and
Werkzeug's formats unknown to it, so those few lines are here.

What a stored hash may cost is bounded: whoever can write one row must not be able to keep a core busy
for hours or take all memory. The bounds stand far above what any of these libraries recommends, and
each keeps one check below some five seconds of one core.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

MAX_HASH_LENGTH = 1024
"""Characters of a stored hash; longer ones are not read."""
MAX_PBKDF2_ROUNDS = 5_000_000
"""Iterations (Django 6 uses 1.2 million, Werkzeug 3 one million)."""
MAX_SCRYPT_BYTES = 512 * 2**20
"""128·N·r·p, which bounds memory and work (OWASP's strongest: 128 MiB)."""
MAX_ARGON2_KIB = 512 * 2**10
"""Memory (libsodium's MODERATE: 256 MiB)."""
MAX_ARGON2_KIB_PASSES = 2 * 2**20
"""Memory times passes."""
MAX_ARGON2_LANES = 64
"""Lanes, each of them a thread."""
_MIN_DIGEST_BYTES = 16


class LibpassHandler(Protocol):
    """The part of libpass's classes that is used here; all of them are class methods."""

    def using(self, *, rounds: int) -> Self:
        """Return the same kind with another cost."""
        ...

    def hash(self, secret: bytes, /) -> str:
        """Return a new hash."""
        ...

    def verify(self, secret: bytes, hash: str, /) -> bool:  # noqa: A002 - libpass's own name
        """Return whether the password fits."""
        ...

    def from_string(self, hash: str, /) -> Any:  # noqa: A002, ANN401 - libpass's own, each class has other fields
        """Return the parsed hash; raises ValueError and more for what can't be parsed."""
        ...


def verify(secret: bytes, stored: str) -> bool | None:
    """Return whether the password fits; None for a hash that is unknown, malformed or too costly.

    Args:
        secret: the password as it was hashed, at most 4096 bytes.
        stored: the hash; must not be bcrypt.
    """
    if len(stored) > MAX_HASH_LENGTH:
        return None
    for prefix, scheme in _SCHEMES.items():
        if stored.startswith(prefix):
            try:
                return scheme(secret, stored)
            except Exception:
                # The libraries differ in what they raise for a hash they can't read (ValueError,
                # TypeError, AssertionError, a warning made an error …); a login must survive them all.
                return None
    return None


def libpass_handler(name: str) -> LibpassHandler:
    """Return libpass's class for a kind of hash, for instance `bcrypt_sha256`."""
    # Imported at the first use: it takes more than 100 ms, and most installations never need it.
    from passlib import hash as handlers  # type: ignore[import-untyped] # libpass ships no types

    handler: LibpassHandler = getattr(handlers, name)
    return handler


def _require(condition: bool) -> None:
    if not condition:
        raise ValueError


def _passlib_pbkdf2(name: str) -> Callable[[bytes, str], bool]:
    def check(secret: bytes, stored: str) -> bool:
        handler = libpass_handler(name)
        _require(handler.from_string(stored).rounds <= MAX_PBKDF2_ROUNDS)
        return handler.verify(secret, stored)

    return check


def _passlib_scrypt(secret: bytes, stored: str) -> bool:
    handler = libpass_handler("scrypt")
    parsed = handler.from_string(stored)
    _require(0 < parsed.rounds < 64)
    _require_affordable_scrypt(1 << parsed.rounds, parsed.block_size, parsed.parallelism)
    return handler.verify(secret, stored)


def _argon2(secret: bytes, stored: str) -> bool:
    handler = libpass_handler("argon2")
    stored = stored.removeprefix("argon2")  # Django's: "argon2" and then the standard form
    parsed = handler.from_string(stored)
    _require(parsed.memory_cost <= MAX_ARGON2_KIB)
    _require(parsed.memory_cost * parsed.rounds <= MAX_ARGON2_KIB_PASSES)
    _require(parsed.parallelism <= MAX_ARGON2_LANES)
    # The length of the digest is the hash's own; one of a few bytes is a cut-off column, easily guessed.
    _require(parsed.checksum is not None and len(parsed.checksum) >= _MIN_DIGEST_BYTES)
    return handler.verify(secret, stored)


def _django_pbkdf2(secret: bytes, stored: str) -> bool:
    algorithm, rounds, salt, digest = stored.split("$")
    found = _pbkdf2(algorithm.removeprefix("pbkdf2_"), secret, salt, int(rounds))
    return hmac.compare_digest(base64.b64encode(found), digest.encode())


def _django_scrypt(secret: bytes, stored: str) -> bool:
    _, n, salt, r, p, digest = stored.split("$")
    found = _scrypt(secret, salt, int(n), int(r), int(p))
    return hmac.compare_digest(base64.b64encode(found), digest.encode())


def _werkzeug_pbkdf2(secret: bytes, stored: str) -> bool:
    method, salt, digest = stored.split("$")
    _, algorithm, rounds = method.split(":")
    return hmac.compare_digest(_pbkdf2(algorithm, secret, salt, int(rounds)).hex().encode(), digest.encode())


def _werkzeug_scrypt(secret: bytes, stored: str) -> bool:
    method, salt, digest = stored.split("$")
    _, n, r, p = method.split(":")
    found = _scrypt(secret, salt, int(n), int(r), int(p))
    return hmac.compare_digest(found.hex().encode(), digest.encode())


def _pbkdf2(algorithm: str, secret: bytes, salt: str, rounds: int) -> bytes:
    _require(algorithm in {"sha1", "sha256", "sha512"} and rounds <= MAX_PBKDF2_ROUNDS)
    return hashlib.pbkdf2_hmac(algorithm, secret, salt.encode(), rounds)


def _scrypt(secret: bytes, salt: str, n: int, r: int, p: int) -> bytes:
    _require_affordable_scrypt(n, r, p)
    # OpenSSL counts some buffers beside the 128·N·r bytes, and refuses 32 MiB without being told.
    return hashlib.scrypt(secret, salt=salt.encode(), n=n, r=r, p=p, maxmem=2 * MAX_SCRYPT_BYTES, dklen=64)


def _require_affordable_scrypt(n: int, r: int, p: int) -> None:
    _require(min(n, r, p) > 0 and 128 * n * r * p <= MAX_SCRYPT_BYTES)


_SCHEMES: Mapping[str, Callable[[bytes, str], bool]] = {
    "$argon2": _argon2,
    "argon2$argon2": _argon2,
    "$pbkdf2$": _passlib_pbkdf2("pbkdf2_sha1"),
    "$pbkdf2-sha256$": _passlib_pbkdf2("pbkdf2_sha256"),
    "$pbkdf2-sha512$": _passlib_pbkdf2("pbkdf2_sha512"),
    "pbkdf2_sha1$": _django_pbkdf2,
    "pbkdf2_sha256$": _django_pbkdf2,
    "pbkdf2:": _werkzeug_pbkdf2,
    "$scrypt$": _passlib_scrypt,
    "scrypt$": _django_scrypt,
    "scrypt:": _werkzeug_scrypt,
}
