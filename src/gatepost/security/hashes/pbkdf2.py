"""PBKDF2, as passlib, Django, Werkzeug and Kratos write it."""

import hashlib
import hmac
import re

from gatepost.security.hashes.stored import (
    BASE64,
    MAX_PBKDF2_ROUNDS,
    MIN_DIGEST_BYTES,
    NUMBER,
    Kind,
    StoredHash,
    decoded,
    require,
)

_SHA = r"sha(?:1|224|256|384|512)"
_ROUNDS = rf"(?P<rounds>{NUMBER})"


def _stored(algorithm: str, rounds: int, salt: bytes, digest: bytes, length: int | None = None) -> StoredHash:
    """Return what can be checked; the digest is as long as its function's unless another length is told."""
    size = hashlib.new(algorithm).digest_size
    require(len(digest) == (size if length is None else length) >= MIN_DIGEST_BYTES)
    require(rounds * -(-len(digest) // size) <= MAX_PBKDF2_ROUNDS)

    def matches(secret: bytes) -> bool:
        found = hashlib.pbkdf2_hmac(algorithm, secret, salt, rounds, len(digest))
        return hmac.compare_digest(found, digest)

    return StoredHash(matches=matches)


def _passlib(found: re.Match[str]) -> StoredHash:
    digest = decoded(found["digest"])
    return _stored(found["sha"] or "sha1", int(found["rounds"]), decoded(found["salt"]), digest)


def _kratos(found: re.Match[str]) -> StoredHash:
    salt, digest = decoded(found["salt"]), decoded(found["digest"])
    return _stored(found["sha"], int(found["rounds"]), salt, digest, int(found["length"]))


def _django(found: re.Match[str]) -> StoredHash:
    digest = decoded(found["digest"])
    return _stored(found["sha"], int(found["rounds"]), found["salt"].encode(), digest)


def _werkzeug(found: re.Match[str]) -> StoredHash:
    digest = bytes.fromhex(found["digest"])
    return _stored(found["sha"], int(found["rounds"]), found["salt"].encode(), digest)


KINDS = (
    Kind(
        "passlib's PBKDF2",
        ("$pbkdf2$", "$pbkdf2-sha"),
        re.compile(
            rf"\$pbkdf2(?:-(?P<sha>sha256|sha512))?\${_ROUNDS}\$(?P<salt>(?:{BASE64})?)\$(?P<digest>{BASE64})"
        ),
        _passlib,
    ),
    Kind(
        "Kratos's PBKDF2",
        ("$pbkdf2-sha",),
        re.compile(
            rf"\$pbkdf2-(?P<sha>{_SHA})\$i={_ROUNDS},l=(?P<length>[0-9]{{1,4}})"
            rf"\$(?P<salt>{BASE64})\$(?P<digest>{BASE64})"
        ),
        _kratos,
    ),
    Kind(
        "Django's PBKDF2",
        ("pbkdf2_sha",),
        re.compile(rf"pbkdf2_(?P<sha>{_SHA})\${_ROUNDS}\$(?P<salt>[^$]+)\$(?P<digest>{BASE64})"),
        _django,
    ),
    Kind(
        "Werkzeug's PBKDF2",
        ("pbkdf2:sha",),
        re.compile(rf"pbkdf2:(?P<sha>{_SHA}):{_ROUNDS}\$(?P<salt>[^$]+)\$(?P<digest>[0-9a-f]+)"),
        _werkzeug,
    ),
)
