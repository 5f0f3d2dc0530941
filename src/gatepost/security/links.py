"""Tokens of links that are good for one use: made here, shown once, stored as a digest.

A token is 256 random bits in base64url (ASVS 7.2.3 asks for 128), so that nobody guesses one. As with session
tokens the digest is an HMAC under a key that is not in the database: a dump holds no link that works, and a
row that somebody writes makes none.
"""

import base64
import hmac
import os
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NewType

from gatepost.security.keys import KeyPurpose, KeyRing

StoredLink = NewType("StoredLink", str)
"""What `auth_links.digest` holds; never a raw token."""

CODE_LIFETIME = timedelta(minutes=10)
"""How long a code works that is mailed beside a link (ASVS 6.5.5)."""

# 43 characters of base64url carry 258 bits: of the last one only four count, the others are zero.
_is_token = re.compile(r"[0-9A-Za-z_-]{42}[AEIMQUYcgkosw048]").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedLink:
    """A new link's token.

    Attributes:
        raw: for whoever is to use it, this once.
        stored: for the database.
    """

    raw: str = field(repr=False)
    stored: StoredLink = field(repr=False)


class LinkCodec:
    """Makes tokens of links and recognises them.

    Args:
        keys: the newest signs, all verify.
        purpose: what the tokens are for; those of another are unknown.
    """

    def __init__(self, keys: KeyRing, purpose: KeyPurpose = KeyPurpose.LINK) -> None:
        self._keys = keys.keys(purpose)

    def issue(self) -> IssuedLink:
        """Return a new random token, from the operating system's source."""
        raw = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
        return IssuedLink(raw=raw, stored=_stored_form(self._keys[0], raw))

    def stored_forms(self, raw: str) -> tuple[StoredLink, ...]:
        """Return the forms in which a token may be stored, the newest key's first; none of what is none."""
        if _is_token(raw) is None:
            return ()
        return tuple(_stored_form(key, raw) for key in self._keys)

    def forms_bound_to(self, holder: str) -> tuple[StoredLink, ...]:
        """Return the forms in which what belongs to a holder, and has no token, may be stored, as above."""
        return tuple(_stored_form(key, f"of {holder}") for key in self._keys)


def _stored_form(key: bytes, raw: str) -> StoredLink:
    return StoredLink(hmac.digest(key, raw.encode(), "sha256").hex())
