"""E-mail addresses and names: one form for one person, and one person for one form."""

import unicodedata

import email_validator
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.counting import bounded_normalisation, steps

from gatepost.models.bounds import EMAIL_MAX, NAME_MAX
from gatepost.security import emails
from gatepost.security.emails import canonical_email, canonical_name

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=40)
"""Lone surrogates too."""
LOCAL_LIKE = st.text(st.characters(exclude_characters="@"), min_size=1, max_size=20)
DOMAINS = st.sampled_from(["example.com", "localhost", "host.local", "b\xfccher.example", "EXAMPLE.test"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user@example.com", "user@example.com"),
        ("User@Example.COM", "user@example.com"),
        ("  user@example.com ", "user@example.com"),
        ("first.last+tag@sub.example.co.uk", "first.last+tag@sub.example.co.uk"),
        ("o'brien@example.ie", "o'brien@example.ie"),
        ("x" * 64 + "@example.com", "x" * 64 + "@example.com"),
        # networks of one's own (RFC 6761), as they occur in self-hosted systems and in tests
        ("user@localhost", "user@localhost"),
        ("Admin@Printer", "admin@printer"),
        ("user@test", "user@test"),
        ("user@Host.LOCAL", "user@host.local"),
        ("user@example.test", "user@example.test"),
        ("user@example.invalid", "user@example.invalid"),
        ("user@192.0.2.1", "user@192.0.2.1"),
        # letters of the world, in one spelling
        ("JOSE\N{COMBINING ACUTE ACCENT}@example.com", "jos\xe9@example.com"),
        ("JOS\xc9@example.com", "jos\xe9@example.com"),
        ("\u0e04\u0e33@example.com", "\u0e04\u0e33@example.com"),
        ("user@B\xdcCHER.example", "user@b\xfccher.example"),
        ("user@xn--bcher-kva.example", "user@b\xfccher.example"),
        ("user@xn--bcher-kva.local", "user@b\xfccher.local"),
        ("user@fa\xdf.example", "user@fa\xdf.example"),
        ("user@\N{FULLWIDTH LATIN SMALL LETTER E}xample.com", "user@example.com"),
        ("user@example\N{IDEOGRAPHIC FULL STOP}com", "user@example.com"),
        # the Kelvin sign is canonically the letter K, the dotted capital I an i with a dot
        ("\N{KELVIN SIGN}@example.com", "k@example.com"),
        ("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}@example.com", "i\N{COMBINING DOT ABOVE}@example.com"),
    ],
)
def test_an_address_has_one_form(text: str, expected: str) -> None:
    assert canonical_email(text) == expected
    assert canonical_email(expected) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("i@example.com", "\N{LATIN SMALL LETTER DOTLESS I}@example.com"),
        ("i@example.com", "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}@example.com"),
        ("ss@example.com", "\xdf@example.com"),
        ("a@fass.example", "a@fa\xdf.example"),
        ("a@example.com", "\N{CYRILLIC SMALL LETTER A}@example.com"),
        ("ab@example.com", "a.b@example.com"),
        ("a@example.com", "a+b@example.com"),
        ("a@localhost", "a@localhost.x"),
    ],
)
def test_two_mailboxes_stay_two(one: str, other: str) -> None:
    assert canonical_email(one) != canonical_email(other)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "must have an @ sign"),
        ("user", "must have an @ sign"),
        ("@example.com", "before the @ sign"),
        ("user@", "after the @ sign"),
        ("a@b@example.com", "valid e-mail address"),
        ("a b@example.com", "valid e-mail address"),
        ("a..b@example.com", "two dots"),
        (".a@example.com", "valid e-mail address"),
        ("user@example.com.", "valid e-mail address"),
        ("user@localhost.", "valid e-mail address"),
        ("user@-x.local", "valid e-mail address"),
        ("user@a_b.local", "valid e-mail address"),
        ("user@" + "a" * 64 + ".local", "valid e-mail address"),
        ("user@xn--a.local", "valid e-mail address"),
        ('"a b"@example.com', "valid e-mail address"),
        ('"ab"@localhost', "valid e-mail address"),
        ("user@[192.0.2.1]", "valid e-mail address"),
        ("user@[IPv6:::1]", "valid e-mail address"),
        ("User <user@example.com>", "angle brackets"),
        ("<user@localhost>", "angle brackets"),
        ("x" * EMAIL_MAX + "@example.com", "at most 320 characters"),
        ("x" * 300 + "@example.com", "valid e-mail address"),
        ("a\0b@example.com", "valid e-mail address"),
        ("user@example.com\0", "valid e-mail address"),
        ("user@local\0host", "valid e-mail address"),
        ("user@example.com\n", "valid e-mail address"),
        ("\tuser@example.com", "valid e-mail address"),
        ("us\x1ber@example.com", "valid e-mail address"),
        ("us\x85er@example.com", "valid e-mail address"),
        ("us\N{RIGHT-TO-LEFT OVERRIDE}er@example.com", "valid e-mail address"),
        ("us\N{ZERO WIDTH SPACE}er@example.com", "valid e-mail address"),
        ("\ud800@example.com", "valid e-mail address"),
        ("user@\ud800.com", "valid e-mail address"),
        # what merely looks like ASCII: NFKC, and other software with it, would make another address of it
        ("user\N{FULLWIDTH COMMERCIAL AT}example.com", "must have an @ sign"),
        ("user\N{FULLWIDTH COMMERCIAL AT}example.com@example.org", "only looks like a plain one"),
        ("user\N{SMALL COMMERCIAL AT}example.com@example.org", "only looks like a plain one"),
        ("\N{FULLWIDTH LATIN SMALL LETTER U}ser@example.com", "only looks like a plain one"),
        ("\N{LATIN SMALL LIGATURE FI}@example.com", "only looks like a plain one"),
        ("\N{LATIN SMALL LETTER LONG S}@example.com", "only looks like a plain one"),
        ("\N{MATHEMATICAL BOLD SMALL A}@example.com", "only looks like a plain one"),
    ],
    ids=lambda value: ascii(value)[:50],
)
def test_what_is_no_address_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        canonical_email(text)
    assert str(caught.value).isprintable()


