"""Device cookies: which accounts a browser has signed in to before.

A value is `<id>.<mac>[.<mac>…]`: a random id of the browser and, for each account that signed in on it, an
HMAC over the id and the account's e-mail. It proves "was here before" and nothing else: whoever steals one
gets attempts at the password of their own, no session. It tells no account's name, and neither accounts nor
browsers are kept in a table. The e-mail stands for the account, so that one statement can find the user and
know the place (`store.throttles.begin_login`); who gets another e-mail is new on every device.
"""

import base64
import hmac
import re
import secrets

from gatepost.security.keys import KeyPurpose, KeyRing

ID_BYTES = 16
"""Random bytes of a browser's id."""
MAC_BYTES = 16
"""Bytes that are kept of HMAC-SHA256: 128 bits are as good as the key for what can be tried online only."""
ACCOUNTS_MAX = 5
"""Accounts of one browser that are remembered; the one that signed in longest ago is forgotten."""

# 22 characters are 16 bytes in base64url; a whole value has 137 characters at the most.
_is_value = re.compile(rf"[0-9A-Za-z_-]{{22}}(?:\.[0-9A-Za-z_-]{{22}}){{1,{ACCOUNTS_MAX}}}").fullmatch


class Devices:
    """Makes and verifies the values of device cookies.

    Args:
        keys: the newest key signs, all of them verify.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys.keys(KeyPurpose.DEVICE)

    def issue(self, value: str | None, email: str) -> str:
        """Return the value for a browser on which this account has just signed in.

        Args:
            value: what the browser sent; one that is malformed is replaced.
            email: of the account.
        """
        device, *macs = value.split(".") if value and _is_value(value) else [_base64(ID_BYTES)]
        known = self._macs(device, email)
        others = [mac for mac in macs if mac not in known]
        return ".".join([device, *others[1 - ACCOUNTS_MAX :], known[0]])

    def device_of(self, value: str | None, email: str) -> str | None:
        """Return the browser's id if the value proves that this account signed in on it, else None."""
        if not value or not _is_value(value):
            return None
        device, *macs = value.split(".")
        known = self._macs(device, email)
        # All are compared, whichever it is.
        found = [hmac.compare_digest(mac, own) for mac in macs for own in known]
        return device if any(found) else None

    def _macs(self, device: str, email: str) -> list[str]:
        """Return the MAC under each key, the newest first; an adopted table may hold capital letters."""
        message = f"{device}:{email.lower()}".encode()
        return [_text(hmac.digest(key, message, "sha256")[:MAC_BYTES]) for key in self._keys]


def _base64(length: int) -> str:
    return _text(secrets.token_bytes(length))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
