"""What crypt(3) and its relatives make by repeating a plain digest: md5-crypt, sha-crypt, phpass.

md5-crypt (`$1$`, Apache's `$apr1$`) is Poul-Henning Kamp's, sha-crypt (`$5$`, `$6$`) Ulrich Drepper's
specification of 2008, phpass (`$P$`, phpBB's `$H$`) Solar Designer's portable hash. Kratos writes the first
two as `$md5-crypt$`, `$sha256-crypt$` and `$sha512-crypt$`. Here they are loops in Python: a check holds
the interpreter, which changes threads every few milliseconds all the same.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable
from functools import partial

from gatepost.security.hashes.stored import MAX_CRYPT_BYTES, Kind, StoredHash, require

_ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MIN_ROUNDS, _MAX_ROUNDS, _ROUNDS = 1_000, 1_000_000, 5_000
_MD5_ROUNDS = 1_000


def _function(algorithm: str) -> "Callable[[bytes], hashlib._Hash]":
    # By its own name: `hashlib.new` takes as long as the digest of a block.
    return partial(getattr(hashlib, algorithm), usedforsecurity=False)


def _digest(algorithm: str, data: bytes) -> bytes:
    return _function(algorithm)(data).digest()


def _encoded(digest: bytes, groups: Iterable[tuple[int, ...]]) -> str:
    """Return the digits of a digest, least first; each group names up to three bytes, least first."""
    out = []
    for group in groups:
        value = sum(digest[place] << 8 * n for n, place in enumerate(group))
        out += [_ALPHABET[value >> 6 * n & 0x3F] for n in range((8 * len(group) + 5) // 6)]
    return "".join(out)


def _md5_groups() -> Iterable[tuple[int, ...]]:
    yield from ((place + 12, place + 6, place) for place in range(4))
    yield from ((5, 10, 4), (11,))


def _sha_groups(size: int) -> Iterable[tuple[int, ...]]:
    third = size // 3
    turn = 1 if size == 32 else 2
    for place in range(third):
        group = (place + 2 * third, place + third, place)
        start = turn * place % 3
        yield group[start:] + group[:start]
    yield (30, 31) if size == 32 else (63,)


def _repeated(algorithm: str, start: bytes, password: bytes, salt: bytes, rounds: int) -> bytes:
    """Digest again and again; what is mixed in before and behind comes by turns that repeat after 42."""
    turns = []
    for number in range(42):
        mixed = (salt if number % 3 else b"") + (password if number % 7 else b"")
        turns.append((password + mixed, b"") if number % 2 else (b"", mixed + password))
    digest, found = _function(algorithm), start
    for number in range(rounds):
        before, behind = turns[number % 42]
        found = digest(before + found + behind).digest()
    return found


def _mixed(algorithm: str, password: bytes, begun: bytes, zero: bytes, one: bytes) -> bytes:
    """Return what the rounds begin with: what there is so far, and more for each bit of the length."""
    length = len(password)
    while length:
        begun += one if length & 1 else zero
        length >>= 1
    return _digest(algorithm, begun)


def _filled(pattern: bytes, length: int) -> bytes:
    return (pattern * (length // len(pattern) + 1))[:length]


def _md5_crypt(password: bytes, salt: bytes, magic: bytes) -> str:
    other = _digest("md5", password + salt + password)
    begun = password + magic + salt + _filled(other, len(password))
    start = _mixed("md5", password, begun, password[:1], b"\0")
    return _encoded(_repeated("md5", start, password, salt, _MD5_ROUNDS), _md5_groups())


def _sha_crypt(algorithm: str, password: bytes, salt: bytes, rounds: int) -> str:
    other = _digest(algorithm, password + salt + password)
    begun = password + salt + _filled(other, len(password))
    start = _mixed(algorithm, password, begun, password, other)
    long_password = _filled(_digest(algorithm, password * len(password)), len(password))
    long_salt = _filled(_digest(algorithm, salt * (16 + start[0])), len(salt))
    digest = _repeated(algorithm, start, long_password, long_salt, rounds)
    return _encoded(digest, _sha_groups(len(digest)))


def _phpass(password: bytes, salt: bytes, rounds: int) -> str:
    digest = _function("md5")
    found = digest(salt + password).digest()
    for _ in range(rounds):
        found = digest(found + password).digest()
    return _encoded(found, ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11), (12, 13, 14), (15,)))


def _is_affordable(secret: bytes, rounds: int) -> bool:
    # A round takes the password twice at the most, and one block of what else there is.
    return rounds * (2 * len(secret) + 128) <= MAX_CRYPT_BYTES


def _read_md5_crypt(found: re.Match[str]) -> StoredHash:
    magic = b"$apr1$" if found["apache"] else b"$1$"

    def matches(secret: bytes) -> bool:
        made = _md5_crypt(secret, found["salt"].encode(), magic)
        return hmac.compare_digest(made, found["digest"])

    return StoredHash(matches=matches)


def _read_sha_crypt(found: re.Match[str]) -> StoredHash:
    algorithm = "sha256" if found["sha"] in {"5", "sha256-crypt"} else "sha512"
    rounds = _ROUNDS if found["rounds"] is None else int(found["rounds"])
    require(_MIN_ROUNDS <= rounds <= _MAX_ROUNDS)
    require(len(found["digest"]) == (43 if algorithm == "sha256" else 86))

    def matches(secret: bytes) -> bool:
        if not _is_affordable(secret, rounds):
            return False
        made = _sha_crypt(algorithm, secret, found["salt"].encode(), rounds)
        return hmac.compare_digest(made, found["digest"])

    return StoredHash(matches=matches)


def _read_phpass(found: re.Match[str]) -> StoredHash:
    rounds = 1 << _ALPHABET.index(found["rounds"])
    require(1 << 7 <= rounds <= _MAX_ROUNDS)

    def matches(secret: bytes) -> bool:
        if not _is_affordable(secret, rounds):
            return False
        return hmac.compare_digest(_phpass(secret, found["salt"].encode(), rounds), found["digest"])

    return StoredHash(matches=matches)


KINDS = (
    Kind(
        "md5-crypt",
        ("$1$", "$apr1$", "$md5-crypt$"),
        re.compile(
            r"\$(?:1|(?P<apache>apr1)|md5-crypt)\$(?P<salt>[!-#%-~]{0,8})\$(?P<digest>[./0-9A-Za-z]{22})"
        ),
        _read_md5_crypt,
    ),
    Kind(
        "sha-crypt",
        ("$5$", "$6$", "$sha256-crypt$", "$sha512-crypt$"),
        re.compile(
            r"\$(?P<sha>5|6|sha256-crypt|sha512-crypt)\$(?:rounds=(?P<rounds>[1-9][0-9]{0,8})\$)?"
            r"(?P<salt>[!-#%-~]{0,16})\$(?P<digest>[./0-9A-Za-z]+)"
        ),
        _read_sha_crypt,
    ),
    Kind(
        "phpass",
        ("$P$", "$H$"),
        re.compile(
            r"\$[PH]\$(?P<rounds>[./0-9A-Za-z])(?P<salt>[./0-9A-Za-z]{8})(?P<digest>[./0-9A-Za-z]{22})"
        ),
        _read_phpass,
    ),
)
