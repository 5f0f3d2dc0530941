"""Users as a list finds them: what every statement that finds some is made of."""

from dataclasses import dataclass
from typing import LiteralString, Self

from gatepost.models import Row, User, UserId
from gatepost.store.users import USER


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A user that a list found.

    Attributes:
        rank: what it was found by: 0 the e-mail, 1 the name, 2 the last word of the name, 3 the domain of the
            e-mail, 6 a part; or what it is sorted by: 4 when they were created, 5 when they last signed in.
        key: the text that begins like the one sought, or the time, as the statement compares it.
        user: who it is.
    """

    rank: int
    key: str
    user: User

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """Read the columns of `shown`."""
        return cls(rank=row["rank"], key=row["key"], user=User.from_row(row))


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which users a page of a list is of.

    Attributes:
        is_admin, is_active: what they must be; None for either.
        after_key, after_id: of the match that the page before ended with.
        limit: matches at the most.
    """

    is_admin: bool | None
    is_active: bool | None
    after_key: str
    after_id: UserId
    limit: int

    @property
    def given(self) -> tuple[object, ...]:
        """What the statements take first, as $1 to $5."""
        return self.is_admin, self.is_active, self.after_key, self.after_id, self.limit


# As the indexes have them.
EMAIL: LiteralString = """lower(left(coalesce(u.email, '')::text COLLATE "default", 320))"""
NAME: LiteralString = """lower(left(coalesce(u.name, '')::text COLLATE "default", 100))"""
LAST_NAME: LiteralString = (
    """lower(split_part(rtrim(left(coalesce(u.name, '')::text COLLATE "default", 100)), ' ', -1))"""
)
DOMAIN: LiteralString = (
    """lower(split_part(left(coalesce(u.email, '')::text COLLATE "default", 320), '@', -1))"""
)
CREATED: LiteralString = "coalesce(u.created_at, '-infinity')"

KINDS: LiteralString = """
    kinds AS MATERIALIZED (
        SELECT a.is_admin, b.is_active
        FROM (VALUES (false), (true)) a (is_admin) CROSS JOIN (VALUES (false), (true)) b (is_active)
        WHERE a.is_admin = coalesce($1::boolean, a.is_admin)
            AND b.is_active = coalesce($2::boolean, b.is_active)
    )
"""
"""The kinds of users that are wanted: each has a range of its own in an index."""

OF_KIND: LiteralString = """
    coalesce(u.is_admin, false) = g.is_admin AND coalesce(u.is_active, false) = g.is_active
"""
"""A user is of the kind g."""


def shown(rank: LiteralString, down: LiteralString = "") -> LiteralString:
    """Return what answers with the users of a `page`, in the order of its keys, or with " DESC" in the other.

    Each is looked up by id, however many there might be.
    """
    return (
        "SELECT "
        + rank
        + " AS rank, p.key::text AS key, u.* FROM page p CROSS JOIN LATERAL (SELECT "
        + USER
        + " FROM users u WHERE u.id = p.id LIMIT 1) u ORDER BY p.key"
        + down
        + ", p.id"
        + down
    )
