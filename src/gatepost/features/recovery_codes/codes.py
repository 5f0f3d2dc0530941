"""Recovery codes: made, read as they are typed, and the digests that are stored of them."""

import base64
import hmac
import os
import re
from collections.abc import Sequence

from gatepost.models import UserId

COUNT = 10
_BYTES = 15
"""120 bits: a keyed digest is enough, where fewer would have to be hashed as passwords are (ASVS 6.5.2)."""

_GROUP = 4
_is_code = re.compile(r"[A-Z2-7]{24}").fullmatch


def make() -> list[str]:
    """Return new codes, from the operating system's source: 24 characters of base32, in groups."""
    return [_grouped(base64.b32encode(os.urandom(_BYTES)).decode()) for _ in range(COUNT)]


def digests(keys: Sequence[bytes], user_id: UserId, typed: str) -> list[str]:
    """Return the forms in which a code may be stored, the newest key's first; none of what is none.

    Args:
        keys: the newest key is for new codes.
        user_id: whose it is: another user's digest of it is another one.
        typed: the code, with or without what stands between its groups, in either case.
    """
    code = re.sub(r"[\s-]", "", typed).upper()
    if _is_code(code) is None:
        return []
    return [hmac.digest(key, f"{user_id} {code}".encode(), "sha256").hex() for key in keys]


def _grouped(code: str) -> str:
    return "-".join(code[at : at + _GROUP] for at in range(0, len(code), _GROUP))
