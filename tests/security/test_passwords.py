"""Passwords: accepted, hashed and checked as OWASP ASVS 5.0 chapter 6.2 and NIST 800-63B-4 ask."""

import base64
import hashlib
import hmac
import sys
import unicodedata
from collections.abc import Callable
from typing import Any

import argon2
import bcrypt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.counting import hashing
from tests.walking import walked

from gatepost.models.bounds import PASSWORD_MAX
from gatepost.security.passwords import Password, PasswordCheck, PasswordHasher

NFC = "Zo\N{LATIN SMALL LETTER E WITH DIAERESIS} pa55"
NFD = "Zoe\N{COMBINING DIAERESIS} pa55"
LONG = "a" * 73

MATCH = PasswordCheck(matches=True)
NO_MATCH = PasswordCheck(matches=False)
CORRUPT = PasswordCheck(matches=False, unreadable="corrupt_hash")
UNSUPPORTED = PasswordCheck(matches=False, unreadable="unsupported_hash")
MATCH_REHASH = PasswordCheck(matches=True, needs_rehash=True)

hasher = PasswordHasher(4)


def hash_of(password: str) -> str:
    return hasher.hash(Password.read(password))


def check(password: str, stored: str | None, checking: PasswordHasher = hasher) -> PasswordCheck:
    return checking.check(Password.read(password), stored)


def bcrypt_hash(password: str, cost: int = 4, ident: str = "2b") -> str:
    made = bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()
    return f"${ident}{made[3:]}"


def wrapped(password: str, cost: int) -> str:
    """Return what passlib's bcrypt_sha256 makes of a password."""
    salt = bcrypt.gensalt(cost)
    digest = hmac.digest(salt[-22:], password.encode(), "sha256")
    made = bcrypt.hashpw(base64.b64encode(digest), salt).decode()
    return f"$bcrypt-sha256$v=2,t=2b,r={cost}${made[7:29]}${made[29:]}"


@settings(max_examples=50)
@given(st.text(max_size=120))
def test_any_password_is_hashed_and_found_again(password: str) -> None:
    assert check(password, hash_of(password)) == MATCH


@settings(max_examples=50)
@given(st.text(max_size=90), st.text(max_size=90))
def test_no_other_password_matches(password: str, other: str) -> None:
    expected = Password.read(password) == Password.read(other)
    assert check(other, hash_of(password)).matches == expected


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
        ("\U0001f600" * PASSWORD_MAX, "$bcrypt-sha256$v=2,t=2b,r=4$"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_bcrypt_can_take_whole_is_bcrypt_and_all_else_is_digested_first(
    password: str, prefix: str
) -> None:
    stored = hash_of(password)
    assert stored.startswith(prefix)
    assert check(password, stored) == MATCH


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
    assert check(other, hash_of(password)) == NO_MATCH


def test_a_password_that_does_not_fit_is_not_taken_for_its_digest() -> None:
    """The same work is done with the digest in its place."""
    digest = base64.b64encode(hashlib.sha256(LONG.encode()).digest()).decode()
    assert check(digest, bcrypt_hash(digest)) == MATCH
    assert check(LONG, bcrypt_hash(digest)) == NO_MATCH


def test_a_hash_that_other_software_cut_at_72_bytes_matches_no_longer_password() -> None:
    """It can't be told from the hash of 72 bytes, to which nothing may be appended."""
    assert check("a" * 72 + "X", bcrypt_hash("a" * 72)) == NO_MATCH


@pytest.mark.parametrize(("first", "second"), [(NFC, NFD), (NFD, NFC), ("\N{KELVIN SIGN}" * 8, "K" * 8)])
def test_another_spelling_of_the_same_text_is_the_same_password(first: str, second: str) -> None:
    assert check(second, hash_of(first)) == MATCH


def test_compatible_characters_stay_different_passwords() -> None:
    assert check("fi", hash_of("\N{LATIN SMALL LIGATURE FI}")) == NO_MATCH


def test_two_hashes_of_one_password_differ() -> None:
    assert hash_of("abc") != hash_of("abc")
    assert hash_of(LONG) != hash_of(LONG)


@pytest.mark.parametrize(
    "password", ["\ud800", "a\udfff", "a" * (PASSWORD_MAX + 1), "a" * 1_000_000, "a" + "\u0301" * 31]
)
def test_what_can_be_no_password_becomes_none_and_is_not_repeated(password: str) -> None:
    with pytest.raises(ValueError, match="Use ") as caught:
        Password.read(password)
    assert password[:20] not in str(caught.value)


def test_a_password_is_never_shown() -> None:
    assert repr(Password.read(NFD)) == "Password()"


@pytest.mark.parametrize("password", ["securepassword123", LONG, "nul\0inside"])
@pytest.mark.parametrize("stored", [None, "", "!", "!Y6Q2Jq7dGZ3o"])
def test_an_unknown_user_or_one_without_a_password_has_no_match(password: str, stored: str | None) -> None:
    assert check(password, stored) == NO_MATCH


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (bcrypt_hash("abc", 5), MATCH),
        (bcrypt_hash("abc", 6), MATCH),
        (bcrypt_hash("abc", 4), MATCH_REHASH),
        (bcrypt_hash("abc", 5, "2a"), MATCH_REHASH),
        (bcrypt_hash("abc", 5, "2y"), MATCH_REHASH),
        ("bcrypt$" + bcrypt_hash("abc", 5), MATCH_REHASH),
        (wrapped("abc", 5), MATCH),
        (wrapped("abc", 6), MATCH),
        (wrapped("abc", 4), MATCH_REHASH),
    ],
)
def test_a_hash_of_another_kind_or_a_lower_cost_is_due_for_a_new_one(
    stored: str, expected: PasswordCheck
) -> None:
    assert check("abc", stored, PasswordHasher(5)) == expected
    assert check("abd", stored, PasswordHasher(5)) == NO_MATCH


