"""Lines in which callers wait: served in turns, and the longest gives way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.models import Client
from gatepost.services.lines import Line, Lines


def served(lines: Lines[str]) -> list[str]:
    """Return who is served, in their order, until nobody waits."""
    found = []
    while (item := lines.next()) is not None:
        found.append(item)
    assert len(lines) == 0
    return found


def filled(*places: str, limit: int = 100) -> Lines[str]:
    """Let one wait for each of these letters: `a1` is the first of the place a."""
    lines: Lines[str] = Lines(limit)
    for number, place in enumerate(places):
        lines.add(place, f"{place}{1 + places[:number].count(place)}")
    return lines


def test_lines_are_served_in_turns_and_each_in_its_order() -> None:
    assert served(filled(*"aaaabbc")) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


def test_one_who_comes_late_waits_for_one_of_each_line() -> None:
    lines = filled(*"aaaabbbb")
    assert [lines.next() for _ in range(3)] == ["a1", "b1", "a2"]
    lines.add("c", "c1")
    assert served(lines) == ["b2", "a3", "c1", "b3", "a4", "b4"]


@pytest.mark.parametrize(
    ("waiting", "comes", "goes"),
    [
        ("aaab", "b", "a3"),  # a longer line gives its last
        ("aaab", "c", "a3"),
        ("aaab", "a", "a4"),  # whose own is the longest has to go
        ("aabb", "b", "b3"),
        ("aabb", "c", "a2"),
        ("abcd", "e", "e1"),  # all are as long as theirs
        ("abcd", "a", "a2"),
    ],
)
def test_past_the_limit_the_last_of_the_longest_line_goes(waiting: str, comes: str, goes: str) -> None:
    lines = filled(*waiting, limit=len(waiting))
    assert lines.add(comes, f"{comes}{1 + waiting.count(comes)}") == goes
    assert len(lines) == len(waiting)
    assert goes not in served(lines)


def test_who_hangs_up_is_not_waited_for() -> None:
    lines = filled(*"aab")
    lines.remove("a", "a1")
    lines.remove("a", "a1")
    lines.remove("b", "b1")
    lines.remove("nowhere", "x")
    assert served(lines) == ["a2"]


@given(st.lists(st.sampled_from("abcd")), st.integers(1, 8))
def test_nobody_is_lost_and_no_place_waits_longer_than_its_share(places: list[str], limit: int) -> None:
    lines: Lines[int] = Lines(limit)
    gone = {lines.add(place, number) for number, place in enumerate(places)} - {None}
    order = []
    while (item := lines.next()) is not None:
        order.append(item)
    assert len(order) == min(limit, len(places))
    assert set(order) | gone == set(range(len(places)))
    waiting = {place for number, place in enumerate(places) if number in order}
    assert {places[number] for number in order[: len(waiting)]} == waiting, "each has a turn first"


def test_a_line_is_of_a_network() -> None:
    for address, place in {"192.0.2.1": "192.0.2.1", "2001:db8:1:2::3": "2001:db8:1::/48", None: ""}.items():
        assert Line.of(Client(ip_address=address), is_known=True).place == place