def test_the_list_of_special_domains_is_left_to_the_process() -> None:
    """It belongs to everybody who uses the library: the application beside us validates with it too."""
    before = list(email_validator.SPECIAL_USE_DOMAIN_NAMES)
    canonical_email("user@localhost")
    assert before == email_validator.SPECIAL_USE_DOMAIN_NAMES
    with pytest.raises(email_validator.EmailNotValidError):
        email_validator.validate_email("user@localhost", check_deliverability=False)


@settings(max_examples=300)
@given(LOCAL_LIKE, DOMAINS)
def test_the_form_of_a_form_is_itself_and_can_be_stored(local: str, domain: str) -> None:
    try:
        canonical = canonical_email(f"{local}@{domain}")
    except ValueError:
        return
    assert canonical_email(canonical) == canonical
    assert canonical == canonical.lower()
    assert unicodedata.is_normalized("NFC", canonical)
    assert canonical.count("@") == 1
    assert canonical.encode()


@settings(max_examples=15)  # each takes a while to make
@given(st.from_regex(emails._ORDINARY, fullmatch=True).map(lambda found: found[-emails._ORDINARY_MAX :]))
def test_an_ordinary_address_is_what_the_library_makes_of_it(address: str) -> None:
    assume(emails._ORDINARY.fullmatch(address))
    assert canonical_email(address) == emails._validated(address).lower()


@settings(max_examples=300)
@given(LOCAL_LIKE, LOCAL_LIKE)
def test_addresses_become_one_only_where_unicode_or_case_makes_them_one(one: str, other: str) -> None:
    try:
        forms = [canonical_email(f"{local}@example.com") for local in (one, other)]
    except ValueError:
        return
    folded = [unicodedata.normalize("NFC", local.strip(" ")).lower() for local in (one, other)]
    assert (forms[0] == forms[1]) == (folded[0] == folded[1])


