"""Passwords: what is accepted, how it is hashed, how it is checked (ASVS 6.2, 11.4.2; NIST 800-63B-4 §3.1.1).

- Every password is NFC-normalised first, once, where it becomes a `Password`, so that one typed on another
  keyboard or system is the same password. Other software may have hashed it as it was typed, or in NFKC: a
  stored hash is tried against the former too, and one that is surely not ours against the latter.
- New hashes are made by bcrypt, or by argon2id where that is set (`PASSWORD_HASH`). Nothing is ever cut off
  (ASVS 6.2.8), not for hashes made elsewhere either: some libraries cut at 72 bytes in silence, and such a
  hash can't be told from that of a password of exactly 72 bytes. Accepting it would accept 72 bytes plus
  anything for everybody; so a user adopted with a longer password than that resets it.
- A hash made elsewhere, or at a lower cost, is replaced at the next sign-in. argon2id at OWASP's parameters
  or above is kept, whoever made it and whichever method is set.
- An unknown user costs the work of a known one. For one whose hash is of the set method with a lower cost the
  difference is made up. A hash of another kind costs its own work and an unknown user's, one of a higher cost
  its own: the time that takes tells them apart, and a cheap one from an unknown user not.

Everything here is CPU-bound and synchronous: a check takes about 250 ms at bcrypt's cost 12, without the GIL.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, Self, TypeAlias

from argon2.exceptions import Argon2Error

from gatepost.errors import InvalidValue
from gatepost.models.bounds import PASSWORD_MAX
from gatepost.security import hashes
from gatepost.security.hashes import Argon2id, Bcrypt, StoredHash
from gatepost.security.texts import compatible, composed
from gatepost.texts import Text

PasswordMethod: TypeAlias = Literal["bcrypt", "argon2id"]

MADE_LENGTH = 20
_MADE_OF = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
"""What can't be taken for one another: 116 bits in a password of 20."""


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
            InvalidValue: that can't be a password.
        """
        text = composed(typed, PASSWORD_MAX)
        if len(text) < min_length:
            raise InvalidValue(Text("field.too_short", count=min_length))
        if any("\ud800" <= c <= "\udfff" for c in text):
            raise InvalidValue(Text("field.not_unicode"))
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
        unreadable: why no password can be checked against the stored hash, an error to log:
            `corrupt_hash` (damaged, or of an absurd cost) or `unsupported_hash` (of no known kind).
    """

    matches: bool
    needs_rehash: bool = False
    unreadable: str | None = None


def make_password() -> str:
    """Return a random password that can be read out: letters and digits, none of which look the same."""
    return "".join(secrets.choice(_MADE_OF) for _ in range(MADE_LENGTH))


class PasswordHasher:
    """Hashes and checks passwords.

    Args:
        rounds: bcrypt's cost of new hashes, 4 to 31; the work doubles with each step.
        method: what new hashes are made by.
        devise_pepper: what Devise put behind each password of its hashes.
    """

    def __init__(self, rounds: int, *, method: PasswordMethod = "bcrypt", devise_pepper: str = "") -> None:
        self._method = Bcrypt(rounds) if method == "bcrypt" else Argon2id()
        self._devise_pepper = devise_pepper.encode()

    @property
    def seconds(self) -> float:
        """About how long one hash, or one check of an unknown user's password, takes one core."""
        return self._method.seconds

    def hash(self, password: Password) -> str:
        """Return the hash to store."""
        return self._method.make(password.text.encode())

    def check(self, password: Password, stored: str | None) -> PasswordCheck:
        """Check a password against the stored hash; never raises.

        Where what was typed is not NFC the work is done twice, for whomever, and three times for some hashes
        that were made elsewhere.

        Args:
            password: the password.
            stored: the hash; None for an unknown user or one without a password, as Django's `!…`.
        """
        known, unreadable = None, None
        if stored and not stored.startswith("!"):
            try:
                known = hashes.read(stored, devise_pepper=self._devise_pepper)
            except hashes.UnreadableHash as error:
                unreadable = error.reason
        try:
            if known is not None:
                return self._compare(password, known)
        except (ValueError, MemoryError, Argon2Error):  # a cost that is fine, and too much for this machine
            unreadable = hashes.CorruptHash.reason
        for secret in password.secrets(compatibly=False):
            self._method.equalize(secret, None)
        return PasswordCheck(matches=False, unreadable=unreadable)

    def _compare(self, password: Password, stored: StoredHash) -> PasswordCheck:
        for number, secret in enumerate(password.secrets(compatibly=not stored.is_ours)):
            if stored.matches(secret):
                is_kept = number == 0 and self._method.keeps(stored)
                return PasswordCheck(matches=True, needs_rehash=not is_kept)
            self._method.equalize(secret, stored)
        return PasswordCheck(matches=False)
