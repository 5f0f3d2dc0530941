"""scrypt, as passlib, Kratos, Django, Werkzeug and better-auth write it, and Firebase's with AES behind it.

Firebase keeps one key for all passwords of a project and stores it encrypted by what scrypt makes of each.
Key and parameters belong to the project, so that a hash is complete in Kratos's form of it only:
`$firescrypt$ln=14,r=8,p=1$<salt>$<hash>$<salt separator>$<signer key>`. It needs the package `cryptography`.
"""

import hashlib
import hmac
import re

from gatepost.security.hashes.stored import (
    BASE64,
    MAX_SCRYPT_BYTES,
    MIN_DIGEST_BYTES,
    NUMBER,
    Kind,
    StoredHash,
    decoded,
    require,
)

_DIGEST_SIZES = {32, 64}
"""scrypt's output begins the same whatever its length, so that a digest that was cut off would match."""
_COSTS = rf"r=(?P<r>{NUMBER}),p=(?P<p>{NUMBER})"
_BETTER_AUTH = {"n": 16_384, "r": 16, "p": 1}


def _key(secret: bytes, salt: bytes, n: int, r: int, p: int, length: int) -> bytes:
    # OpenSSL counts some buffers beside the 128·N·r bytes, and refuses 32 MiB without being told.
    return hashlib.scrypt(secret, salt=salt, n=n, r=r, p=p, maxmem=2 * MAX_SCRYPT_BYTES, dklen=length)


def _require_affordable(n: int, r: int, p: int) -> None:
    require(n > 1 and n & (n - 1) == 0 and 128 * n * r * p <= MAX_SCRYPT_BYTES)


def _stored(n: int, r: int, p: int, salt: bytes, digest: bytes) -> StoredHash:
    _require_affordable(n, r, p)
    require(len(digest) in _DIGEST_SIZES)

    def matches(secret: bytes) -> bool:
        return hmac.compare_digest(_key(secret, salt, n, r, p, len(digest)), digest)

    return StoredHash(matches=matches)


def _power(exponent: str) -> int:
    require(int(exponent) < 32)
    return 1 << int(exponent)


def _phc(found: re.Match[str]) -> StoredHash:
    n, digest = _power(found["ln"]), decoded(found["digest"])
    return _stored(n, int(found["r"]), int(found["p"]), decoded(found["salt"]), digest)


def _kratos(found: re.Match[str]) -> StoredHash:
    digest = decoded(found["digest"])
    return _stored(int(found["n"]), int(found["r"]), int(found["p"]), decoded(found["salt"]), digest)


def _django(found: re.Match[str]) -> StoredHash:
    salt, digest = found["salt"].encode(), decoded(found["digest"])
    return _stored(int(found["n"]), int(found["r"]), int(found["p"]), salt, digest)


def _werkzeug(found: re.Match[str]) -> StoredHash:
    salt, digest = found["salt"].encode(), bytes.fromhex(found["digest"])
    return _stored(int(found["n"]), int(found["r"]), int(found["p"]), salt, digest)


def _better_auth(found: re.Match[str]) -> StoredHash:
    return _stored(**_BETTER_AUTH, salt=found["salt"].encode(), digest=bytes.fromhex(found["digest"]))


def _firebase(found: re.Match[str]) -> StoredHash:
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES256
    from cryptography.hazmat.primitives.ciphers.modes import CTR

    n, r, p = _power(found["ln"]), int(found["r"]), int(found["p"])
    _require_affordable(n, r, p)
    salt = decoded(found["salt"]) + decoded(found["separator"])
    digest, signer_key = decoded(found["digest"]), decoded(found["key"])
    require(len(digest) == len(signer_key) >= MIN_DIGEST_BYTES)

    def matches(secret: bytes) -> bool:
        cipher = Cipher(AES256(_key(secret, salt, n, r, p, 32)), CTR(bytes(16)))
        return hmac.compare_digest(cipher.encryptor().update(signer_key), digest)

    return StoredHash(matches=matches)


KINDS = (
    Kind(
        "scrypt",
        ("$scrypt$",),
        re.compile(rf"\$scrypt\$ln=(?P<ln>[1-9][0-9]?),{_COSTS}\$(?P<salt>{BASE64})\$(?P<digest>{BASE64})"),
        _phc,
    ),
    Kind(
        "Kratos's scrypt",  # `ln` is N itself
        ("$scrypt$",),
        re.compile(
            rf"\$scrypt\$ln=(?P<n>[1-9][0-9]{{2,9}}),{_COSTS}\$(?P<salt>{BASE64})\$(?P<digest>{BASE64})"
        ),
        _kratos,
    ),
    Kind(
        "Django's scrypt",
        ("scrypt$",),
        re.compile(
            rf"scrypt\$(?P<n>{NUMBER})\$(?P<salt>[^$]+)\$(?P<r>{NUMBER})\$(?P<p>{NUMBER})\$(?P<digest>{BASE64})"
        ),
        _django,
    ),
    Kind(
        "Werkzeug's scrypt",
        ("scrypt:",),
        re.compile(
            rf"scrypt:(?P<n>{NUMBER}):(?P<r>{NUMBER}):(?P<p>{NUMBER})\$(?P<salt>[^$]+)\$(?P<digest>[0-9a-f]+)"
        ),
        _werkzeug,
    ),
    Kind(
        "better-auth's scrypt",
        (),
        re.compile(r"(?P<salt>[0-9a-f]{32}):(?P<digest>[0-9a-f]{128})"),
        _better_auth,
    ),
    Kind(
        "Firebase's scrypt",
        ("$firescrypt$",),
        re.compile(
            rf"\$firescrypt\$ln=(?P<ln>[1-9][0-9]?),{_COSTS}\$(?P<salt>{BASE64})\$(?P<digest>{BASE64})"
            rf"\$(?P<separator>(?:{BASE64})?)\$(?P<key>{BASE64})"
        ),
        _firebase,
        needs="cryptography",
    ),
)
