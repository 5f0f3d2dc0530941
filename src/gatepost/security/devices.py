"""Device cookies: which accounts a browser has signed in to before.

A value is `<entry>[.<entry>…]`, one for each account that signed in on the browser. An entry is the stamp of
the account's credentials at that time (`users.credentials_stamp`), the time until which it counts, and an
HMAC over both. It proves "was here before" and nothing else: whoever steals one gets attempts at a password,
and no session. It names no account, and is kept in no table. Another password or e-mail makes it worthless,
and so does the end of the account: whoever has the e-mail afterwards is another user.
"""

import base64
import hmac
import re
from datetime import datetime, timedelta
from uuid import UUID

from gatepost.security.keys import KeyPurpose, KeyRing

LIFETIME = timedelta(days=180)
"""How long a sign-in makes a browser known."""
STAMP_BYTES = 16
"""Bytes of a stamp."""
TIME_BYTES = 4
"""Bytes of a time: whole seconds since 1970, until 2106."""
MAC_BYTES = 16
"""Bytes that are kept of HMAC-SHA256: 128 bits are as good as the key for what can be tried online only."""
ACCOUNTS_MAX = 5
"""Accounts of one browser that are remembered; the one that signed in longest ago is forgotten."""

# 48 characters are 36 bytes in base64url; a whole value has 244 characters at the most.
_is_value = re.compile(rf"[0-9A-Za-z_-]{{48}}(?:\.[0-9A-Za-z_-]{{48}}){{0,{ACCOUNTS_MAX - 1}}}").fullmatch


class Devices:
    """Makes and verifies the values of device cookies.

    Args:
        keys: the newest key signs, all of them verify.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys.keys(KeyPurpose.DEVICE)

    def issue(self, value: str | None, stamp: UUID, *, now: datetime) -> str:
        """Return the value for a browser on which an account has just signed in.

        Args:
            value: what the browser sent; what proves nothing in it, or not any more, is left out.
            stamp: of the account's credentials.
            now: what time it is.
        """
        others = [entry for known, entry in self._proven(value, now) if known != stamp]
        signed = stamp.bytes + int((now + LIFETIME).timestamp()).to_bytes(TIME_BYTES)
        entry = base64.urlsafe_b64encode(signed + _mac(self._keys[0], signed)).decode()
        return ".".join([*others[1 - ACCOUNTS_MAX :], entry])

    def stamps(self, value: str | None, *, now: datetime) -> list[UUID]:
        """Return the stamps of the accounts that a value proves to have signed in; empty for what is none."""
        return [stamp for stamp, _ in self._proven(value, now)]

    def _proven(self, value: str | None, now: datetime) -> list[tuple[UUID, str]]:
        """Return the stamp of each entry that is genuine and counts still, and the entry."""
        if not value or not _is_value(value):
            return []
        return [
            (stamp, entry) for entry in value.split(".") if (stamp := self._stamp_of(entry, now)) is not None
        ]

    def _stamp_of(self, entry: str, now: datetime) -> UUID | None:
        data = base64.urlsafe_b64decode(entry)
        signed, mac = data[:-MAC_BYTES], data[-MAC_BYTES:]
        # All keys are compared, whichever it is.
        if not any([hmac.compare_digest(mac, _mac(key, signed)) for key in self._keys]):  # noqa: C419
            return None
        until = int.from_bytes(signed[STAMP_BYTES:])
        return UUID(bytes=signed[:STAMP_BYTES]) if now.timestamp() < until else None


def _mac(key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, signed, "sha256")[:MAC_BYTES]
