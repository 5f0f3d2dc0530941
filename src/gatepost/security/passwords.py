"""Passwords: what is accepted, how it is hashed, how it is checked (ASVS 6.2, 11.4.2; NIST 800-63B-4 §3.1.1).

- Every password is NFC-normalised first, in `normalise` and nowhere else, so that one typed on another
  keyboard or system is the same password.
- bcrypt reads at most 72 bytes and treats its input as ended by NUL. What fits is hashed as it is
  (`$2b$`); a longer password, or one with a NUL, goes through HMAC-SHA256 keyed by the salt first
  (`$bcrypt-sha256$v=2`, libpass's format). Nothing is ever cut off (ASVS 6.2.8), not for hashes made
  elsewhere either: some libraries cut at 72 bytes in silence, and such a hash can't be told from that
  of a password of exactly 72 bytes. Accepting it would accept 72 bytes plus anything for everybody; so
  a user adopted with a longer password than that resets it.
- An unknown user costs the work of a known one. For one whose hash is bcrypt with a lower cost than the
  setting's the difference is made up; for hashes of other kinds (until the next login replaces them)
  or a higher cost the time is that hash's own.

Everything here is CPU-bound and synchronous: a check takes about 250 ms at cost 12, without the GIL.
"""

import hashlib
import re
import secrets
import unicodedata
from dataclasses import dataclass

import bcrypt

from gatepost.security import foreign

MAX_LENGTH = 1024
"""Code points, after NFC; more is never hashed."""
MAX_FOREIGN_COST = 16
"""bcrypt cost of a stored hash that is still checked (some five seconds), unless the setting is higher."""

MADE_LENGTH = 20
_MADE_OF = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
"""What can't be taken for one another: 116 bits in a password of 20."""

_BCRYPT_MAX_BYTES = 72
# NFC shortens a text to no less than a quarter (a test holds this against all of Unicode), and its time
# grows with the square of a run of combining marks: what is longer than this is refused unread.
_MAX_LENGTH_TYPED = 4 * MAX_LENGTH
_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

