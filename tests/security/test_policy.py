"""What a new password may be: the list, the words of the context, and nothing besides (ASVS 6.1.2, 6.2)."""

import gzip
import hashlib
import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatepost.errors import PasswordIsContext, PasswordTooCommon, ValidationFailed
from gatepost.security import policy
from gatepost.security.passwords import Password
from gatepost.security.policy import PasswordPolicy, common_passwords, is_common, service_words
from gatepost.security.texts import folded

BLOCKLIST = Path(policy.__file__).parent / "blocklist"
LIST = gzip.decompress((BLOCKLIST / "passwords.txt.gz").read_bytes())
ENTRIES = LIST.decode().removesuffix("\n").split("\n")
KNOWN = frozenset(ENTRIES)
MANIFEST = json.loads((BLOCKLIST / "MANIFEST.json").read_text())

EMAIL = "ada.lovelace@example.org"
POLICY = PasswordPolicy(
    min_length=8, service_words=service_words("Number Nine", "https://notebook7.example.com:8443")
)


def refusal_of(password: str, email: str = EMAIL, field: str = "password") -> ValidationFailed | None:
    try:
        assert POLICY.accept(password, email=email, field=field) == Password.read(password)
    except ValidationFailed as refusal:
        return refusal
    return None


def refused(password: str, email: str = EMAIL) -> type[ValidationFailed] | None:
    refusal = refusal_of(password, email)
    return None if refusal is None else type(refusal)


# --- The list ---


def test_the_list_is_the_one_that_the_manifest_tells_of() -> None:
    assert hashlib.sha256(LIST).hexdigest() == MANIFEST["sha256"]
    assert MANIFEST["sha256"] == "2f21ed9229cd447c212c5b464937e5078bf9102ae266091aa06ae9b486d004ef"
    assert len(ENTRIES) == MANIFEST["entries"]
    assert 16_000 < len(ENTRIES) < 17_000


def test_the_list_comes_with_its_sources_and_their_licences() -> None:
    licences = {
        source["name"]: (source["license"], (BLOCKLIST / source["license_file"]).read_text())
        for source in MANIFEST["sources"]
    }
    assert {name: licence for name, (licence, _) in licences.items()} == {
        "django": "BSD-3-Clause",
        "zxcvbn": "MIT",
    }
    assert "Copyright (c) Django Software Foundation" in licences["django"][1]
    assert "MIT License" in licences["zxcvbn"][1]
    assert all(source["version"] and len(source["sha256"]) == 64 for source in MANIFEST["sources"])


def test_the_list_is_sorted_without_a_duplicate_and_in_the_form_that_is_compared() -> None:
    assert sorted(set(ENTRIES)) == ENTRIES
    assert all(len(entry) >= 8 and folded(entry) == entry for entry in ENTRIES)


@given(st.text(max_size=20))
def test_a_folded_text_is_in_one_spelling_and_case(text: str) -> None:
    for spelled in (text, unicodedata.normalize("NFD", text), "\u01f0" + text, "J\u030c" + text):
        assert unicodedata.is_normalized("NFC", folded(spelled))
    assert folded("\u01f0") == folded("J\u030c") == "\u01f0"
    assert folded(folded(text)) == folded(text)


@pytest.mark.parametrize(
    "entry", ["password", "12345678", "123456789", "password1", "iloveyou", "qwertyuiop", "1q2w3e4r"]
)
def test_what_everybody_knows_is_on_the_list(entry: str) -> None:
    assert entry in ENTRIES


def test_the_guides_sample_is_not_on_the_list() -> None:
    assert "securepassword123" not in ENTRIES


def test_every_entry_is_refused_however_it_is_written() -> None:
    spellings = (str, str.upper, str.title, lambda text: unicodedata.normalize("NFD", text))
    accepted = [
        spelled
        for entry in ENTRIES
        for spelled in {spell(entry) for spell in spellings}
        if refused(spelled) is not PasswordTooCommon
    ]
    assert accepted == []


@given(st.sampled_from(ENTRIES), st.sampled_from(["", " ", "x", "\t", "\n", "\0", "password"]))
def test_nothing_but_the_whole_of_an_entry_is_refused(entry: str, more: str) -> None:
    for password in (entry + more, more + entry, entry[:-1] + more, entry[1:] + more):
        expected = len(password) >= 8 and folded(password) in KNOWN
        assert (refused(password) is PasswordTooCommon) == expected


