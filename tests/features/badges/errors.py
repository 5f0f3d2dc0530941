"""What can go wrong with badges."""

from gatepost.errors import Conflicting


class TooManyBadges(Conflicting):
    """The user has as many badges as there may be."""

    code = "too_many_badges"
