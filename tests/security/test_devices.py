"""Device cookies: they prove that an account signed in on a browser, and nothing else."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.security.devices import ACCOUNTS_MAX, LIFETIME, Devices
from gatepost.security.keys import KeyRing

ADA, BOB = UUID("0a" * 16), UUID("0b" * 16)
NOW = datetime(2024, 1, 1, tzinfo=UTC)


def devices(*secrets: str) -> Devices:
    first, *fallbacks = secrets or ("secret",)
    return Devices(KeyRing.derive(first, fallbacks))


def issue(value: str | None, stamp: UUID, *secrets: str, now: datetime = NOW) -> str:
    return devices(*secrets).issue(value, stamp, now=now)


def stamps(value: str | None, *secrets: str, now: datetime = NOW) -> list[UUID]:
    return devices(*secrets).stamps(value, now=now)


def test_a_value_is_a_signed_entry_that_names_nobody() -> None:
    assert re.fullmatch(r"[0-9A-Za-z_-]{48}", issue(None, ADA))


def test_it_proves_the_account_that_signed_in_and_no_other() -> None:
    assert stamps(issue(None, ADA)) == [ADA]
    assert stamps(issue(None, BOB)) == [BOB]


def test_several_accounts_share_a_browser() -> None:
    assert stamps(issue(issue(None, ADA), BOB)) == [ADA, BOB]


def test_the_account_that_signed_in_longest_ago_is_forgotten() -> None:
    people = [UUID(int=number) for number in range(ACCOUNTS_MAX + 1)]
    value: str | None = None
    for stamp in people[:-1]:
        value = issue(value, stamp)
    value = issue(value, people[0])  # who signs in again moves to the front
    value = issue(value, people[-1])
    assert value.count(".") == ACCOUNTS_MAX - 1
    assert stamps(value) == [*people[2:-1], people[0], people[-1]]


def test_signing_in_again_counts_from_then() -> None:
    again = NOW + LIFETIME / 2
    value = issue(issue(None, ADA), ADA, now=again)
    assert "." not in value
    for after, known in ((LIFETIME, [ADA]), (LIFETIME * 3 / 2, [])):
        assert stamps(value, now=NOW + after) == known


def test_it_counts_for_its_time_and_what_is_over_goes_with_the_next_sign_in() -> None:
    value = issue(None, ADA)
    assert stamps(value, now=NOW + LIFETIME - timedelta(seconds=1)) == [ADA]
    assert stamps(value, now=NOW + LIFETIME) == []
    assert "." not in issue(value, BOB, now=NOW + LIFETIME)


def test_another_key_proves_nothing_and_a_former_one_still_does() -> None:
    value = issue(None, ADA, "old")
    assert stamps(value, "new") == []
    assert stamps(value, "new", "old") == [ADA]
    renewed = issue(value, ADA, "new", "old")
    assert "." not in renewed
    assert stamps(renewed, "new") == [ADA]


GOOD = issue(None, ADA)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        GOOD + ".",
        GOOD[:-1],
        GOOD + "A",
        GOOD + "\n",
        " " + GOOD,
        GOOD[:24] + "." + GOOD[24:],
        f"{GOOD}," + GOOD,
        GOOD + f".{'A' * 48}" * ACCOUNTS_MAX,
        GOOD.replace(GOOD[0], "\uff21", 1),
        "\ud800" + GOOD,
        "x" * 100_000,
    ],
    ids=lambda value: f"{len(value or '')} characters",  # the values are other ones each time
)
def test_what_is_malformed_is_no_device_and_is_replaced(value: str | None) -> None:
    assert stamps(value) == []
    assert stamps(issue(value, BOB)) == [BOB]


@given(st.text())
def test_no_text_is_an_error(value: str) -> None:
    assert stamps(value) == []
    assert stamps(issue(value, ADA)) == [ADA]


@given(st.integers(0, len(GOOD) - 1), st.sampled_from("Aa0_-"))
def test_a_character_that_is_changed_makes_it_worthless(place: int, instead: str) -> None:
    changed = GOOD[:place] + instead + GOOD[place + 1 :]
    assert changed == GOOD or stamps(changed) == []
    assert stamps(f"{changed}.{GOOD}")[-1:] == [ADA], "and no other one"