# The last character of a salt and of a digest has bits that are always zero. `$2x$` is left out: it marks
# the hashes of a faulty implementation, which bcrypt does not imitate.
_SALT = r"[./0-9A-Za-z]{21}[.Oeu]"
_DIGEST = r"[./0-9A-Za-z]{30}[.CGKOSWaeimquy26]"
_BCRYPT_FAMILY = re.compile(
    rf"(?P<django>bcrypt\$|bcrypt_sha256\$)?(?P<plain>\$2(?P<ident>[aby])\$(?P<cost>[0-9]{{2}})\${_SALT}{_DIGEST})"
    rf"|\$bcrypt-sha256\$(?:(?P<v2>v=2,t=2b,r=)|2[ab],)(?P<wrapped_cost>[1-9][0-9]?)\${_SALT}\${_DIGEST}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordCheck:
    """The outcome of a check.

    Attributes:
        matches: the password is the right one.
        needs_rehash: it matches, and the stored hash should be replaced by `PasswordHasher.hash`'s.
        corrupt: the stored hash is of no known kind, damaged or of an absurd cost: an error to log.
    """

    matches: bool
    needs_rehash: bool = False
    corrupt: bool = False


_NO_MATCH = PasswordCheck(matches=False)


def normalise(password: str) -> str:
    """Return the password in the one spelling that is measured, hashed and checked: Unicode NFC."""
    return unicodedata.normalize("NFC", password)


def make_password() -> str:
    """Return a random password that can be read out: letters and digits, none of which look the same."""
    return "".join(secrets.choice(_MADE_OF) for _ in range(MADE_LENGTH))


def password_problem(password: str, min_length: int) -> str | None:
    """Return a sentence on why a new password is not accepted, or None.

    Any character is fine, NUL and spaces too; there are no rules on classes (NIST 800-63B-4 §3.1.1.2).

    Args:
        password: as it was typed.
        min_length: least number of code points, after NFC.
    """
    too_long = f"Use at most {MAX_LENGTH} characters"
    if len(password) > _MAX_LENGTH_TYPED:
        return too_long
    length = len(normalise(password))
    if length > MAX_LENGTH:
        return too_long
    if length < min_length:
        return f"Use at least {min_length} characters"
    if _secret(password) is None:
        return "Use valid Unicode: a half of a surrogate pair is no character"
    return None


class PasswordHasher:
    """Hashes and checks passwords.

    Args:
        rounds: bcrypt's cost of new hashes, 4 to 31; the work doubles with each step.
    """

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds
        # The hashes of nobody's password: a random digest in place of a computed one, which would take
        # as long as a login. Checking against them takes the full work all the same.
        salt = bcrypt.gensalt(rounds).decode()
        digest = "".join(secrets.choice(_ALPHABET) for _ in range(30)) + "."
        self._nobody = salt + digest
        self._nobody_long = f"$bcrypt-sha256$v=2,t=2b,r={rounds}${salt[-22:]}${digest}"

    def hash(self, password: str) -> str:
        """Return the hash to store.

        Raises:
            ValueError: `password_problem` was not asked: too long, or no valid Unicode.
        """
        secret = _secret(password)
        if secret is None:
            raise ValueError("this text can't be a password: ask password_problem first")
        if _fits_bcrypt(secret):
            return bcrypt.hashpw(secret, bcrypt.gensalt(self._rounds)).decode()
        return foreign.libpass_handler("bcrypt_sha256").using(rounds=self._rounds).hash(secret)

    def check(self, password: str, stored: str | None) -> PasswordCheck:
        """Check a password against the stored hash; never raises.

        Args:
            password: as it was typed.
            stored: the hash; None for an unknown user or one without a password, as Django's `!…`.
        """
        secret = _secret(password)
        if secret is None:
            return _NO_MATCH  # nobody's, whoever is asked for: no work for anybody
        if not stored or stored.startswith("!"):
            self._check_nobody(secret)
            return _NO_MATCH
        family = _BCRYPT_FAMILY.fullmatch(stored)
        matches = foreign.verify(secret, stored) if family is None else self._check_bcrypt(secret, family)
        if matches is None:
            self._check_nobody(secret)
            return PasswordCheck(matches=False, corrupt=True)
        return PasswordCheck(matches=matches, needs_rehash=matches and not self._is_current(family))

    def _check_nobody(self, secret: bytes) -> None:
        if _fits_bcrypt(secret):
            bcrypt.checkpw(secret, self._nobody.encode())
        else:
            foreign.libpass_handler("bcrypt_sha256").verify(secret, self._nobody_long)

    def _check_bcrypt(self, secret: bytes, hash_: re.Match[str]) -> bool | None:
        cost = _cost(hash_)
        if not 4 <= cost <= max(MAX_FOREIGN_COST, self._rounds):
            return None
        wrapped = hash_["plain"] is None
        digested = hash_["django"] == "bcrypt_sha256$"
        if not (wrapped or digested or _fits_bcrypt(secret)):
            self._check_nobody(secret)
            return False
        if wrapped:
            matches = foreign.libpass_handler("bcrypt_sha256").verify(secret, hash_[0])
        else:
            entered = hashlib.sha256(secret).hexdigest().encode() if digested else secret
            matches = bcrypt.checkpw(entered, hash_["plain"].encode())
        if not matches:
            # 2^c + 2^c + 2^(c+1) + … + 2^(setting-1) = 2^setting: the work that an unknown user costs.
            for step in range(cost, self._rounds):
                bcrypt.hashpw(b"", bcrypt.gensalt(step))
        return matches

    def _is_current(self, hash_: re.Match[str] | None) -> bool:
        if hash_ is None or hash_["django"]:
            return False
        return (hash_["ident"] == "b" or hash_["v2"] is not None) and _cost(hash_) >= self._rounds


def _secret(password: str) -> bytes | None:
    """Return what is hashed, or None for what can't be a password."""
    if len(password) > _MAX_LENGTH_TYPED:
        return None
    normalised = normalise(password)
    if len(normalised) > MAX_LENGTH:
        return None
    try:
        return normalised.encode()
    except UnicodeEncodeError:
        return None


def _fits_bcrypt(secret: bytes) -> bool:
    return len(secret) <= _BCRYPT_MAX_BYTES and b"\0" not in secret


def _cost(hash_: re.Match[str]) -> int:
    return int(hash_["cost"] or hash_["wrapped_cost"])
