"""One key for each purpose, derived from SECRET_KEY; the older ones still verify.

Rotation: the new secret goes to the front, the old one becomes a fallback. Whatever was signed under
the old one goes on being accepted, whatever is signed from now on is signed under the new one.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

_HASH = "sha256"
_HASH_BYTES = hashlib.new(_HASH).digest_size

KEY_BYTES = 32
"""Length of a derived key."""


class KeyPurpose(StrEnum):
    """What a key is for; as `info` of the derivation, so that one key tells nothing of another."""

    SESSION_TOKEN = "gatepost session token v1"  # noqa: S105 - the name of a purpose, no secret
    """Digests of session tokens, as `user_sessions.session_token` holds them."""
    SUCCESSOR = "gatepost successor v1"
    """Tokens that replace others at a refresh."""
    DEVICE = "gatepost device v1"
    """Device cookies: which accounts a browser has signed in to."""
    FORM = "gatepost form v1"
    """Tokens of HTML forms, against requests that another site makes a browser send."""
    THROTTLE = "gatepost throttle v1"
    """Names of buckets that would hold an e-mail otherwise."""
    CHALLENGE = "gatepost challenge v1"
    """Digests of sign-ins that wait for one more step, as `auth_challenges.digest` holds them."""
    TOTP = "gatepost totp v1"
    """Secrets of authenticator apps, encrypted."""
    RECOVERY_CODE = "gatepost recovery code v1"
    """Digests of recovery codes."""
    LINK = "gatepost link v1"
    """Digests of links that are good for one use, as `auth_links.digest` holds them."""
    MAILED = "gatepost mailed v1"
    """Tokens and codes that are mailed: made of a nonce when the mail is sent, and stored nowhere."""
    MAILED_LINK = "gatepost mailed link v1"
    """Digests of those."""


def hkdf(secret: bytes, info: bytes, length: int = KEY_BYTES) -> bytes:
    """Return `length` bytes for the purpose `info`: HKDF-SHA256 without a salt (RFC 5869).

    Args:
        secret: input keying material; not a password, the function is fast.
        info: the purpose; other purposes give unrelated keys.
        length: bytes wanted, at most 8160.
    """
    if not 0 < length <= 255 * _HASH_BYTES:
        raise ValueError(f"HKDF-SHA256 gives 1 to {255 * _HASH_BYTES} bytes")
    extracted = hmac.digest(bytes(_HASH_BYTES), secret, _HASH)
    output = block = b""
    for counter in range(1, -(-length // _HASH_BYTES) + 1):
        block = hmac.digest(extracted, block + info + bytes([counter]), _HASH)
        output += block
    return output[:length]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRing:
    """The derived keys of every secret, the newest secret first."""

    _generations: tuple[Mapping[KeyPurpose, bytes], ...] = field(repr=False)

    @classmethod
    def derive(cls, secret: str, fallbacks: Sequence[str] = ()) -> Self:
        """Make the ring of SECRET_KEY and SECRET_KEY_FALLBACKS; a secret named twice counts once.

        Raises:
            ValueError: a secret is empty. Which lengths are good enough, the settings decide.
        """
        secrets = tuple(dict.fromkeys((secret, *fallbacks)))
        if not all(secrets):
            raise ValueError("a secret key must not be empty")
        return cls(_generations=tuple(_derive_all(each) for each in secrets))

    def keys(self, purpose: KeyPurpose) -> tuple[bytes, ...]:
        """Return the keys for a purpose, the newest first: that one signs, all of them verify."""
        return tuple(generation[purpose] for generation in self._generations)


def _derive_all(secret: str) -> Mapping[KeyPurpose, bytes]:
    # surrogatepass: an environment variable that is no UTF-8 arrives with lone surrogates, and the
    # exception for them would carry the whole secret.
    material = secret.encode("utf-8", "surrogatepass")
    return {purpose: hkdf(material, purpose.value.encode()) for purpose in KeyPurpose}
