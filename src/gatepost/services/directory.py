"""Who has an account, and how it stands: what administrators look up."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

import msgspec

from gatepost.db.pool import Connection, Database
from gatepost.errors import InvalidValue, NotFound, ValidationFailed
from gatepost.models import Lack, User, UserId, as_json
from gatepost.models.bounds import EMAIL_MAX, SEARCH_MAX
from gatepost.security.emails import canonical_email
from gatepost.security.texts import composed
from gatepost.services.clock import Clock
from gatepost.services.feature import Wiring
from gatepost.services.lifetimes import Lifetimes
from gatepost.services.throttles import Throttles
from gatepost.store import directory as store
from gatepost.store import orders, parts
from gatepost.store import search as search_store
from gatepost.store import users as user_store
from gatepost.store.directory import Chosen
from gatepost.store.matches import Match, Span
from gatepost.texts import Text

COUNTED_MAX = 10_000
"""Users that are counted one by one."""

NO_CURSOR = {"cursor": Text("field.cursor")}


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFilter:
    """Which users are looked for.

    Attributes:
        text: what the e-mail, the name or its last word begins with, whatever its case, or else a part of
            e-mail or name, of `PART_MIN` characters at least; with an @-sign in front what the domain of the
            e-mail begins with; or an id; empty for anything.
        is_admin, is_active: what they must be; None for either.
        lacks: what they must not have; None where that does not matter.
    """

    text: str = ""
    is_admin: bool | None = None
    is_active: bool | None = None
    lacks: Lack | None = None


class UserOrder(StrEnum):
    """By what users are sorted that no text is sought in; a minus has the newest first."""

    EMAIL = "email"
    CREATED = "created"
    CREATED_DOWN = "-created"
    SIGN_IN = "sign_in"
    SIGN_IN_DOWN = "-sign_in"


class UserCursor(msgspec.Struct, frozen=True, array_like=True):
    """The place in the order of a search where a page ended.

    Attributes:
        rank, key: of the last match, as `Match` has them.
        user_id: of the last user, as JSON has it.
    """

    rank: int
    key: str
    user_id: int | str

    def __str__(self) -> str:
        """Return it as one word for an address."""
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` made of one.

        Raises:
            ValidationFailed: it made it of none.
        """
        try:
            decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            cursor = msgspec.json.decode(decoded, type=cls)
        except (ValueError, msgspec.MsgspecError):
            cursor = None
        if cursor is None or "\0" in cursor.key or cursor.rank not in range(7):
            raise ValidationFailed(NO_CURSOR)
        if cursor.rank in _TIMES and not _is_time(cursor.key):
            raise ValidationFailed(NO_CURSOR)
        return cursor


_DOMAIN, _CREATED, _SIGN_IN, _PART = 3, 4, 5, 6
_TIMES = {_CREATED, _SIGN_IN, _PART}
"""Ranks whose key is a time."""

_BY_CREATED = {
    UserOrder.CREATED: ("-infinity", orders.by_created),
    UserOrder.CREATED_DOWN: ("infinity", orders.by_created_down),
}
_BY_SIGN_IN = {
    UserOrder.SIGN_IN: ("-infinity", "infinity", orders.beyond, orders.by_sign_in),
    UserOrder.SIGN_IN_DOWN: ("infinity", "-infinity", orders.beyond_down, orders.by_sign_in_down),
}
"""Order → the times that it begins at and ends at, and what finds users in it."""

WALKED, WALKED_AT_ONCE = 2_000, 200
"""Users, or last sign-ins, that a page looks at where no index has those who are wanted."""

PART_MIN = 3
"""Characters that a part of an e-mail or name has at least."""


