"""Secrets at rest: AES-GCM under keys that are not in the database, bound to whose they are (ASVS 11.3.2)."""

import hmac
import os
from dataclasses import dataclass, field

_NONCE = 12
"""Bytes of a nonce (NIST SP 800-38D §8.2.2); random, which is good for 2³² secrets of one key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A secret that is of use to nobody without the key.

    Attributes:
        key_id: tells which key that is, and nothing of it.
        data: the nonce, and the secret behind it with its tag.
    """

    key_id: str
    data: bytes = field(repr=False)


class Unsealable(Exception):
    """A stored secret was made under a key that is gone, is somebody else's, or nothing opens it."""


class Sealer:
    """Seals and opens secrets.

    Args:
        keys: 32 bytes each; the newest seals, all open.
    """

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._keys = {_id_of(key): key for key in reversed(keys)}
        self._newest = _id_of(keys[0])

    @property
    def newest(self) -> str:
        """The id of the key that seals."""
        return self._newest

    def seal(self, secret: bytes, about: str) -> Sealed:
        """Seal a secret, to be opened for the same purpose alone."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # of the extra `factors`

        nonce = os.urandom(_NONCE)
        data = nonce + AESGCM(self._keys[self._newest]).encrypt(nonce, secret, about.encode())
        return Sealed(key_id=self._newest, data=data)

    def open(self, sealed: Sealed, about: str) -> bytes:
        """Return a secret.

        Raises:
            Unsealable: its key is not there, or it was sealed for another purpose, or changed; or the extra
                `factors` is not installed, without which its user signs in by something else.
        """
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ImportError:
            raise Unsealable("cryptography is not installed: pip install 'gatepost[factors]'") from None

        key = self._keys.get(sealed.key_id)
        if key is None:
            raise Unsealable(f"no key of SECRET_KEY or SECRET_KEY_FALLBACKS has the id {sealed.key_id}")
        try:
            return AESGCM(key).decrypt(sealed.data[:_NONCE], sealed.data[_NONCE:], about.encode())
        except (InvalidTag, ValueError):
            raise Unsealable("it was sealed for another purpose, or changed") from None


def _id_of(key: bytes) -> str:
    return hmac.digest(key, b"key id", "sha256").hex()[:8]