def test_two_entries_with_the_line_break_between_them_are_no_entry() -> None:
    between = f"{ENTRIES[7]}\n{ENTRIES[8]}"
    assert between.encode() in common_passwords()
    assert not is_common(Password.read(between))
    assert refused(between) is None


def test_the_list_is_read_at_the_first_question_and_takes_little() -> None:
    script = (
        "from gatepost.security import policy as p; from gatepost.security.passwords import Password;"
        "print(p.common_passwords.cache_info().currsize);"
        "p.is_common(Password.read('x')); p.is_common(Password.read('y'));"
        "print(p.common_passwords.cache_info().misses, len(p.common_passwords()))"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, misses, size = map(int, told.stdout.split())
    assert (before, misses) == (0, 1)
    assert size < 200_000


# --- The context ---


@pytest.mark.parametrize(
    "word",
    [
        "gatepost",
        "Number Nine",
        "notebook7.example.com",
        "notebook7",
        "ada.lovelace",
        "ada.lovelace@example.org",
    ],
)
def test_a_word_of_the_context_is_refused_forwards_and_backwards_in_any_case(word: str) -> None:
    for password in (word, word.upper(), word.title(), word[::-1], word[::-1].upper()):
        assert refused(password) is PasswordIsContext, password


@pytest.mark.parametrize(
    "password",
    [
        "gatepost1",
        "gatepostgatepost",
        "my gatepost",
        "NumberNine",
        "notebook7.example.com:8443",
        "example.com",
        "example.org",
        "ada.lovelace1815",
        "adalovelace",
        "lovelace",
    ],
)
def test_a_word_of_the_context_may_be_a_part_of_a_password(password: str) -> None:
    assert refused(password) is None


def test_a_word_of_the_context_is_compared_without_differences_of_spelling() -> None:
    composed, decomposed = "zo\xeb.gr\xfc\xdfe", unicodedata.normalize("NFD", "ZO\xcb.GR\xdcSSE")
    assert refused(decomposed, f"{composed}@example.org") is PasswordIsContext


def test_without_an_email_only_the_service_is_the_context() -> None:
    assert refused("ada.lovelace", "") is None
    assert refused("gatepost", "") is PasswordIsContext


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, set()),
        ("https://auth.example.com", {"auth.example.com", "auth"}),
        ("https://id.example.com", {"id.example.com"}),
        ("https://www.example.com:8443", {"www.example.com"}),
        ("http://localhost:8000", {"localhost"}),
        ("http://127.0.0.1:8000", {"127.0.0.1"}),
        ("http://[::1]:8000", {"::1"}),
    ],
)
def test_the_host_is_a_word_and_its_first_label_where_that_is_a_name(
    url: str | None, words: set[str]
) -> None:
    assert service_words("Notes", url) == words | {"gatepost", "notes"}


def test_a_name_of_blanks_is_no_word() -> None:
    assert service_words("   ", None) == {"gatepost"}


# --- What is refused for its length, and what is accepted ---


@pytest.mark.parametrize("password", ["", "passwor", "\U0001f600" * 7, "x" * 1025, "\ud800" * 8])
def test_a_length_or_a_text_that_none_may_have_comes_first(password: str) -> None:
    refusal = refusal_of(password)
    assert refusal is not None
    assert type(refusal) is ValidationFailed
    assert list(refusal.fields) == ["password"]


@pytest.mark.parametrize(
    "password",
    [
        "securepassword123",
        "\U0001f600" * 8,
        "\U0001f600" * 64,
        "correct horse battery staple",
        "nothingbutsmallletters",
        " " * 12,
        "3141592653589793238462643383279502884197169399375105820974944592",
        "\0" * 8,
        "pass\nword",
    ],
    ids=ascii,
)
def test_any_composition_is_accepted(password: str) -> None:
    assert refused(password) is None


def test_a_refusal_says_what_to_do_and_names_the_field_as_it_is_called_there() -> None:
    for password, advice in (("password", "Try several"), ("gatepost", ": choose another")):
        refusal = refusal_of(password, field="new_password")
        assert refusal is not None
        assert list(refusal.fields) == ["new_password"]
        assert advice in str(refusal.fields["new_password"])
        assert refusal.text != ValidationFailed.standard()


@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=[]), max_size=60), st.text(max_size=60))
def test_a_refusal_never_repeats_the_password(password: str, email: str) -> None:
    refusal = refusal_of(password, email)
    if refusal is not None and len(password) >= 8:
        assert password not in f"{refusal} {refusal.fields}"
