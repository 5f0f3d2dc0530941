"""Session tokens: made here, shown once, stored as a digest (ASVS 7.2.2, 7.2.3).

A raw token leaves this module once, in `Issued.raw`; only `Issued.stored` and what `parse` returns
fit the type that the store takes. The stored form is `<first 8 characters>.<hex HMAC-SHA256>`: the
first part is for people's eyes, the second can neither be turned back (the database alone does not
give a working token) nor made up (the key is not in the database).

**Refresh.** The token that follows another is computed, not drawn: HMAC-SHA256 under a key of its own
over a random nonce and the old token. Whoever holds the old token, the nonce from the old row and the
key comes to the same new token, so that a refresh can be answered twice although no raw token is kept.
The nonce alone (a dump) or the old token alone (a thief) leads nowhere.

**Refresh while keys are being rotated.** The worker that wins a refresh computes the successor, and
its stored form, with *its* newest secret and in *its* format; another worker may have the same secrets
in another order, or the other format. So the one that repeats the answer does not assume its own
newest: `successors` walks all secrets, and the right candidate is the one that the successor's row holds
a stored form of. That may be a form under another secret than the token's own, where the row was used
since and digested anew (`services/touches.py`). A worker that does not know the winner's secret at all
finds none, as it could not check that token either: a new secret goes to every worker as a fallback
first, and to the front afterwards.
"""

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NewType

from gatepost.errors import InvalidSession
from gatepost.security.keys import KeyPurpose, KeyRing

HINT_LENGTH = 8
"""Characters of a token that are stored and shown readable. A UUID keeps 90 secret bits beside them."""
NONCE_BYTES = 16
"""Length of the nonce that a refreshed session's row keeps."""

StoredToken = NewType("StoredToken", str)
"""What `user_sessions.session_token` holds; never a raw token."""

TokenFormat = Literal["uuid", "opaque"]
"""How new tokens look: a UUID (122 random bits) or 32 bytes in base64url (256 bits)."""

# 43 characters of base64url carry 258 bits: of the last one only four count, the others are zero.
_is_token = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|[0-9A-Za-z_-]{42}[AEIMQUYcgkosw048]"
).fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A new token.

    Attributes:
        raw: for its owner, this once.
        stored: for the database.
    """

    raw: str = field(repr=False)
    stored: StoredToken = field(repr=False)


class TokenCodec:
    """Makes tokens and recognises them.

    Args:
        keys: the newest signs, all verify.
        format: of the tokens that are made; tokens of both formats are recognised.
    """

    def __init__(self, keys: KeyRing, format: TokenFormat) -> None:  # noqa: A002 - the setting's own name
        self._stored_forms = tuple(_stored_form(key) for key in keys.keys(KeyPurpose.SESSION_TOKEN))
        self._successors = tuple(_digest(key) for key in keys.keys(KeyPurpose.SUCCESSOR))
        self._formats: tuple[TokenFormat, ...] = (format, "opaque" if format == "uuid" else "uuid")

    def issue(self) -> Issued:
        """Return a new random token, from the operating system's source."""
        raw = _shape(os.urandom(32), self._formats[0])
        return Issued(raw=raw, stored=self._stored_forms[0](raw))

    def parse(self, raw: str) -> tuple[StoredToken, ...]:
        """Return the forms in which the token may be stored, the newest key's first.

        Raises:
            InvalidSession: the text is neither a UUID in its canonical lower-case spelling nor 43
                characters of base64url; no query is needed to know that it is nobody's.
        """
        if _is_token(raw) is None:
            raise InvalidSession
        return tuple([stored_form(raw) for stored_form in self._stored_forms])

    def new_nonce(self) -> bytes:
        """Return a nonce for one refresh."""
        return os.urandom(NONCE_BYTES)

    def successor(self, raw: str, nonce: bytes) -> Issued:
        """Return the token that replaces `raw`, made with the newest secret in the format of the setting.

        Raises:
            InvalidSession: `raw` is no token.
        """
        return next(self.successors(raw, nonce))

    def successors(self, raw: str, nonce: bytes) -> Iterator[Issued]:
        """Yield every token that some worker may have made of `raw` and `nonce`, the likeliest first.

        Raises:
            InvalidSession: `raw` is no token.
        """
        if _is_token(raw) is None:
            raise InvalidSession
        if len(nonce) != NONCE_BYTES:
            # Together with a fixed length, nonce || token can be read in one way only.
            raise ValueError(f"a nonce has {NONCE_BYTES} bytes")
        for format_ in self._formats:
            for digest, stored_form in zip(self._successors, self._stored_forms, strict=True):
                new = _shape(digest(nonce + raw.encode()), format_)
                yield Issued(raw=new, stored=stored_form(new))

    def successor_stored_as(self, stored: str, raw: str, nonce: bytes) -> Issued | None:
        """Return the successor whose stored form a row holds, or None where its secret is unknown here.

        Args:
            stored: `session_token` of the successor's row.
            raw: the token that was refreshed.
            nonce: `successor_nonce` of the refreshed token's row.

        Raises:
            InvalidSession: `raw` is no token.
        """
        for candidate in self.successors(raw, nonce):
            for form in self.parse(candidate.raw):
                if hmac.compare_digest(form.encode(), stored.encode()):
                    return Issued(raw=candidate.raw, stored=form)
        return None


def _digest(key: bytes) -> Callable[[bytes], bytes]:
    """Return the function that computes digests under `key`: HMAC-SHA256 as RFC 2104 spells it.

    Every request pays for this: with both padded key blocks hashed beforehand it takes a third of
    `hmac.digest`, which looks the algorithm up and hashes the key each time. A test holds it against
    `hmac`.
    """
    block = key.ljust(64, b"\0")
    inner_hash = hashlib.sha256(bytes(byte ^ 0x36 for byte in block)).copy
    outer_hash = hashlib.sha256(bytes(byte ^ 0x5C for byte in block)).copy

    def digest(message: bytes) -> bytes:
        inner = inner_hash()
        inner.update(message)
        outer = outer_hash()
        outer.update(inner.digest())
        return outer.digest()

    return digest


def _stored_form(key: bytes) -> Callable[[str], StoredToken]:
    """Return the function that computes stored forms under `key`."""
    digest = _digest(key)
    return lambda raw: StoredToken(f"{raw[:HINT_LENGTH]}.{digest(raw.encode()).hex()}")


def _shape(random: bytes, format_: TokenFormat) -> str:
    if format_ == "uuid":
        made = bytearray(random[:16])
        made[6], made[8] = made[6] & 0x0F | 0x40, made[8] & 0x3F | 0x80  # version and variant (RFC 9562 §5.4)
        text = made.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    return base64.urlsafe_b64encode(random).rstrip(b"=").decode()
