"""Tokens of HTML forms."""

import pytest

from gatepost.security.csrf_tokens import CsrfTokens
from gatepost.security.keys import KeyRing

OLD, NEW = "o" * 40, "n" * 40


def test_a_token_is_good_for_what_it_was_made_for() -> None:
    tokens = CsrfTokens(KeyRing.derive(NEW))
    token = tokens.issue("session 1")
    assert len(token) == 64
    assert tokens.check(token, "session 1")
    assert not tokens.check(token, "session 2")
    assert tokens.issue("session 1") != token


def test_a_token_outlives_a_change_of_keys_as_long_as_the_old_one_is_kept() -> None:
    token = CsrfTokens(KeyRing.derive(OLD)).issue("1")
    assert CsrfTokens(KeyRing.derive(NEW, [OLD])).check(token, "1")
    assert not CsrfTokens(KeyRing.derive(NEW)).check(token, "1")


@pytest.mark.parametrize("text", ["", "x", "é", "=" * 64, "A" * 64, "A" * 10_000, "\0", "\ud800", "%%%%"])
def test_what_is_no_token_is_refused(text: str) -> None:
    assert not CsrfTokens(KeyRing.derive(NEW)).check(text, "1")


def test_every_character_counts() -> None:
    tokens = CsrfTokens(KeyRing.derive(NEW))
    token = tokens.issue("1")
    for place in range(len(token)):
        other = "A" if token[place] != "A" else "B"
        assert not tokens.check(token[:place] + other + token[place + 1 :], "1")
