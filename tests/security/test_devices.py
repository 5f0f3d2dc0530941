"""Device cookies: they prove that an account signed in on a browser, and nothing else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.security.devices import ACCOUNTS_MAX, Devices
from gatepost.security.keys import KeyRing

ADA, BOB = "ada@example.com", "bob@example.com"


def devices(*secrets: str) -> Devices:
    first, *fallbacks = secrets or ("secret",)
    return Devices(KeyRing.derive(first, fallbacks))


def test_a_value_is_a_random_id_and_a_mac() -> None:
    first, second = devices().issue(None, ADA), devices().issue(None, ADA)
    assert re.fullmatch(r"[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{22}", first)
    assert first.split(".")[0] != second.split(".")[0]
    assert "ada" not in first


def test_it_proves_the_account_that_signed_in_and_no_other() -> None:
    value = devices().issue(None, ADA)
    assert devices().device_of(value, ADA) == value.split(".")[0]
    assert devices().device_of(value, BOB) is None


def test_several_accounts_share_a_browser() -> None:
    value = devices().issue(devices().issue(None, ADA), BOB)
    assert devices().device_of(value, ADA) == devices().device_of(value, BOB) == value.split(".")[0]


def test_the_account_that_signed_in_longest_ago_is_forgotten() -> None:
    people = [f"user{number}@example.com" for number in range(ACCOUNTS_MAX + 1)]
    value: str | None = None
    for email in people[:-1]:
        value = devices().issue(value, email)
    value = devices().issue(value, people[0])  # who signs in again moves to the front
    value = devices().issue(value, people[-1])
    assert value.count(".") == ACCOUNTS_MAX
    known = [email for email in people if devices().device_of(value, email)]
    assert known == [email for email in people if email != people[1]]


def test_signing_in_again_changes_nothing() -> None:
    value = devices().issue(None, ADA)
    assert devices().issue(value, ADA) == value


def test_capital_letters_of_an_adopted_table_are_the_same_account() -> None:
    assert devices().device_of(devices().issue(None, "Ada@Example.com"), ADA)


def test_another_key_proves_nothing_and_a_former_one_still_does() -> None:
    value = devices("old").issue(None, ADA)
    assert devices("new").device_of(value, ADA) is None
    assert devices("new", "old").device_of(value, ADA) == value.split(".")[0]
    renewed = devices("new", "old").issue(value, ADA)
    assert renewed.count(".") == 1
    assert devices("new").device_of(renewed, ADA) == value.split(".")[0]


def test_a_mac_is_of_its_own_device_alone() -> None:
    mine, theirs = devices().issue(None, ADA), devices().issue(None, BOB)
    forged = f"{theirs.split('.')[0]}.{mine.split('.')[1]}"
    assert devices().device_of(forged, ADA) is None


GOOD = devices().issue(None, ADA)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        GOOD.split(".")[0],
        GOOD + ".",
        GOOD[:-1],
        GOOD + "A",
        GOOD + "\n",
        " " + GOOD,
        GOOD.replace(".", ","),
        GOOD + f".{'A' * 22}" * ACCOUNTS_MAX,
        GOOD.replace(GOOD[0], "\uff21", 1),
        "\ud800" + GOOD,
        "x" * 100_000,
    ],
    ids=lambda value: f"{len(value or '')} characters",  # the values are other ones each time
)
def test_what_is_malformed_is_no_device_and_is_replaced(value: str | None) -> None:
    assert devices().device_of(value, ADA) is None
    issued = devices().issue(value, ADA)
    assert issued.count(".") == 1
    assert issued.split(".")[0] != GOOD.split(".")[0]


@given(st.text())
def test_no_text_is_an_error(value: str) -> None:
    assert devices().device_of(value, ADA) is None
    assert devices().device_of(devices().issue(value, ADA), ADA)


@given(st.integers(0, len(GOOD) - 1), st.sampled_from("Aa0_-"))
def test_a_character_that_is_changed_makes_it_worthless(place: int, instead: str) -> None:
    changed = GOOD[:place] + instead + GOOD[place + 1 :]
    assert changed == GOOD or devices().device_of(changed, ADA) is None
