"""Tokens and codes of mailed links: made of a nonce and a key, so that no table ever holds one that works.

The row keeps a random nonce until the mail is sent. Only the sender turns it into the token and the code, by
keys that are not in the database: a dump that was taken before holds as little as one that was taken after.
"""

import base64
import hmac
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from gatepost.security.keys import KeyPurpose, KeyRing
from gatepost.security.links import LinkCodec, StoredLink

CODE_DIGITS = 8
"""Of a code: five guesses find one of twenty million."""

_NONCE_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A new link as its row holds it.

    Attributes:
        nonce: what the token and the code are made of.
        token: digest of the token.
        code: digest of the code.
    """

    nonce: bytes = field(repr=False)
    token: StoredLink = field(repr=False)
    code: StoredLink = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Revealed:
    """What the mail says.

    Attributes:
        token: of the link.
        code: to be typed.
    """

    token: str = field(repr=False)
    code: str = field(repr=False)


class MailSecrets:
    """Makes them and recognises them.

    Args:
        keys: the newest makes new ones, all recognise.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys.keys(KeyPurpose.MAILED)
        self._codec = LinkCodec(keys, KeyPurpose.MAILED_LINK)

    def seal(self) -> Sealed:
        """Return what is stored of a new link."""
        nonce = os.urandom(_NONCE_BYTES)
        made = _made(self._keys[0], nonce)
        token = self._codec.stored_forms(made.token)[0]
        return Sealed(nonce=nonce, token=token, code=self.code_forms(token, made.code)[0])

    def reveal(self, nonce: bytes, token: StoredLink) -> Revealed | None:
        """Return what was sealed, for its mail; None where none of the keys made it.

        Args:
            nonce: of the row.
            token: the digest that the row has.
        """
        return next((made for made in self._candidates(nonce) if token in self.token_forms(made.token)), None)

    def token_forms(self, raw: str) -> tuple[StoredLink, ...]:
        """Return the digests that a token may have, none of what is no token."""
        return self._codec.stored_forms(raw)

    def code_forms(self, token: StoredLink, code: str) -> tuple[StoredLink, ...]:
        """Return the digests that a code of the link with this digest may have; blanks in it don't matter."""
        typed = "".join(code.split())
        return self._codec.forms_bound_to(f"{token} {typed}")

    def browser_forms(self, kept: str | None) -> tuple[StoredLink, ...]:
        """Return the digests that what a browser keeps may have, none of nothing."""
        return () if kept is None else self._codec.forms_bound_to(f"browser {kept}")

    def _candidates(self, nonce: bytes) -> Iterator[Revealed]:
        return (_made(key, nonce) for key in self._keys)


def _made(key: bytes, nonce: bytes) -> Revealed:
    token = base64.urlsafe_b64encode(hmac.digest(key, b"token" + nonce, "sha256")).rstrip(b"=").decode()
    number = int.from_bytes(hmac.digest(key, b"code" + nonce, "sha256")) % 10**CODE_DIGITS
    return Revealed(token=token, code=f"{number:0{CODE_DIGITS}}")