# Not made anew: the names of tests, which hold them, must be the same in every worker.
GOOD = "$2b$04$KhFjiH9YaW6LIzwyXZ48qeHvdHSBpLKUWH7xpn4jQ2wGxBE7jnlBW"
GOOD_LONG = "$bcrypt-sha256$v=2,t=2b,r=4$vXO6b04ekT.cTvqxZZvoOu$0pFkux9vcCwBZxwMWU/V05wO7ST7Zei"


def test_what_the_damaged_hashes_are_made_of_matches() -> None:
    assert check("abc", GOOD).matches
    assert check(LONG, GOOD_LONG).matches


@pytest.mark.parametrize(
    "stored",
    [
        "$2b$",
        "$2b$04$",
        GOOD[:-1],
        GOOD + "a",
        GOOD + "\n",
        GOOD.replace("$04$", "$03$"),
        GOOD.replace("$04$", "$17$"),
        GOOD.replace("$04$", "$31$"),
        GOOD.replace("$04$", "$99$"),
        GOOD.replace("$04$", "$4$"),
        GOOD[:40] + "\N{LATIN SMALL LETTER E WITH ACUTE}" + GOOD[41:],
        GOOD_LONG[:-1],
        GOOD_LONG.replace("r=4", "r=31"),
        GOOD_LONG.replace("r=4", "r=04"),
        "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ",
        "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$AAAA",
        "$argon2id$v=19$m=99999999,t=3,p=4$c29tZXNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=262144,t=99,p=4$c29tZXNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=65536,t=3,p=999$c29tZXNhbHQ$" + "A" * 43,
        "$pbkdf2-sha256$999999999$c2FsdA$" + "A" * 43,
        "$pbkdf2-sha256$1000$c2FsdA$AAAA",
        "$pbkdf2-sha256$1000$c2FsdA",
        "pbkdf2_sha256$999999999$salt$AAAA",
        "pbkdf2_sha256$-1$salt$AAAA",
        "pbkdf2_sha256$many$salt$AAAA",
        "pbkdf2_sha256$1000$salt",
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
        "$2b$04$" + "a" * 1_000_000,
        "$scrypt$" + "9" * 1_000_000,
    ],
    ids=lambda stored: ascii(stored)[:50],
)
@pytest.mark.parametrize("password", ["abc", LONG], ids=["short", "long"])
def test_a_stored_hash_that_is_damaged_or_absurdly_costly_is_corrupt(stored: str, password: str) -> None:
    with hashing() as work:
        assert check(password, stored) == CORRUPT
    assert work == [("bcrypt", 1 << 4)]


