"""What pages of the console and of the account ask of the database, where there is most to find."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bench.failures import Wrong
from bench.measures.history import ADMIN, BUSY, CROWDS, OFFICE, SHARED
from bench.results import Sample
from gatepost.features.addresses.places import Place
from gatepost.features.addresses.service import Addresses
from gatepost.gate import Gate
from gatepost.models import ROUTINE, EventFilter, SessionFilter
from gatepost.services.directory import UserFilter, UserOrder
from gatepost.services.oversight import LISTED_MAX

ROWS, READ = 50, 500
"""Users and events that a page reads."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page.

    Attributes:
        name: for people.
        ask: asks for what it shows; answers how many rows that are.
        least: as many there are at the least.
    """

    name: str
    ask: Callable[[Gate], Awaitable[int]]
    least: int = 1


def _address(place: str) -> Callable[[Gate], Awaitable[int]]:
    async def ask(gate: Gate) -> int:
        look = await gate.service(Addresses).look(Place.of(place))
        return look.figures.failures or len(look.sessions)

    return ask


def _events(
    wanted: EventFilter | None = None, *, last: timedelta | None = None
) -> Callable[[Gate], Awaitable[int]]:
    async def ask(gate: Gate) -> int:
        since = None if last is None else datetime.now(UTC) - last
        asked = replace(wanted or EventFilter(), without=ROUTINE, since=since)
        return len((await gate.trail.page(asked, before=None, limit=READ)).events)

    return ask


def _users(
    wanted: UserFilter | None = None, order: UserOrder = UserOrder.EMAIL
) -> Callable[[Gate], Awaitable[int]]:
    async def ask(gate: Gate) -> int:
        page = await gate.administration.search(wanted or UserFilter(), order=order, limit=ROWS)
        await gate.administration.last_sign_ins(page.users)
        await gate.administration.number()
        return len(page.users)

    return ask


def _user(user_id: int) -> Callable[[Gate], Awaitable[int]]:
    async def ask(gate: Gate) -> int:
        await gate.administration.account(user_id)
        sessions = await gate.oversight.page(SessionFilter(user_id=user_id), before=None, limit=ROWS)
        await gate.trail.page(EventFilter(user_id=user_id, without=ROUTINE), before=None, limit=100)
        return len(sessions)

    return ask


def _activity(user_id: int) -> Callable[[Gate], Awaitable[int]]:
    async def ask(gate: Gate) -> int:
        return 1 + len(await gate.audit.of_user(user_id, before=None, limit=16, without=ROUTINE))

    return ask


def _sessions(wanted: SessionFilter) -> Callable[[Gate], Awaitable[int]]:
    async def ask(gate: Gate) -> int:
        await gate.oversight.count(wanted, most=LISTED_MAX)
        return len(await gate.oversight.page(wanted, before=None, limit=ROWS))

    return ask


PAGES: Mapping[str, Page] = {
    **{
        f"address-{each.key}": Page(
            f"address page, {each.place}, {each.events:,} events", _address(each.place)
        )
        for each in CROWDS
    },
    "address-shared": Page("address page, an office of 4,000 users", _address(OFFICE)),
    "address-network": Page("address page, a /24 of 20,000 users", _address(SHARED), 0),
    "events": Page("events, any", _events()),
    "events-action": Page("events, one action", _events(EventFilter(action="login.failed"))),
    "events-family": Page("events, a family of actions", _events(EventFilter(action="user."))),
    "events-none": Page(
        "events, an action that there is none of", _events(EventFilter(action="user.erased")), 0
    ),
    "events-user": Page("events, of a user with 100,000 renewals", _events(EventFilter(user_id=BUSY)), 0),
    "events-actor": Page("events, by an administrator who did 50,000", _events(EventFilter(by=ADMIN))),
    "events-address": Page("events, from an address", _events(EventFilter(address=CROWDS[1].place))),
    "events-network": Page("events, from a network", _events(EventFilter(address=CROWDS[2].place))),
    "events-old-address": Page("events, from an address with few", _events(EventFilter(address="203.0.0.7"))),
    "events-email": Page(
        "events, of an e-mail that is nobody's", _events(EventFilter(email="nobody12@example.com"))
    ),
    "events-last": Page("events, of the last 24 hours", _events(last=timedelta(hours=24))),
    **{f"users-{order}": Page(f"users, sorted by {order}", _users(order=order)) for order in UserOrder},
    **{
        f"users-admins-{order}": Page(
            f"administrators, sorted by {order}", _users(UserFilter(is_admin=True), order), 0
        )
        for order in UserOrder
    },
    **{
        f"users-disabled-{order}": Page(
            f"disabled users, sorted by {order}", _users(UserFilter(is_active=False), order), 0
        )
        for order in UserOrder
    },
    "users-prefix": Page("users, by the beginning of an e-mail", _users(UserFilter(text="user1"))),
    "users-name": Page("users, by the last word of a name", _users(UserFilter(text="99"))),
    "users-part": Page(
        "users, by a part of a name that the oldest 50,000 have", _users(UserFilter(text="gorzata"))
    ),
    "users-nobody": Page("users, by a text that nobody has", _users(UserFilter(text="zzz")), 0),
    "users-domain": Page("users, by a domain", _users(UserFilter(text="@example.com"))),
    "users-admin-domain": Page(
        "administrators, by a domain", _users(UserFilter(text="@example.com", is_admin=True))
    ),
    "user-busy": Page("user page, 100,000 renewals", _user(BUSY)),
    "user-admin": Page("user page, an administrator who did 50,000", _user(ADMIN)),
    "user-activity": Page("activity page, 100,000 renewals", _activity(BUSY), 0),
    "sessions": Page("sessions, any", _sessions(SessionFilter())),
    "sessions-address": Page(
        "sessions, from an address with 4,000", _sessions(SessionFilter(address=OFFICE))
    ),
    "sessions-network": Page("sessions, from a /24 with 20,000", _sessions(SessionFilter(address=SHARED))),
}


async def sample(gate: Gate, page: Page, number: int, *, busy: Callable[[], float] = lambda: 0.0) -> Sample:
    """Ask once to warm up, and once for the milliseconds it takes, and those that PostgreSQL works.

    Args:
        gate: what is asked.
        page: for what.
        number: of the round.
        busy: tells how many seconds PostgreSQL has worked.

    Raises:
        Wrong: there was not what was put in.
    """
    found = await page.ask(gate)
    if found < page.least:
        raise Wrong(f"{page.name}: {found}")
    begun, worked = time.perf_counter(), busy()
    await page.ask(gate)
    taken = 1000 * (time.perf_counter() - begun)
    return Sample(value=taken, round=number, database_us=1e6 * (busy() - worked))