@given(st.one_of(ANY_TEXT, st.tuples(ANY_TEXT, ANY_TEXT).map("@".join)))
def test_any_text_gives_an_address_or_a_sentence(text: str) -> None:
    for function in (canonical_email, canonical_name):
        try:
            outcome = function(text)
        except ValueError as problem:
            outcome = str(problem)
        assert outcome.encode()


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000 + "@example.com",
        "a@" + "\N{ARABIC-INDIC DIGIT ONE}" * 300,
        "a@xn--" + "9" * 240,
        "a@" + "x." * 150,
        "a@" + "\xfc." * 100 + "de",
        "a@" + "\xfc\N{IDEOGRAPHIC FULL STOP}" * 100 + "de",
        "\u6f22" * 64 + "@" + "\u6f22" * 250,
        ("a@" + "\u0345" * 200 + "\u0334" * 100)[:320],
        ("a" + "\u0f73" * 31) * 10 + "@x",
        '"' * 320,
        "\\" * 320,
        "<" * 160 + "@" + ">" * 159,
        "\N{COMBINING ACUTE ACCENT}" * 159 + "\N{COMBINING GRAVE ACCENT BELOW}" * 159 + "@x",
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_a_hostile_address_is_refused_by_few_steps(text: str) -> None:
    def refuse() -> None:
        with bounded_normalisation(), pytest.raises(ValueError, match=r"\w"):
            canonical_email(text)

    assert steps(refuse) < 50_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("John Doe", "John Doe"),
        ("  John Doe\n", "John Doe"),
        ("Zoe\N{COMBINING DIAERESIS}", "Zo\xeb"),
        ("\u7530\u4e2d", "\u7530\u4e2d"),
        ("'; DROP TABLE users; --", "'; DROP TABLE users; --"),
        ("<b>", "<b>"),
        # joiners belong to names and to pictures
        (
            "\u0645\u06cc\N{ZERO WIDTH NON-JOINER}\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\N{ZERO WIDTH NON-JOINER}\u062e\u0648\u0627\u0647\u0645",
        ),
        ("\U0001f469\N{ZERO WIDTH JOINER}\U0001f4bb", "\U0001f469\N{ZERO WIDTH JOINER}\U0001f4bb"),
        ("x" * NAME_MAX, "x" * NAME_MAX),
        ("e\N{COMBINING ACUTE ACCENT}" * NAME_MAX, "\xe9" * NAME_MAX),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_name_is_trimmed_and_composed(text: str, expected: str) -> None:
    assert canonical_name(text) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Enter a name"),
        (" \t\N{NO-BREAK SPACE}", "Enter a name"),
        ("\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}", "Enter a name"),
        ("x" * (NAME_MAX + 1), "at most 200 characters"),
        ("x" * 1_000_000, "at most 200 characters"),
        # one code point typed, two after NFC
        ("\N{DEVANAGARI LETTER QA}" * 101, "at most 200 characters"),
        ("John\0Doe", "control characters"),
        ("John\nDoe", "control characters"),
        ("John\x1b[31m", "control characters"),
        ("John\x85Doe", "control characters"),
        ("John\N{LINE SEPARATOR}Doe", "control characters"),
        ("John\N{PARAGRAPH SEPARATOR}Doe", "control characters"),
        ("John\N{RIGHT-TO-LEFT OVERRIDE}Doe", "control characters"),
        ("John\N{FIRST STRONG ISOLATE}Doe", "control characters"),
        ("Zero\N{ZERO WIDTH SPACE}Width", "control characters"),
        ("Word\N{WORD JOINER}Joined", "control characters"),
        ("\N{ZERO WIDTH NO-BREAK SPACE}John", "control characters"),
        ("John\ud800", "control characters"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_what_is_no_name_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        canonical_name(text)


@given(ANY_TEXT)
def test_the_form_of_a_name_is_itself(text: str) -> None:
    try:
        canonical = canonical_name(text)
    except ValueError:
        return
    assert canonical_name(canonical) == canonical
    assert 1 <= len(canonical) <= NAME_MAX
