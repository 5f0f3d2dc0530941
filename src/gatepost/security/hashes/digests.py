"""Digests without any work to speak of, in the forms in which Kratos imports them; LDAP's among them.

`pf` says how password and salt are put together. They are weak: whoever has the table tries billions a
second. All the more reason to take them in, because the first sign-in replaces them.
"""

import hashlib
import hmac
import re

from gatepost.security.hashes.stored import BASE64, MIN_DIGEST_BYTES, Kind, StoredHash, decoded, require

_PLACES = re.compile(rb"\{SALT\}|\{PASSWORD\}")
_LDAP = {"SSHA": "sha1", "SSHA256": "sha256", "SSHA512": "sha512"}


def _digest(algorithm: str, data: bytes) -> bytes:
    return hashlib.new(algorithm, data, usedforsecurity=False).digest()


def _size(algorithm: str) -> int:
    return hashlib.new(algorithm, usedforsecurity=False).digest_size


def _salted(found: re.Match[str]) -> StoredHash:
    form, salt, digest = (decoded(found[name]) for name in ("form", "salt", "digest"))
    require(b"{PASSWORD}" in form and len(digest) == _size(found["algorithm"]))

    def matches(secret: bytes) -> bool:
        parts = {b"{SALT}": salt, b"{PASSWORD}": secret}
        data = _PLACES.sub(lambda place: parts[place[0]], form)
        return hmac.compare_digest(_digest(found["algorithm"], data), digest)

    return StoredHash(matches=matches)


def _unsalted(found: re.Match[str]) -> StoredHash:
    digest = decoded(found["digest"])
    require(len(digest) == MIN_DIGEST_BYTES)
    return StoredHash(matches=lambda secret: hmac.compare_digest(_digest("md5", secret), digest))


def _keyed(found: re.Match[str]) -> StoredHash:
    digest, key = bytes.fromhex(decoded(found["digest"]).decode("ascii")), decoded(found["key"])
    require(len(digest) == _size(found["algorithm"]))

    def matches(secret: bytes) -> bool:
        return hmac.compare_digest(hmac.digest(key, secret, found["algorithm"]), digest)

    return StoredHash(matches=matches)


def _ldap(found: re.Match[str]) -> StoredHash:
    algorithm, stored = _LDAP[found["scheme"]], decoded(found["digest"])
    size = _size(algorithm)
    digest, salt = stored[:size], stored[size:]
    require(len(salt) > 0)
    return StoredHash(matches=lambda secret: hmac.compare_digest(_digest(algorithm, secret + salt), digest))


KINDS = (
    Kind(
        "a salted digest",
        ("$md5$pf=", "$sha1$pf=", "$sha256$pf=", "$sha512$pf="),
        re.compile(
            rf"\$(?P<algorithm>md5|sha1|sha256|sha512)\$pf=(?P<form>{BASE64})"
            rf"\$(?P<salt>{BASE64})\$(?P<digest>{BASE64})"
        ),
        _salted,
    ),
    Kind("MD5", ("$md5$",), re.compile(rf"\$md5\$(?P<digest>{BASE64})"), _unsalted),
    Kind(
        "HMAC",
        ("$hmac-md5$", "$hmac-sha"),
        re.compile(
            rf"\$hmac-(?P<algorithm>md5|sha1|sha224|sha256|sha384|sha512)\$(?P<digest>{BASE64})\$(?P<key>{BASE64})"
        ),
        _keyed,
    ),
    Kind(
        "LDAP's salted SHA",
        ("{SSHA",),
        re.compile(rf"\{{(?P<scheme>SSHA(?:256|512)?)\}}(?P<digest>{BASE64})"),
        _ldap,
    ),
)
