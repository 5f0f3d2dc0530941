"""Texts in one spelling: bounded in one pass before anything is normalised, whatever Unicode holds."""

import ast
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.counting import bounded_normalisation, steps

import gatepost
from gatepost.models.bounds import MARKS_MAX, PASSWORD_MAX, TYPED_FACTOR
from gatepost.security.texts import composed, folded, is_stream_safe

SOURCE = Path(gatepost.__file__).parent
ACUTE, OVERLAY, IOTA = "\u0301", "\u0334", "\u0345"
MARKS = [
    pytest.param(ACUTE, id="one kind"),
    pytest.param(IOTA + OVERLAY, id="two that change places"),
    pytest.param("\u0344", id="one that is two"),
    pytest.param("\u0f73", id="one of class 0 that is two of others"),
    pytest.param("\uff9e\u0301", id="one that becomes a mark in NFKC"),
    pytest.param("\U0001e94a\U00010a0d", id="beyond the first plane"),
]


@pytest.mark.parametrize("marks", MARKS)
@pytest.mark.parametrize("before", ["", "a", "\u6f22", "\U0001f600"])
def test_thirty_marks_in_a_row_are_read_and_no_more(marks: str, before: str) -> None:
    run = (marks * MARKS_MAX)[:MARKS_MAX]
    assert composed(f"{before}{run}a{run}", PASSWORD_MAX) == unicodedata.normalize(
        "NFC", f"{before}{run}a{run}"
    )
    with bounded_normalisation() as normalised, pytest.raises(ValueError, match="at most 30 accents"):
        composed(f"{before}{run}{marks}a", PASSWORD_MAX)
    assert max(map(len, normalised)) == 1


def test_every_character_that_is_sorted_counts() -> None:
    """All of Unicode that this Python knows: what can be sorted with others is a mark, nothing else is."""
    every = map(chr, range(sys.maxunicode + 1))
    characters = [c for c in every if unicodedata.category(c) not in {"Cn", "Co"}]
    found = {c for c in characters if not is_stream_safe(c * (MARKS_MAX + 1))}
    sorted_ = {c for c in characters if unicodedata.combining(unicodedata.normalize("NFKD", c)[0])}
    assert found == sorted_
    assert len(found) > 900


def test_no_character_becomes_more_than_four_when_taken_apart() -> None:
    """So a text four times as long as one may be can't become one through NFC."""
    longest = max(len(unicodedata.normalize("NFD", chr(code))) for code in range(sys.maxunicode + 1))
    assert longest == TYPED_FACTOR


@pytest.mark.parametrize(
    "text",
    [
        "a" * 5_000,
        "a" * 10_000_000,
        IOTA * 2048 + OVERLAY * 2048,
        "a" + IOTA * 2048 + OVERLAY * 2047,
        ("a" + "\u0f73" * 31) * 128,
        IOTA * 1_000_000,
        "\U0001f600" * 1025,
    ],
    ids=lambda text: f"{ascii(text)[:20]} {len(text)}",
)
def test_a_text_of_any_size_costs_no_more_than_its_bound(text: str) -> None:
    def refuse() -> None:
        with bounded_normalisation(), pytest.raises(ValueError, match="Use at most"):
            composed(text, PASSWORD_MAX)

    assert steps(refuse) < 40_000


def test_a_text_out_of_bounds_is_folded_to_itself() -> None:
    text = "A" + IOTA * 31
    with bounded_normalisation():
        assert folded(text) == text


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=[]), max_size=80))
def test_what_is_composed_is_nfc_and_stays(text: str) -> None:
    try:
        found = composed(text, 80)
    except ValueError:
        return
    assert found == unicodedata.normalize("NFC", text) == composed(found, 80)


def test_nothing_else_normalises() -> None:
    """Who wants a spelling asks `texts`, which bounds first; the names of the demonstration are our own."""
    found = set()
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in {"normalize", "casefold"}:
                found.add(str(file.relative_to(SOURCE)))
    assert found == {"security/texts.py", "demo/people.py"}
