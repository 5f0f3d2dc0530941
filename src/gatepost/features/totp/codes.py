"""Codes of an authenticator app: RFC 6238 as every app does it, with SHA-1, six digits and 30 seconds."""

import base64
import hmac
import os
from datetime import datetime
from urllib.parse import quote, urlencode

DIGITS = 6
PERIOD = 30
"""Seconds for which an app shows a code."""

SECRET_BYTES = 20
"""160 bits, as long as what the hash makes of them (RFC 4226 §4)."""


def new_secret() -> bytes:
    """Return a new random secret, from the operating system's source."""
    return os.urandom(SECRET_BYTES)


def code_at(secret: bytes, step: int) -> str:
    """Return the code of a step of time (RFC 4226 §5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def step_of(code: str, secret: bytes, now: datetime) -> int | None:
    """Return the step whose code this is: the one that is, or the one before; None for every other code.

    The one before is for who types slowly, and for a clock that goes behind (RFC 6238 §5.2). None ahead is
    taken: a code would be good for longer.
    """
    typed, newest = code.replace(" ", "").encode(), int(now.timestamp()) // PERIOD
    steps = (newest, newest - 1)
    return next((step for step in steps if hmac.compare_digest(code_at(secret, step).encode(), typed)), None)


def shown(secret: bytes) -> str:
    """Return a secret as people type it into an app: base32."""
    return base64.b32encode(secret).decode()


def uri(secret: bytes, *, account: str, issuer: str) -> str:
    """Return a secret as apps read it from a QR code, with whose it is and what for."""
    # A colon stands between the two, and apps read the first one.
    label = f"{quote(issuer.replace(':', ' '), safe='')}:{quote(account, safe='@')}"
    about = {
        "secret": shown(secret),
        "issuer": issuer,
        "algorithm": "SHA1",
        "digits": DIGITS,
        "period": PERIOD,
    }
    return f"otpauth://totp/{label}?{urlencode(about, quote_via=quote)}"
