"""Tokens of HTML forms, a second line behind the rule on other sites (ASVS 3.5.1).

A form carries a random number and its HMAC together with what it is bound to: the session's id, or before
a sign-in a short-lived cookie of the browser. Whoever can't read our pages can't know it, and one taken
from another browser is bound to something else. Nothing is stored. What else pages hand out to have it back
from the same visitor is bound in the same way, each kind by a word of its own in front.
"""

import base64
import hmac
import os

from gatepost.models import Session
from gatepost.security.keys import KeyPurpose, KeyRing

_NONCE_BYTES = 16
_MAC_BYTES = 32


class CsrfTokens:
    """Makes and checks form tokens.

    Args:
        keys: the newest signs, all verify.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys.keys(KeyPurpose.FORM)

    def issue(self, binding: str) -> str:
        """Return a new token: 64 characters of base64url.

        Args:
            binding: whom the form is for, such as the id of the session.
        """
        nonce = os.urandom(_NONCE_BYTES)
        return base64.urlsafe_b64encode(nonce + _mac(self._keys[0], nonce, binding)).decode()

    def check(self, token: str, binding: str) -> bool:
        """Say whether a token was made for this binding; any text may be asked about."""
        try:
            raw = base64.urlsafe_b64decode(token.encode("ascii"))
        except (UnicodeEncodeError, ValueError):
            return False
        if len(raw) != _NONCE_BYTES + _MAC_BYTES:
            return False
        nonce, mac = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
        return any(hmac.compare_digest(mac, _mac(key, nonce, binding)) for key in self._keys)


def sign_in_binding(session: Session) -> str:
    """Return what the forms of a sign-in are bound to; renewing its session keeps it."""
    # All who have a session in the place of its user have the same time.
    by = "" if session.impersonator_id is None else f" by {session.impersonator_id}"
    return f"user {session.user.id} {session.authenticated_at.isoformat()}{by}"


def _mac(key: bytes, nonce: bytes, binding: str) -> bytes:
    return hmac.digest(key, nonce + binding.encode(), "sha256")
