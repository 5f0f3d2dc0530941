"""Passwords: what is accepted, how it is hashed, how it is checked (ASVS 6.2, 11.4.2; NIST 800-63B-4 §3.1.1).

- Every password is NFC-normalised first, once, where it becomes a `Password`, so that one typed on another
  keyboard or system is the same password. Other software may have hashed it as it was typed, or in NFKC: a
  stored hash is tried against the former too, and one that is surely not ours against the latter.
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
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import bcrypt

from gatepost.models.bounds import PASSWORD_MAX
from gatepost.security import foreign
from gatepost.security.texts import compatible, composed

MAX_FOREIGN_COST = 16
"""bcrypt cost of a stored hash that is still checked (some five seconds), unless the setting is higher."""

MADE_LENGTH = 20
_MADE_OF = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
"""What can't be taken for one another: 116 bits in a password of 20."""

_BCRYPT_MAX_BYTES = 72
_ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

# `$2x$` is left out: it marks the hashes of a faulty implementation, which bcrypt does not imitate.
_BCRYPT_FAMILY = re.compile(
    r"(?P<django>bcrypt\$|bcrypt_sha256\$)?"
    r"(?P<plain>\$2(?P<ident>[aby])\$(?P<cost>[0-9]{2})\$[./0-9A-Za-z]{22}[./0-9A-Za-z]{31})"
    r"|\$bcrypt-sha256\$(?:(?P<v2>v=2,t=2b,r=)|2[ab],)(?P<wrapped_cost>[1-9][0-9]?)"
    r"\$[./0-9A-Za-z]{22}\$[./0-9A-Za-z]{31}"
)
# Of the last character of a salt four bits count for nothing, of a digest's two. Most software writes them
# as zeros and reads over them; bcrypt itself refuses others.
_ENDS = re.compile(r"(?P<salt>.)(?P<between>\$?.{30})(?P<digest>.)\Z")
_SALT_ENDS = {char: _ALPHABET[place & 0x30] for place, char in enumerate(_ALPHABET)}
_DIGEST_ENDS = {char: _ALPHABET[place & 0x3C] for place, char in enumerate(_ALPHABET)}


@dataclass(frozen=True, slots=True)
class Password:
    """A password in the one spelling that is measured, hashed and checked: Unicode NFC.

    Attributes:
        text: so composed.
        typed: as it was typed, for hashes that other software made of that.
    """

    text: str = field(repr=False)
    typed: str = field(repr=False, compare=False)

    @classmethod
    def read(cls, typed: str, *, min_length: int = 0) -> Self:
        """Read what was typed; any character is fine, NUL and spaces too (NIST 800-63B-4 §3.1.1.2).

        Args:
            typed: any text, of any length.
            min_length: code points that a new one must have; one that is set may be from another time.

        Raises:
            ValueError: with a sentence on why that can't be a password.
        """
        text = composed(typed, PASSWORD_MAX)
        if len(text) < min_length:
            raise ValueError(f"Use at least {min_length} characters")
        if any("\ud800" <= c <= "\udfff" for c in text):
            raise ValueError("Use valid Unicode: a half of a surrogate pair is no character")
        return cls(text, typed)

    def secrets(self, *, compatibly: bool) -> Iterator[bytes]:
        """Yield what may have been hashed of it, each once: NFC, as it was typed, NFKC.

        Args:
            compatibly: NFKC too, by which a password with a ligature is the one without.
        """
        found = [self.text, self.typed]
        if compatibly:
            found.append(compatible(self.text))
        for text in dict.fromkeys(found):
            if len(text) <= PASSWORD_MAX:
                yield text.encode()


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


def make_password() -> str:
    """Return a random password that can be read out: letters and digits, none of which look the same."""
    return "".join(secrets.choice(_MADE_OF) for _ in range(MADE_LENGTH))


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

    def hash(self, password: Password) -> str:
        """Return the hash to store."""
        secret = password.text.encode()
        if _fits_bcrypt(secret):
            return bcrypt.hashpw(secret, bcrypt.gensalt(self._rounds)).decode()
        return foreign.libpass_handler("bcrypt_sha256").using(rounds=self._rounds).hash(secret)

    def check(self, password: Password, stored: str | None) -> PasswordCheck:
        """Check a password against the stored hash; never raises.

        Where what was typed is not NFC the work is done twice, for whomever, and three times for some hashes
        that were made elsewhere.

        Args:
            password: the password.
            stored: the hash; None for an unknown user or one without a password, as Django's `!…`.
        """
        known = None if not stored or stored.startswith("!") else _without_padding(stored)
        hash_ = None if known is None else _BCRYPT_FAMILY.fullmatch(known)
        is_foreign = known is not None and not _may_be_ours(hash_)
        is_corrupt = False
        for number, secret in enumerate(password.secrets(compatibly=is_foreign)):
            matches = self._matches(secret, known, hash_)
            if matches:
                is_current = number == 0 and known == stored and self._is_current(hash_)
                return PasswordCheck(matches=True, needs_rehash=not is_current)
            is_corrupt = matches is None
        return PasswordCheck(matches=False, corrupt=is_corrupt)

    def _matches(self, secret: bytes, known: str | None, hash_: re.Match[str] | None) -> bool | None:
        """Say whether a secret is the one that was hashed; None for a hash that can't be read."""
        if known is None:
            self._check_nobody(secret)
            return False
        matches = foreign.verify(secret, known) if hash_ is None else self._check_bcrypt(secret, hash_)
        if matches is None:
            self._check_nobody(secret)
        return matches

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
        return hash_ is not None and _may_be_ours(hash_) and _cost(hash_) >= self._rounds


def _may_be_ours(hash_: re.Match[str] | None) -> bool:
    """Say whether a hash is of the kinds that are made here; other software may have made it too."""
    if hash_ is None or hash_["django"]:
        return False
    return hash_["ident"] == "b" or hash_["v2"] is not None


def _without_padding(stored: str) -> str:
    """Return a hash of bcrypt's family with zeros for the bits that count for nothing, another as it is."""
    if _BCRYPT_FAMILY.fullmatch(stored) is None:
        return stored
    return _ENDS.sub(
        lambda ends: _SALT_ENDS[ends["salt"]] + ends["between"] + _DIGEST_ENDS[ends["digest"]], stored
    )


def _fits_bcrypt(secret: bytes) -> bool:
    return len(secret) <= _BCRYPT_MAX_BYTES and b"\0" not in secret


def _cost(hash_: re.Match[str]) -> int:
    return int(hash_["cost"] or hash_["wrapped_cost"])