@pytest.mark.parametrize(
    "stored",
    [
        "rubbish",
        "abc",
        " ",
        "\0",
        "\ud800",
        "$",
        " " + GOOD,
        GOOD.replace("$2b$", "$2x$"),
        GOOD.replace("$2b$", "$2$"),
        GOOD_LONG.replace("v=2", "v=3"),
        "$argon2xx$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$" + "A" * 43,
        "$S$DFURCPdWMHpPuUUt1Nq3gcQSHPRG9QXp4n0bk0hAUbdZgTQ0bk4u",
        "$hmac-md4$MWQ5ZTI4Nzc2Zjg4YmE2MTQ5YjQ0OTMyOGE4NWU4YjA=$MTIzNDU=",
        "pbkdf2:md5:1000$salt$AAAA",
        "md5$salt$900150983cd24fb0d6963f7d28e17f72",
        "900150983cd24fb0d6963f7d28e17f72",
        "a" * 1_000_000,
    ],
    ids=lambda stored: ascii(stored)[:50],
)
@pytest.mark.parametrize("password", ["abc", LONG, "900150983cd24fb0d6963f7d28e17f72"])
def test_a_stored_hash_of_an_unknown_kind_is_unsupported(stored: str, password: str) -> None:
    with hashing() as work:
        assert check(password, stored) == UNSUPPORTED
    assert work == [("bcrypt", 1 << 4)]


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
    assert not check("abcd", stored).matches


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
        pytest.param(PasswordHasher(6).hash(Password.read(LONG + "x")), id="bcrypt-sha256"),
        pytest.param(hash_of(LONG + "x"), id="bcrypt-sha256 of a lower cost"),
        pytest.param("bcrypt_sha256$" + bcrypt_hash("abc", 5), id="Django's bcrypt_sha256"),
        pytest.param(bcrypt_hash("abc", 4).replace("$04$", "$31$"), id="absurd cost"),
        pytest.param("$1$z97CpFvI$WW50gujRWodAHVpNxaQDu.", id="another kind"),
    ],
)
def test_a_wrong_password_costs_what_an_unknown_user_costs(
    monkeypatch: pytest.MonkeyPatch, password: str, stored: str | None
) -> None:
    checking = PasswordHasher(6)
    assert work_of(monkeypatch, lambda: check(password, stored, checking)) == 2**6


# --- The method that is set ---


def argon2_hash(password: str, memory: int, passes: int, lanes: int = 1) -> str:
    made = argon2.PasswordHasher(time_cost=passes, memory_cost=memory, parallelism=lanes)
    return made.hash(password)


by_argon2id = PasswordHasher(4, method="argon2id")


@walked("password", ["securepassword123", LONG, "nul\0inside", "\U0001f600" * PASSWORD_MAX])
def test_argon2id_is_made_at_owasps_parameters(password: str) -> None:
    with hashing() as work:
        stored = by_argon2id.hash(Password.read(password))
    assert work == [("argon2", 2 * 19_456)]
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert stored != by_argon2id.hash(Password.read(password))
    assert argon2.PasswordHasher().verify(stored, password)
    for hasher_ in (by_argon2id, hasher):
        assert check(password, stored, hasher_) == MATCH
        assert check(password[1:], stored, hasher_) == NO_MATCH


@walked(
    ("memory", "passes", "lanes", "expected"),
    [
        (65_536, 3, 4, MATCH),  # pwdlib's and argon2-cffi's own
        (19_456, 2, 1, MATCH),
        (47_104, 1, 1, MATCH),
        (7_168, 5, 1, MATCH),
        (19_455, 2, 1, MATCH_REHASH),
        (47_103, 1, 1, MATCH_REHASH),
        (7_167, 9, 1, MATCH_REHASH),
        (64, 1, 1, MATCH_REHASH),
    ],
)
@walked("checking", [hasher, by_argon2id], ids=["bcrypt", "argon2id"])
def test_argon2id_at_owasps_parameters_or_above_is_kept_whichever_method_is_set(
    memory: int, passes: int, lanes: int, expected: PasswordCheck, checking: PasswordHasher
) -> None:
    assert check("abc", argon2_hash("abc", memory, passes, lanes), checking) == expected


def test_other_argon2_is_replaced_however_strong() -> None:
    for kind in (argon2.Type.I, argon2.Type.D):
        made = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=kind).hash("abc")
        assert check("abc", made) == check("abc", made, by_argon2id) == MATCH_REHASH


