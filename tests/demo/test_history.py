"""What a demo invents: the same of the same seed, so many of each, and nothing that belongs to somebody."""

import ipaddress
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.walking import walked

from gatepost.demo.history import MANY_DEVICES, invent
from gatepost.demo.numbering import Invented
from gatepost.demo.timeline import WINDOW
from gatepost.models import AuditAction, Client, EndReason, UserId
from gatepost.services.lifetimes import Lifetimes

NOW = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
HOUR, STARTED = timedelta(hours=1), AuditAction.SESSION_STARTED
NOBODYS = [
    ipaddress.ip_network(net)
    for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]
REASONS = {
    *(EndReason.EXPIRED, EndReason.LOGOUT, EndReason.LOGOUT_ALL, EndReason.REFRESHED, EndReason.REVOKED),
    *(EndReason.USER_DISABLED, EndReason.SQL, EndReason.PASSWORD_SET, EndReason.PASSWORD_CHANGED),
    *(EndReason.EMAIL_CHANGED, EndReason.REPLAYED, EndReason.LIMIT, EndReason.SIGNED_IN_AGAIN),
}


def made(**given: Any) -> Invented:
    minutes = {"session": 30, "absolute": 43_200, "grace": 1, "fresh": 10, "touch": 1}
    lifetimes = {name: timedelta(minutes=value) for name, value in minutes.items()} | {"idle": None}
    arguments: dict[str, Any] = {"seed": 1, "now": NOW, "users": 100, "events": 8_000}
    arguments["lifetimes"] = Lifetimes(**(lifetimes | given.pop("lifetimes", {})))
    return invent(**(arguments | given))


@pytest.fixture(scope="module")
def invented() -> Invented:
    return made()


def test_the_same_seed_invents_the_same(invented: Invented) -> None:
    assert made() == invented
    assert made(seed=2).users != invented.users


@walked(("users", "events"), [(20, 1_000), (50, 3_001)])
@walked("seed", range(5))
def test_there_are_as_many_as_were_asked_for(users: int, events: int, seed: int) -> None:
    invented = made(users=users, events=events, seed=seed)

    assert (len(invented.users), len(invented.events)) == (users, events)
    assert len({user.email for user in invented.users}) == users


def test_ids_and_times_grow_together(invented: Invented) -> None:
    events = [event.at for event in invented.events]

    assert events == sorted(events)
    assert NOW - WINDOW <= events[0] <= events[-1] <= NOW
    for rows in (invented.users, invented.sessions):
        assert [row.id for row in rows] == list(range(1, len(rows) + 1))
        assert [row.created_at for row in rows] == sorted(row.created_at for row in rows)


def test_sessions_end_in_every_way(invented: Invented) -> None:
    assert {session.end_reason for session in invented.sessions} == {None, *REASONS}


@walked(
    "lifetimes",
    [
        {},
        {"session": timedelta(days=300)},
        {"absolute": timedelta(minutes=1)},
        {"idle": timedelta(minutes=5)},
    ],
)
def test_no_session_is_what_the_settings_do_not_let_it_be(lifetimes: dict[str, Any]) -> None:
    for session in made(lifetimes=lifetimes).sessions:
        assert session.created_at <= session.last_used_at <= NOW
        assert session.created_at < session.expires_at <= session.absolute_expires_at
        if session.ended_at is None:
            assert session.expires_at > NOW
            assert "idle" not in lifetimes or session.last_used_at > NOW - lifetimes["idle"]
        else:
            assert session.created_at <= session.ended_at <= min(session.expires_at, NOW)


def test_people_have_none_to_six_live_sessions_and_one_has_many(invented: Invented) -> None:
    live = {user.id: 0 for user in invented.users}
    for session in invented.sessions:
        live[session.user_id] += session.ended_at is None

    assert max(live.values()) == MANY_DEVICES
    assert set(live.values()) - {MANY_DEVICES} == {0, 1, 2, 3, 4, 6}
    assert sum(user.is_admin for user in invented.users) == 3
    assert all(live[user.id] == 0 for user in invented.users if not user.is_active)


def test_nothing_in_it_is_anybodys(invented: Invented) -> None:
    assert {user.email.partition("@")[2] for user in invented.users} == {
        "example.com",
        "example.org",
        "example.net",
    }
    clients: set[Client] = {row.client for rows in (invented.sessions, invented.events) for row in rows}
    for client in clients - {Client()}:
        assert client == Client.of(client.ip_address, client.user_agent)
        assert any(ipaddress.ip_address(client.ip_address or "") in net for net in NOBODYS)


def test_names_are_of_many_scripts(invented: Invented) -> None:
    text = "".join(user.name for user in invented.users)

    for first, last in ("az", "àÿ", "ऀॿ", "؀ۿ", "一鿿", "Ѐӿ"):
        assert any(first <= letter <= last for letter in text), first


def test_people_work_by_day_and_rest_on_sundays(invented: Invented) -> None:
    days = [0] * 7
    for session in invented.sessions:
        days[session.created_at.weekday()] += 1

    assert sum(days[:5]) / 5 > 1.5 * sum(days[5:]) / 2


def test_live_sessions_began_over_the_month_and_not_in_the_last_hour(invented: Invented) -> None:
    live = [session for session in invented.sessions if session.ended_at is None]
    sign_ins = Counter((NOW - event.at) // HOUR for event in invented.events if event.action == STARTED)

    assert sign_ins[0] <= 1.5 * max(sign_ins[hour] for hour in range(1, 24))
    assert len({(NOW - session.created_at).days for session in live}) > 15
    assert len({session.expires_at.date() for session in live}) > 15
    assert sum(NOW - session.last_used_at < timedelta(days=1) for session in live) > len(live) / 4


def test_one_account_is_locked_and_a_few_are_attacked() -> None:
    in_a_row: Counter[UserId] = Counter()
    for each in made(users=200, events=40_000).failures:
        in_a_row[each.user_id] += each.failures

    assert [count >= 100 for _, count in in_a_row.most_common(2)] == [True, False]
    assert 2 <= sum(5 <= count < 100 for count in in_a_row.values()) <= 8


def test_nobody_is_called_as_somebody_else_is(invented: Invented) -> None:
    assert len({user.name for user in invented.users}) == len(invented.users)
