"""bcrypt, and what digests a password before it: one of the two methods that new hashes are made by.

bcrypt reads at most 72 bytes and treats its input as ended by NUL. What fits is hashed as it is (`$2b$`); a
longer password, or one with a NUL, goes through HMAC-SHA256 keyed by the salt first (`$bcrypt-sha256$v=2`,
passlib's format). Read are also `$2a$` and `$2y$`, passlib's first wrapping, Django's two, WordPress 6.8's,
and Devise's with its pepper. `$2x$` is not: it marks the hashes of a faulty implementation, which bcrypt
does not imitate.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable

import bcrypt

from gatepost.security.hashes.stored import MAX_BCRYPT_COST, Kind, StoredHash, require

_MAX_BYTES = 72
_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
# Of the last character of a salt four bits count for nothing, of a digest's two. Most software writes them
# as zeros and reads over them; bcrypt itself refuses others.
_SALT_ENDS = {char: _ALPHABET[place & 0x30] for place, char in enumerate(_ALPHABET)}
_DIGEST_ENDS = {char: _ALPHABET[place & 0x3C] for place, char in enumerate(_ALPHABET)}

_SALT = r"(?P<salt>[./0-9A-Za-z]{22})"
_DIGEST = r"(?P<digest>[./0-9A-Za-z]{31})"
_PLAIN = rf"\$2(?P<ident>[aby])\$(?P<cost>[0-9]{{2}})\${_SALT}{_DIGEST}"
_WRAPPED = rf"(?P<cost>[1-9][0-9]?)\${_SALT}\${_DIGEST}"

DEVISE = re.compile(_PLAIN.replace("[aby]", "a"))
"""What Ruby's bcrypt writes, and Devise with it."""


class Bcrypt:
    """Makes hashes by bcrypt.

    Args:
        rounds: the cost, 4 to 31; the work doubles with each step.
    """

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        # The hash of nobody's password: a random digest in place of a computed one, which would take as
        # long as a login. Checking against it takes the full work all the same.
        digest = "".join(secrets.choice(_ALPHABET) for _ in range(30)) + "."
        self._nobody = bcrypt.gensalt(rounds) + digest.encode()

    @property
    def seconds(self) -> float:
        """About how long a check takes one core."""
        return 0.25 * 2.0 ** (self._rounds - 12)

    def make(self, secret: bytes) -> str:
        """Return the hash to store."""
        setting = bcrypt.gensalt(self._rounds)
        if _fits(secret):
            return bcrypt.hashpw(secret, setting).decode()
        salt = setting[-22:].decode()
        digest = bcrypt.hashpw(_keyed_by_salt(secret, salt), setting)[-31:].decode()
        return f"$bcrypt-sha256$v=2,t=2b,r={self._rounds}${salt}${digest}"

    def keeps(self, stored: StoredHash) -> bool:
        """Say whether a hash is as good as one that would be made now."""
        if stored.is_strong:
            return True
        return stored.is_ours and stored.bcrypt_cost is not None and stored.bcrypt_cost >= self._rounds

    def equalize(self, secret: bytes, stored: StoredHash | None) -> None:
        """Do the work that checking an unknown user's password takes beyond that of a stored hash."""
        if stored is None or stored.bcrypt_cost is None:
            bcrypt.checkpw(_digested(secret), self._nobody)
            return
        # 2^c + 2^c + 2^(c+1) + … + 2^(setting-1) = 2^setting: the work that an unknown user costs.
        for step in range(stored.bcrypt_cost, self._rounds):
            bcrypt.hashpw(b"", bcrypt.gensalt(step))


def peppered(found: re.Match[str], pepper: bytes) -> StoredHash:
    """Read what Devise makes of a password with its pepper behind it.

    Ruby's bcrypt reads over what comes after 72 bytes, and a pepper is mostly longer than that. Of the
    password itself nothing may be cut off.

    Raises:
        ValueError: it costs too much.
    """

    def with_pepper(secret: bytes, _: str) -> bytes | None:
        return (secret + pepper)[:_MAX_BYTES] if _fits(secret) else None

    return _read(found, with_pepper)


def _fits(secret: bytes) -> bool:
    return len(secret) <= _MAX_BYTES and b"\0" not in secret


def _as_it_is(secret: bytes, _: str) -> bytes | None:
    return secret if _fits(secret) else None


def _keyed_by_salt(secret: bytes, salt: str) -> bytes:
    return base64.b64encode(hmac.digest(salt.encode(), secret, "sha256"))


def _digested(secret: bytes, _: str = "") -> bytes:
    return base64.b64encode(hashlib.sha256(secret).digest())


def _digested_by_django(secret: bytes, _: str) -> bytes:
    return hashlib.sha256(secret).hexdigest().encode()


def _digested_by_wordpress(secret: bytes, _: str) -> bytes:
    return base64.b64encode(hmac.digest(b"wp-sha384", secret, "sha384"))


def _read(
    found: re.Match[str], entered: Callable[[bytes, str], bytes | None], *, is_own_form: bool = False
) -> StoredHash:
    """Return what can be checked.

    Args:
        found: the parts of the hash.
        entered: what bcrypt is given for a password and a salt; None for one that it can't take whole.
        is_own_form: new hashes have this form too.
    """
    cost = int(found["cost"])
    require(4 <= cost <= MAX_BCRYPT_COST)
    salt = found["salt"][:-1] + _SALT_ENDS[found["salt"][-1]]
    digest = found["digest"][:-1] + _DIGEST_ENDS[found["digest"][-1]]
    hashed = f"$2b${cost:02}${salt}{digest}".encode()

    def matches(secret: bytes) -> bool:
        key = entered(secret, salt)
        fits = bcrypt.checkpw(_digested(secret) if key is None else key, hashed)
        return fits and key is not None

    is_exact = salt == found["salt"] and digest == found["digest"]
    return StoredHash(matches=matches, is_ours=is_own_form and is_exact, bcrypt_cost=cost)


KINDS = (
    Kind(
        "bcrypt",
        ("$2a$", "$2b$", "$2y$"),
        re.compile(_PLAIN),
        lambda found: _read(found, _as_it_is, is_own_form=found["ident"] == "b"),
    ),
    Kind(
        "bcrypt-sha256",
        ("$bcrypt-sha256$v=2,",),
        re.compile(rf"\$bcrypt-sha256\$v=2,t=2b,r={_WRAPPED}"),
        lambda found: _read(found, _keyed_by_salt, is_own_form=True),
    ),
    Kind(
        "bcrypt-sha256 of passlib before 1.7.3",
        ("$bcrypt-sha256$2",),
        re.compile(rf"\$bcrypt-sha256\$2[ab],{_WRAPPED}"),
        lambda found: _read(found, _digested),
    ),
    Kind(
        "Django's bcrypt",
        ("bcrypt$$2",),
        re.compile(rf"bcrypt\${_PLAIN}"),
        lambda found: _read(found, _as_it_is),
    ),
    Kind(
        "Django's bcrypt-sha256",
        ("bcrypt_sha256$$2",),
        re.compile(rf"bcrypt_sha256\${_PLAIN}"),
        lambda found: _read(found, _digested_by_django),
    ),
    Kind(
        "WordPress's bcrypt",
        ("$wp$2",),
        re.compile(rf"\$wp{_PLAIN}"),
        lambda found: _read(found, _digested_by_wordpress),
    ),
)