def _is_time(key: str) -> bool:
    try:
        datetime.fromisoformat(key)
    except ValueError:
        return key in {"infinity", "-infinity"}
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPage:
    """A page of what a search found.

    Attributes:
        users: in the order of the search.
        next_cursor: where the next page begins; None after the last.
    """

    users: Sequence[User]
    next_cursor: UserCursor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user as administrators see one.

    Attributes:
        user: who it is.
        active_sessions: sessions that are live.
        last_sign_in_at: when they last signed in; None for never.
        failures: wrong passwords in a row, wherever they came from.
        is_locked: these are too many: the password works from known places alone.
        has_password: they have a password, whichever; who has none signs in otherwise, or not yet.
        temporary_password_expires_at: until when the temporary password works that waits to be changed; None
            where there is none.
    """

    user: User
    active_sessions: int
    last_sign_in_at: datetime | None
    failures: int
    is_locked: bool
    has_password: bool
    temporary_password_expires_at: datetime | None


def _span(wanted: UserFilter, key: str, after_id: UserId, limit: int) -> Span:
    return Span(
        is_admin=wanted.is_admin, is_active=wanted.is_active, after_key=key, after_id=after_id, limit=limit
    )


def _page(found: Sequence[Match], limit: int) -> UserPage:
    """Return a page of matches, of which one more than fits says that there are others."""
    shown, following = found[:limit], None
    if len(found) > limit:
        last = shown[-1]
        following = UserCursor(rank=last.rank, key=last.key, user_id=as_json(last.user.id))
    return UserPage(users=[match.user for match in shown], next_cursor=following)


class Directory:
    """Finds users."""

    def __init__(
        self,
        database: Database,
        *,
        throttles: Throttles,
        clock: Clock,
        lifetimes: Lifetimes,
        features: Wiring,
    ) -> None:
        self._database = database
        self._features = features
        self._throttles = throttles
        self._clock = clock
        self._lifetimes = lifetimes

    async def find(self, email_or_id: str) -> User:
        """Return the user with this e-mail or id.

        Raises:
            NotFound: there is none.
        """
        user_id = self._id_in(email_or_id)
        async with self._database.connection() as conn:
            user = None if user_id is None else await user_store.get(conn, user_id)
            if user is None:
                user = await user_store.find(conn, _looked_up(email_or_id))
        if user is None:
            raise NotFound(Text("error.not_found.user"))
        return user

    async def id_of(self, email_or_id: str) -> UserId:
        """Return the id of a user; what can be an id is one, also that of a user who was deleted.

        Raises:
            NotFound: nobody has this e-mail.
        """
        user_id = self._id_in(email_or_id)
        return (await self.find(email_or_id)).id if user_id is None else user_id

    def _id_in(self, email_or_id: str) -> UserId | None:
        """Return the id that a text is; with an @-sign it is an e-mail."""
        return None if "@" in email_or_id else self._database.user_ids.parse(email_or_id)

    async def get(self, user_id: UserId) -> User:
        """Return the user with this id.

        Raises:
            NotFound: there is none.
        """
        async with self._database.connection() as conn:
            user = await user_store.get(conn, user_id)
        if user is None:
            raise NotFound(Text("error.not_found.user"))
        return user

    async def account(self, user_id: UserId) -> Account:
        """Return the user with this id and how the account stands.

        Raises:
            NotFound: there is none.
        """
        async with self._database.connection() as conn:
            found = await store.standing(conn, user_id, at=self._clock(), idle=self._lifetimes.idle)
        if found is None:
            raise NotFound(Text("error.not_found.user"))
        return Account(
            user=found.user,
            active_sessions=found.active_sessions,
            last_sign_in_at=found.last_sign_in_at,
            failures=found.failures,
            is_locked=self._throttles.locks(found.failures),
            has_password=found.has_password,
            temporary_password_expires_at=found.temporary_password_expires_at,
        )

    async def search(
        self,
        wanted: UserFilter,
        *,
        order: UserOrder = UserOrder.EMAIL,
        after: UserCursor | None = None,
        limit: int,
    ) -> UserPage:
        """Return users who are as wanted: those by their e-mail first, then by the name, then by a part.

        Each user is on one page, as long as what they are sorted by does not change meanwhile. Sorted by
        their last sign-in, those who never signed in are left out. Where they must lack something, a page
        may not be full.

        Args:
            wanted: which.
            order: by what they are sorted where no text is sought.
            after: where the page before ended.
            limit: users at the most.

        Raises:
            ValidationFailed: no text of anybody begins like this, or the page before was of another search.
        """
        if wanted.lacks is None:
            return await self._page(wanted, order, after, limit)
        found: list[User] = []
        for _ in range(0, WALKED, WALKED_AT_ONCE):
            page = await self._page(wanted, order, after, WALKED_AT_ONCE)
            lacking, room = await self._lacking(page.users, wanted.lacks), limit - len(found)
            if len(lacking) > room:
                # Up to the last one that there is room for, after whom the next page begins.
                upto = page.users.index(lacking[room - 1]) + 1
                page = await self._page(wanted, order, after, upto)
            found += lacking[:room]
            after = page.next_cursor
            if after is None or len(found) == limit:
                break
        return UserPage(users=found, next_cursor=after)

    async def _lacking(self, users: Sequence[User], lacks: Lack) -> list[User]:
        """Return those of these users who lack something."""
        user_ids = [user.id for user in users]
        async with self._database.connection() as conn:
            if lacks is Lack.SIGN_IN:
                having: set[UserId] = set(await store.last_sign_ins(conn, user_ids))
            else:
                having = set().union(*(await self._features.holders(conn, user_ids)).values())
        return [user for user in users if user.id not in having]

    async def _page(
        self, wanted: UserFilter, order: UserOrder, after: UserCursor | None, limit: int
    ) -> UserPage:
        """Return a page of users, whatever they lack."""
        text = _searched(wanted.text)
        ids = self._database.user_ids
        after_id = ids.lowest if after is None else ids.of_json(after.user_id)
        if after_id is None:
            raise ValidationFailed(NO_CURSOR)
        if order is not UserOrder.EMAIL and not text:
            return await self._in_time(wanted, order, after, after_id, limit)
        async with self._database.connection() as conn:
            found = await self._found(conn, text, wanted, after, after_id, limit + 1)
            named = await self._named(conn, wanted, text) if after is None and wanted.lacks is None else None
            if named is not None:
                # Who has this id comes first, and is not among those found by it.
                found = [match for match in found if match.user.id != named.id]
        page = _page(found, limit)
        return page if named is None else replace(page, users=[named, *page.users])

    async def _found(
        self,
        conn: Connection,
        text: str,
        wanted: UserFilter,
        after: UserCursor | None,
        after_id: UserId,
        limit: int,
    ) -> list[Match]:
        """Return matches of a text."""
        domain = text.removeprefix("@") if text.startswith("@") else ""
        if after is not None and after.rank not in ({_DOMAIN} if domain else {*range(_DOMAIN), _PART}):
            raise ValidationFailed(NO_CURSOR)
        span = _span(wanted, "" if after is None else after.key, after_id, limit)
        if domain:
            return await search_store.in_domain(conn, domain, span)
        found, lowest = [], self._database.user_ids.lowest
        if after is None or after.rank != _PART:
            rank = 0 if after is None else after.rank
            found = await search_store.search(conn, text, span, after_rank=rank, lowest_id=lowest)
            span = _span(wanted, "infinity", lowest, limit - len(found))
        if len(found) == limit or len(text) < PART_MIN:
            return found
        return found + await parts.by_part(conn, text, span, walked=WALKED)

    async def _in_time(
        self,
        wanted: UserFilter,
        order: UserOrder,
        after: UserCursor | None,
        after_id: UserId,
        limit: int,
    ) -> UserPage:
        """Return users in the order of a time; by last sign-ins a page may not be full."""
        by_created = _BY_CREATED.get(order)
        if after is not None and after.rank != (_SIGN_IN if by_created is None else _CREATED):
            raise ValidationFailed(NO_CURSOR)
        async with self._database.planning() as conn:
            if by_created is not None:
                begin, in_order = by_created
                key = begin if after is None else after.key
                return _page(await in_order(conn, _span(wanted, key, after_id, limit + 1)), limit)
            begin, end_key, beyond, by_sign_in = _BY_SIGN_IN[order]
            key, end_id, end = begin if after is None else after.key, self._database.user_ids.lowest, None
            if wanted.is_admin is not None or wanted.is_active is not None:
                end = await beyond(conn, key, after_id, steps=WALKED)
            if end is not None:
                end_key, end_id = end
            span = _span(wanted, key, after_id, limit + 1)
            found = await by_sign_in(conn, span, end_key=end_key, end_id=end_id)
        page = _page(found, limit)
        if page.next_cursor is None and end is not None:
            return replace(page, next_cursor=UserCursor(_SIGN_IN, end_key, as_json(end_id)))
        return page

    async def _named(self, conn: Connection, wanted: UserFilter, text: str) -> User | None:
        """Return the user whose id a text is, if they are as wanted."""
        user_id = self._id_in(text) if text else None
        user = None if user_id is None else await user_store.get(conn, user_id)
        if user is None or wanted.is_admin not in {None, user.is_admin}:
            return None
        return user if wanted.is_active in {None, user.is_active} else None

    async def last_sign_ins(self, users: Sequence[User]) -> dict[UserId, datetime]:
        """Return when users last signed in; who never did is left out."""
        async with self._database.connection() as conn:
            return await store.last_sign_ins(conn, [user.id for user in users])

    async def chosen(self, user_ids: Sequence[UserId]) -> list[Chosen]:
        """Return those of these users that there are, each with how many sessions are live."""
        async with self._database.connection() as conn:
            return await store.chosen(conn, user_ids, at=self._clock(), idle=self._lifetimes.idle)

    async def number(self) -> tuple[int, bool]:
        """Return how many users there are, and whether that is exact: above `COUNTED_MAX` it is not."""
        async with self._database.connection() as conn:
            counted, estimate = await store.number(conn, most=COUNTED_MAX)
        return (counted, True) if counted <= COUNTED_MAX else (max(estimate, COUNTED_MAX), False)

    async def page(self, *, after: UserId | None = None, limit: int) -> list[User]:
        """Return users in the order of their ids, those after `after`."""
        after = self._database.user_ids.lowest if after is None else after
        async with self._database.connection() as conn:
            return await user_store.page(conn, after=after, limit=limit)

    async def has_admin(self) -> bool:
        """Say whether there is an administrator who may sign in."""
        async with self._database.connection() as conn:
            return await user_store.any_admin(conn)


def _searched(typed: str) -> str:
    """Return the text to search for: without spaces around it, in the form that names have (NFC).

    Raises:
        ValidationFailed: it is too long, or has control characters.
    """
    try:
        text = composed(typed.strip(), SEARCH_MAX)
    except InvalidValue as error:
        raise ValidationFailed({"q": error.text}) from None
    if not text.isprintable():
        raise ValidationFailed({"q": Text("field.search", count=SEARCH_MAX)})
    return text


def _looked_up(email: str) -> str:
    """Return what to look an e-mail up by, also one in an adopted table that is no valid address.

    Raises:
        NotFound: nobody can have it.
    """
    try:
        return canonical_email(email)
    except ValueError:
        if len(email) > EMAIL_MAX or not email.isprintable():
            raise NotFound(Text("error.not_found.user")) from None
        return email.strip().lower()