def test_a_strong_hash_of_the_password_as_it_was_typed_is_replaced_all_the_same() -> None:
    assert check(NFD, argon2_hash(NFD, 19_456, 2)) == MATCH_REHASH


@pytest.mark.parametrize(
    "stored", [bcrypt_hash("abc", 6), wrapped("abc", 4)], ids=["bcrypt", "bcrypt-sha256"]
)
def test_with_argon2id_set_bcrypt_is_replaced(stored: str) -> None:
    assert check("abc", stored, by_argon2id) == MATCH_REHASH


def test_our_own_argon2id_takes_no_compatible_spelling() -> None:
    narrow = unicodedata.normalize("NFKC", WIDE)
    assert check(WIDE, by_argon2id.hash(Password.read(narrow))) == NO_MATCH
    assert check(WIDE, argon2_hash(narrow, 64, 1)) == MATCH_REHASH


ARGON2 = ("argon2", 2 * 19_456)


@pytest.mark.parametrize(
    ("stored", "own"),
    [
        (None, []),
        ("!", []),
        ("rubbish", []),
        ("$argon2id$v=19$m=9", []),
        (by_argon2id.hash(Password.read("abc")), []),
        (bcrypt_hash("abc", 5), [("bcrypt", 1 << 5)]),
        (argon2_hash("abc", 64, 1), [("argon2", 64)]),
    ],
    ids=["unknown", "no password", "unsupported", "corrupt", "ours", "bcrypt", "lower"],
)
@pytest.mark.parametrize("password", ["wrong", LONG, "nul\0inside"], ids=["short", "long", "nul"])
def test_with_argon2id_set_a_wrong_password_costs_what_an_unknown_user_costs(
    stored: str | None, own: list[tuple[str, int]], password: str
) -> None:
    """And what its own hash costs beside that, where it is of another kind or cost."""
    with hashing() as work:
        check(password, stored, by_argon2id)
    assert work == [*own, ARGON2]


def test_a_method_says_how_long_it_takes() -> None:
    assert by_argon2id.seconds < PasswordHasher(12).seconds == 0.25 == 2 * PasswordHasher(11).seconds


def test_making_a_hasher_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert work_of(monkeypatch, lambda: PasswordHasher(15)) == 0
    with hashing() as work:
        PasswordHasher(15, method="argon2id")
    assert work == []


@pytest.mark.parametrize("rounds", [3, 32])
def test_a_cost_that_bcrypt_does_not_know_is_refused(rounds: int) -> None:
    with pytest.raises(ValueError, match="rounds"):
        PasswordHasher(rounds)


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("a" * 8, None),
        ("a" * PASSWORD_MAX, None),
        ("\0" * 8, None),
        (" " * 8, None),
        ("\U0001f600" * 8, None),
        ("\U0001f600" * PASSWORD_MAX, None),
        ("e\N{COMBINING ACUTE ACCENT}" * 8, None),
        ("e\N{COMBINING ACUTE ACCENT}" * PASSWORD_MAX, None),
        ("", "Use at least 8 characters"),
        ("a" * 7, "Use at least 8 characters"),
        ("e\N{COMBINING ACUTE ACCENT}" * 7, "Use at least 8 characters"),
        ("a" * (PASSWORD_MAX + 1), "Use at most 1024 characters"),
        ("e\N{COMBINING ACUTE ACCENT}" * (PASSWORD_MAX + 1), "Use at most 1024 characters"),
        # one code point typed, two after NFC
        ("\N{DEVANAGARI LETTER QA}" * 513, "Use at most 1024 characters"),
        ("\ud800" * 8, "Use valid Unicode: unpaired surrogates are not characters"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_a_new_password_is_measured_in_code_points_after_nfc(password: str, problem: str | None) -> None:
    if problem is None:
        assert len(Password.read(password, min_length=8).text) >= 8
        return
    with pytest.raises(ValueError, match="Use ") as caught:
        Password.read(password, min_length=8)
    assert str(caught.value) == problem


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=[]), max_size=100))
def test_whatever_is_read_can_be_hashed(typed: str) -> None:
    try:
        password = Password.read(typed)
    except ValueError:
        return
    assert hasher.check(password, hasher.hash(password)) == MATCH


def test_no_character_becomes_more_than_four_when_taken_apart() -> None:
    """So a text four times as long as a password may be can't become one through NFC."""
    longest = max(len(unicodedata.normalize("NFD", chr(code))) for code in range(sys.maxunicode + 1))
    assert longest == 4


