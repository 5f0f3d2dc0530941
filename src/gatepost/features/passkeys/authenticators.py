"""What authenticators are called, by the AAGUID that they tell when a passkey is made.

The list is others' work: `aaguids/MANIFEST.json` says whose and of which day. Names are shown to people and
decide nothing, as an authenticator may say what it likes.
"""

import json
from functools import cache
from pathlib import Path
from uuid import UUID

NAMES = Path(__file__).parent / "aaguids" / "names.json"


def name_of(aaguid: UUID) -> str | None:
    """Return what a model of authenticator is called, such as `iCloud Keychain`; None where nobody knows."""
    return _names().get(str(aaguid))


@cache
def _names() -> dict[str, str]:
    names: dict[str, str] = json.loads(NAMES.read_text("utf-8"))
    return {aaguid: name.strip() for aaguid, name in names.items()}
