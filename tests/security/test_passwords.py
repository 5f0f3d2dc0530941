"""Passwords: accepted, hashed and checked as OWASP ASVS 5.0 chapter 6.2 and NIST 800-63B-4 ask."""

import sys
import unicodedata
from collections.abc import Callable

import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.counting import hashing

from gatepost.security.foreign import libpass_handler
from gatepost.security.passwords import MAX_LENGTH, PasswordCheck, PasswordHasher, normalise, password_problem

NFC = "Zo\N{LATIN SMALL LETTER E WITH DIAERESIS} pa55"
NFD = "Zoe\N{COMBINING DIAERESIS} pa55"
LONG = "a" * 73

MATCH = PasswordCheck(matches=True)
NO_MATCH = PasswordCheck(matches=False)
CORRUPT = PasswordCheck(matches=False, corrupt=True)
MATCH_REHASH = PasswordCheck(matches=True, needs_rehash=True)

hasher = PasswordHasher(4)


def bcrypt_hash(password: str, cost: int = 4, ident: str = "2b") -> str:
    made = bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()
    return f"${ident}{made[3:]}"


@settings(max_examples=50)
@given(st.text(max_size=120))
def test_any_password_is_hashed_and_found_again(password: str) -> None:
    assert hasher.check(password, hasher.hash(password)) == MATCH


@settings(max_examples=50)
@given(st.text(max_size=90), st.text(max_size=90))
def test_no_other_password_matches(password: str, other: str) -> None:
    expected = normalise(password) == normalise(other)
    assert hasher.check(other, hasher.hash(password)).matches == expected


