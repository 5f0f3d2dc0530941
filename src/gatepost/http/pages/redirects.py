"""Where `next` may lead after a sign-in: within this origin, or to ALLOWED_REDIRECTS (ASVS 3.7.2)."""

import re
from collections.abc import Collection

from gatepost.models.bounds import PLACE_MAX

# What browsers read in another way than it looks: a second slash or a backslash names a host, and they
# drop tabs and line ends before they look.
_OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
_ORIGIN = re.compile(r"(?P<origin>https?://[a-z0-9.\[\]:_-]+)(?:[/?#][\x21-\x5b\x5d-\x7e]*)?")


class Redirects:
    """Tells the places that may be led to from others.

    Args:
        own: one's own origin, None where it is not known.
        allowed: other origins.
    """

    def __init__(self, own: str | None, allowed: Collection[str]) -> None:
        self._origins = frozenset(allowed) | ({own} if own else frozenset())

    def safe(self, place: str | None) -> str | None:
        """Return a place that may be led to as it was given, None for every other."""
        if not place or len(place) > PLACE_MAX:
            return None
        if _OWN_PATH.fullmatch(place):
            return place
        match = _ORIGIN.fullmatch(place)
        return place if match and match["origin"] in self._origins else None