# --- What other software did before it hashed ---

DECOMPOSED = unicodedata.normalize("NFD", "Zoë Grüße Ångström 한국어")
WIDE = "ﬁrewall no. ①"


@pytest.mark.parametrize("typed", [DECOMPOSED, "\N{KELVIN SIGN}elvin pa55", "a\u0323\u0301 \u212b", NFD])
@pytest.mark.parametrize("ident", ["2a", "2b", "2y"])
def test_a_hash_of_a_password_as_it_was_typed_matches_and_is_due_for_one_of_ours(
    typed: str, ident: str
) -> None:
    assert check(typed, bcrypt_hash(typed, ident=ident)) == MATCH_REHASH
    assert check(unicodedata.normalize("NFC", typed), bcrypt_hash(typed, ident=ident)) == NO_MATCH


def django(password: bytes) -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password, b"salt", 1000)
    return f"pbkdf2_sha256$1000$salt${base64.b64encode(digest).decode()}"


def werkzeug(password: bytes) -> str:
    return f"scrypt:16:8:1$salt${hashlib.scrypt(password, salt=b'salt', n=16, r=8, p=1).hex()}"


def argon2_cffi(password: bytes) -> str:
    return argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(password)


@pytest.mark.parametrize("make", [django, werkzeug, argon2_cffi])
@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC"])
def test_other_kinds_are_tried_as_composed_as_typed_and_in_nfkc(
    make: Callable[[bytes], str], form: Any
) -> None:
    made = make(unicodedata.normalize(form, DECOMPOSED + WIDE).encode())
    assert check(DECOMPOSED + WIDE, made) == MATCH_REHASH
    assert check(DECOMPOSED + WIDE + "x", made) == NO_MATCH


def test_a_hash_of_ours_takes_no_compatible_spelling() -> None:
    for ident, expected in (("2b", NO_MATCH), ("2y", MATCH_REHASH)):
        made = bcrypt_hash(unicodedata.normalize("NFKC", WIDE), ident=ident)
        assert check(WIDE, made) == expected


@pytest.mark.parametrize("stored", [None, "!", "rubbish", bcrypt_hash("abc", 6), bcrypt_hash("abc", 4)])
def test_a_spelling_that_has_two_forms_costs_twice_whoever_it_is_for(
    monkeypatch: pytest.MonkeyPatch, stored: str | None
) -> None:
    checking = PasswordHasher(6)
    assert work_of(monkeypatch, lambda: check(DECOMPOSED, stored, checking)) == 2 * 2**6
    assert work_of(monkeypatch, lambda: check(NFC, stored, checking)) == 2**6


def test_what_other_software_made_is_tried_three_times_at_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    made = bcrypt_hash("abc", 6, "2y")
    assert work_of(monkeypatch, lambda: check(DECOMPOSED + WIDE, made, PasswordHasher(6))) == 3 * 2**6


# --- Bits of a hash that count for nothing ---

ALPHABET = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def padded(stored: str, *, salt: int, digest: int) -> str:
    """Return a hash with these bits set in the last character of its salt and of its digest."""
    at = len(stored) - (33 if stored[-32] == "$" else 32)
    ends = (ALPHABET[ALPHABET.index(stored[place]) | bits] for place, bits in ((at, salt), (-1, digest)))
    return stored[:at] + next(ends) + stored[at + 1 : -1] + next(ends)


@pytest.mark.parametrize("salt", [0, 1, 8, 15])
@pytest.mark.parametrize("digest", [0, 1, 3])
@pytest.mark.parametrize(
    "stored",
    [
        bcrypt_hash("abc", 4, "2a"),
        bcrypt_hash("abc"),
        bcrypt_hash("abc", 4, "2y"),
        "bcrypt$" + bcrypt_hash("abc"),
        wrapped("abc", 4),
    ],
)
def test_padding_bits_of_a_hash_are_read_over(stored: str, salt: int, digest: int) -> None:
    """OpenBSD's and PHP's implementations do so, and some libraries write whatever was there."""
    changed = padded(stored, salt=salt, digest=digest)
    found = check("abc", changed)
    assert found.matches
    assert found.needs_rehash or changed == stored
    assert check("abd", changed) == NO_MATCH
