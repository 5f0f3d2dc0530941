"""How an address and a user agent are written down."""

import ipaddress
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.models import USER_AGENT_MAX, Client, canonical_address, clean_user_agent


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.168.1.100", "192.168.1.100"),
        (" 192.168.1.100 ", "192.168.1.100"),
        ("2001:0DB8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("::", "::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:C000:0201", "192.0.2.1"),
        ("::ffff:0.0.0.0", "0.0.0.0"),  # noqa: S104 - an address, nothing is bound to it
        ("fe80::1%eth0", "fe80::1"),
        ("", None),
        (None, None),
        ("localhost", None),
        ("192.168.1", None),
        ("192.168.1.256", None),
        ("192.168.01.1", None),
        ("192.168.1.1:80", None),
        ("[::1]", None),
        ("10.0.0.0/8", None),
        ("1" * 10_000, None),
        ("\0", None),
        ("\ud800", None),
    ],
)
def test_an_address_has_one_spelling(text: str | None, expected: str | None) -> None:
    assert canonical_address(text) == expected


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_and_its_mapped_form_are_the_same(address: ipaddress.IPv4Address) -> None:
    assert canonical_address(str(address)) == str(address) == canonical_address(f"::ffff:{address}")


@given(st.ip_addresses(v=6))
def test_every_spelling_of_an_ipv6_address_gives_the_same(address: ipaddress.IPv6Address) -> None:
    canonical = canonical_address(str(address))
    assert canonical is not None
    assert canonical_address(address.exploded.upper()) == canonical
    assert canonical_address(canonical) == canonical


@given(st.text())
def test_no_text_makes_it_raise(text: str) -> None:
    canonical = canonical_address(text)
    assert canonical is None or canonical_address(canonical) == canonical


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64)", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("  curl/8  ", "curl/8"),
        ("a\r\nSet-Cookie: x\x1b[31m\x7f\x85", "aSet-Cookie: x[31m"),
        ("a\u202eb\u200bc\ud800d\0e", "abcde"),
        ("\xe9\U0001f600", "\xe9\U0001f600"),
        (" \t\r\n", None),
        ("", None),
        (None, None),
        ("x" * 513, "x" * 512),
        ("\0" * 600 + "x", "x"),
    ],
)
def test_a_user_agent_is_cleaned_and_cut(text: str | None, expected: str | None) -> None:
    assert clean_user_agent(text) == expected


@given(st.text(max_size=3 * USER_AGENT_MAX))
def test_a_cleaned_user_agent_can_be_stored_and_logged(text: str) -> None:
    cleaned = clean_user_agent(text)
    if cleaned is not None:
        assert 0 < len(cleaned) <= USER_AGENT_MAX
        assert not {unicodedata.category(c) for c in cleaned} & {"Cc", "Cf", "Cs"}
        assert cleaned.encode()


def test_a_client_is_made_of_what_the_edge_was_told() -> None:
    assert Client.of("::ffff:10.0.0.1", " x ") == Client(ip_address="10.0.0.1", user_agent="x")
    assert Client.of("unix:", "") == Client(ip_address=None, user_agent=None)