@pytest.mark.parametrize(
    ("password", "prefix"),
    [
        ("securepassword123", "$2b$04$"),
        ("a" * 72, "$2b$04$"),
        ("\N{EURO SIGN}" * 24, "$2b$04$"),
        ("a" * 73, "$bcrypt-sha256$v=2,t=2b,r=4$"),
        ("\N{EURO SIGN}" * 24 + "a", "$bcrypt-sha256$v=2,t=2b,r=4$"),
        ("nul\0inside", "$bcrypt-sha256$v=2,t=2b,r=4$"),
        ("\0", "$bcrypt-sha256$v=2,t=2b,r=4$"),
        ("\U0001f600" * MAX_LENGTH, "$bcrypt-sha256$v=2,t=2b,r=4$"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_bcrypt_can_take_whole_is_bcrypt_and_all_else_is_digested_first(
    password: str, prefix: str
) -> None:
    stored = hasher.hash(password)
    assert stored.startswith(prefix)
    assert hasher.check(password, stored) == MATCH


@pytest.mark.parametrize(
    ("password", "other"),
    [
        ("a" * 72 + "X", "a" * 72 + "Y"),
        ("a" * 72 + "X", "a" * 72),
        ("a" * 72, "a" * 72 + "X"),
        ("a" * 71, "a" * 72),
        ("a" * 1023 + "X", "a" * 1023 + "Y"),
        ("abc\0X", "abc\0Y"),
        ("abc", "abc\0"),
        ("abc\0", "abc"),
        ("abc", "abc\0abc"),  # bcrypt repeats its key: to it these two are the same
        ("abc", "ABC"),
        ("abc", " abc"),
        ("", " "),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_nothing_is_cut_off_ended_or_folded(password: str, other: str) -> None:
    assert hasher.check(other, hasher.hash(password)) == NO_MATCH


def test_a_hash_that_other_software_cut_at_72_bytes_matches_no_longer_password() -> None:
    """It can't be told from the hash of 72 bytes, to which nothing may be appended."""
    assert hasher.check("a" * 72 + "X", bcrypt_hash("a" * 72)) == NO_MATCH


@pytest.mark.parametrize(("first", "second"), [(NFC, NFD), (NFD, NFC), ("\N{KELVIN SIGN}" * 8, "K" * 8)])
def test_another_spelling_of_the_same_text_is_the_same_password(first: str, second: str) -> None:
    assert hasher.check(second, hasher.hash(first)) == MATCH


def test_compatible_characters_stay_different_passwords() -> None:
    assert hasher.check("fi", hasher.hash("\N{LATIN SMALL LIGATURE FI}")) == NO_MATCH


def test_two_hashes_of_one_password_differ() -> None:
    assert hasher.hash("abc") != hasher.hash("abc")
    assert hasher.hash(LONG) != hasher.hash(LONG)


@pytest.mark.parametrize("password", ["\ud800", "a\udfff", "a" * (MAX_LENGTH + 1), "a" * 1_000_000])
def test_what_can_be_no_password_is_not_hashed_and_matches_nothing(password: str) -> None:
    with pytest.raises(ValueError, match="password_problem") as caught:
        hasher.hash(password)
    assert password[:20] not in str(caught.value)
    assert caught.value.__context__ is None
    for stored in (None, hasher.hash("abc"), "rubbish"):
        assert hasher.check(password, stored) == NO_MATCH


@pytest.mark.parametrize("password", ["securepassword123", LONG, "nul\0inside"])
@pytest.mark.parametrize("stored", [None, "", "!", "!Y6Q2Jq7dGZ3o"])
def test_an_unknown_user_or_one_without_a_password_has_no_match(password: str, stored: str | None) -> None:
    assert hasher.check(password, stored) == NO_MATCH


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (bcrypt_hash("abc", 5), MATCH),
        (bcrypt_hash("abc", 6), MATCH),
        (bcrypt_hash("abc", 4), MATCH_REHASH),
        (bcrypt_hash("abc", 5, "2a"), MATCH_REHASH),
        (bcrypt_hash("abc", 5, "2y"), MATCH_REHASH),
        ("bcrypt$" + bcrypt_hash("abc", 5), MATCH_REHASH),
        (libpass_handler("bcrypt_sha256").using(rounds=5).hash(b"abc"), MATCH),
        (libpass_handler("bcrypt_sha256").using(rounds=6).hash(b"abc"), MATCH),
        (libpass_handler("bcrypt_sha256").using(rounds=4).hash(b"abc"), MATCH_REHASH),
    ],
)
def test_a_hash_of_another_kind_or_a_lower_cost_is_due_for_a_new_one(
    stored: str, expected: PasswordCheck
) -> None:
    assert PasswordHasher(5).check("abc", stored) == expected
    assert PasswordHasher(5).check("abd", stored) == NO_MATCH


# Not made anew: the names of tests, which hold them, must be the same in every worker.
GOOD = "$2b$04$KhFjiH9YaW6LIzwyXZ48qeHvdHSBpLKUWH7xpn4jQ2wGxBE7jnlBW"
GOOD_LONG = "$bcrypt-sha256$v=2,t=2b,r=4$vXO6b04ekT.cTvqxZZvoOu$0pFkux9vcCwBZxwMWU/V05wO7ST7Zei"


def test_what_the_damaged_hashes_are_made_of_matches() -> None:
    assert hasher.check("abc", GOOD).matches
    assert hasher.check(LONG, GOOD_LONG).matches


@pytest.mark.parametrize(
    "stored",
    [
        "rubbish",
        "abc",
        " ",
        "\0",
        "\ud800",
        "$",
        "$2b$",
        "$2b$04$",
        GOOD[:-1],
        GOOD + "a",
        GOOD + "\n",
        " " + GOOD,
        GOOD.replace("$2b$", "$2x$"),
        GOOD.replace("$2b$", "$2$"),
        GOOD.replace("$04$", "$03$"),
        GOOD.replace("$04$", "$17$"),
        GOOD.replace("$04$", "$31$"),
        GOOD.replace("$04$", "$99$"),
        GOOD.replace("$04$", "$4$"),
        GOOD[:28] + "z" + GOOD[29:],
        GOOD[:40] + "\N{LATIN SMALL LETTER E WITH ACUTE}" + GOOD[41:],
        GOOD_LONG[:-1],
        GOOD_LONG.replace("v=2", "v=3"),
        GOOD_LONG.replace("r=4", "r=31"),
        GOOD_LONG.replace("r=4", "r=04"),
        GOOD_LONG[:-1] + "z",
        "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ",
        "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$AAAA",
        "$argon2id$v=19$m=99999999,t=3,p=4$c29tZXNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=262144,t=99,p=4$c29tZXNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=65536,t=3,p=999$c29tZXNhbHQ$" + "A" * 43,
        "$argon2xx$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$" + "A" * 43,
        "$pbkdf2-sha256$999999999$c2FsdA$" + "A" * 43,
        "$pbkdf2-sha256$1000$c2FsdA$AAAA",
        "$pbkdf2-sha256$1000$c2FsdA",
        "pbkdf2_sha256$999999999$salt$AAAA",
        "pbkdf2_sha256$-1$salt$AAAA",
        "pbkdf2_sha256$many$salt$AAAA",
        "pbkdf2_sha256$1000$salt",
        "pbkdf2:md5:1000$salt$AAAA",
        "pbkdf2:sha256$salt$AAAA",
        "pbkdf2:sha256:999999999$salt$AAAA",
        "$scrypt$ln=40,r=8,p=1$c2FsdA$" + "A" * 43,
        "$scrypt$ln=99999999999,r=8,p=1$c2FsdA$" + "A" * 43,
        "$scrypt$n=4,r=8,p=1$c2FsdA$" + "A" * 43,
        "scrypt$16$salt$8",
        "scrypt$17$salt$8$1$AAAA",
        "scrypt$16384$salt$8$9999999$AAAA",
        "scrypt:16384:8:9999999$salt$AAAA",
        "scrypt:-16384:-8:1$salt$AAAA",
        "md5$salt$900150983cd24fb0d6963f7d28e17f72",
        "900150983cd24fb0d6963f7d28e17f72",
        "$2b$04$" + "a" * 1_000_000,
        "$scrypt$" + "9" * 1_000_000,
    ],
    ids=lambda stored: ascii(stored)[:50],
)
@pytest.mark.parametrize("password", ["abc", LONG], ids=["short", "long"])
def test_a_stored_hash_that_is_damaged_unknown_or_absurdly_costly_is_corrupt(
    stored: str, password: str
) -> None:
    with hashing() as work:
        assert hasher.check(password, stored) == CORRUPT
    assert work[-1] == ("bcrypt", 1 << 4)
    assert max(much for _, much in work) < 1 << 15


@given(
    st.one_of(
        st.text(st.characters(exclude_categories=[])),
        st.from_regex(r"\$?[a-z0-9_-]{1,14}[$:][ -~]{0,60}", fullmatch=True),
        st.tuples(st.sampled_from([GOOD, GOOD_LONG]), st.integers(0, 90), st.characters()).map(
            lambda drawn: drawn[0][: drawn[1]] + drawn[2] + drawn[0][drawn[1] + 1 :]
        ),
    )
)
def test_no_stored_text_makes_a_check_raise(stored: str) -> None:
    assert not hasher.check("abcd", stored).matches


def work_of(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> int:
    """Return how many rounds of bcrypt an action takes."""
    costs = []

    def spied(original: Callable[[bytes, bytes], object]) -> Callable[[bytes, bytes], object]:
        def spy(password: bytes, salt: bytes) -> object:
            costs.append(int(salt[4:6]))
            return original(password, salt)

        return spy

    with monkeypatch.context() as patch:
        patch.setattr(bcrypt, "checkpw", spied(bcrypt.checkpw))
        patch.setattr(bcrypt, "hashpw", spied(bcrypt.hashpw))
        act()
    return sum(2**cost for cost in costs)


@pytest.mark.parametrize("password", ["wrong", LONG, "nul\0inside"], ids=["short", "long", "nul"])
@pytest.mark.parametrize(
    "stored",
    [
        pytest.param(None, id="unknown user"),
        pytest.param("!", id="no password"),
        pytest.param("rubbish", id="corrupt"),
        pytest.param(bcrypt_hash("abc", 6), id="bcrypt"),
        pytest.param(bcrypt_hash("abc", 4), id="bcrypt of a lower cost"),
        pytest.param(bcrypt_hash("abc", 5, "2y"), id="bcrypt made by PHP"),
        pytest.param(PasswordHasher(6).hash(LONG + "x"), id="bcrypt-sha256"),
        pytest.param(PasswordHasher(4).hash(LONG + "x"), id="bcrypt-sha256 of a lower cost"),
        pytest.param("bcrypt_sha256$" + bcrypt_hash("abc", 5), id="Django's bcrypt_sha256"),
        pytest.param(bcrypt_hash("abc", 4).replace("$04$", "$31$"), id="absurd cost"),
    ],
)
def test_a_wrong_password_costs_what_an_unknown_user_costs(
    monkeypatch: pytest.MonkeyPatch, password: str, stored: str | None
) -> None:
    checking = PasswordHasher(6)
    checking.check(LONG, None)  # libpass tries bcrypt out when it is loaded
    assert work_of(monkeypatch, lambda: checking.check(password, stored)) == 2**6


def test_making_a_hasher_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert work_of(monkeypatch, lambda: PasswordHasher(15)) == 0


@pytest.mark.parametrize("rounds", [3, 32])
def test_a_cost_that_bcrypt_does_not_know_is_refused(rounds: int) -> None:
    with pytest.raises(ValueError, match="rounds"):
        PasswordHasher(rounds)


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("a" * 8, None),
        ("a" * MAX_LENGTH, None),
        ("\0" * 8, None),
        (" " * 8, None),
        ("\U0001f600" * 8, None),
        ("\U0001f600" * MAX_LENGTH, None),
        ("e\N{COMBINING ACUTE ACCENT}" * 8, None),
        ("e\N{COMBINING ACUTE ACCENT}" * MAX_LENGTH, None),
        ("", "Use at least 8 characters"),
        ("a" * 7, "Use at least 8 characters"),
        ("e\N{COMBINING ACUTE ACCENT}" * 7, "Use at least 8 characters"),
        ("a" * (MAX_LENGTH + 1), "Use at most 1024 characters"),
        ("e\N{COMBINING ACUTE ACCENT}" * (MAX_LENGTH + 1), "Use at most 1024 characters"),
        # one code point typed, two after NFC
        ("\N{DEVANAGARI LETTER QA}" * 513, "Use at most 1024 characters"),
        ("\ud800" * 8, "Use valid Unicode: a half of a surrogate pair is no character"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_new_password_is_measured_in_code_points_after_nfc(password: str, problem: str | None) -> None:
    assert password_problem(password, 8) == problem


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=[]), max_size=100))
def test_what_has_no_problem_can_be_hashed(password: str) -> None:
    if password_problem(password, 1) is None:
        assert hasher.check(password, hasher.hash(password)) == MATCH


def test_no_character_becomes_more_than_four_when_taken_apart() -> None:
    """So a text four times as long as a password may be can't become one through NFC."""
    longest = max(len(unicodedata.normalize("NFD", chr(code))) for code in range(sys.maxunicode + 1))
    assert longest == 4


def test_a_long_run_of_combining_marks_is_not_normalised() -> None:
    password = "\N{COMBINING ACUTE ACCENT}" * 16_000 + "\N{COMBINING GRAVE ACCENT BELOW}" * 16_000
    with hashing() as work:
        assert password_problem(password, 8) == "Use at most 1024 characters"
        assert hasher.check(password, None) == NO_MATCH
    assert work == []
