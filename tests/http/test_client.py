"""The client's address: whom to believe, and how far."""

from functools import partial
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.counting import steps

from gatepost.http.client import MAX_HOPS, ClientResolver
from gatepost.models.bounds import FORWARDED_MAX

PROXY = "10.0.0.1"
TRUSTED = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def scope(*headers: tuple[str, str], peer: str | None = PROXY, type_: str = "http") -> dict[str, Any]:
    return {
        "type": type_,
        "client": None if peer is None else (peer, 40_000),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }


def address(*headers: tuple[str, str], peer: str | None = PROXY) -> str | None:
    """Return the address where the proxies write the first of these headers."""
    name = "forwarded" if headers and headers[0][0] == "forwarded" else "x-forwarded-for"
    return ClientResolver(TRUSTED, name).client_of(scope(*headers, peer=peer)).ip_address


def xff(*values: str) -> list[tuple[str, str]]:
    return [("x-forwarded-for", value) for value in values]


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::1"),
        ("testclient", None),
        ("", None),
        (None, None),
    ],
)
def test_without_a_proxy_the_peer_is_the_client_in_canonical_spelling(
    peer: str | None, expected: str | None
) -> None:
    assert address(peer=peer) == expected


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
@pytest.mark.parametrize("peer", ["203.0.113.9", None])
def test_a_header_from_a_peer_that_is_no_trusted_proxy_is_not_believed(header: str, peer: str | None) -> None:
    value = "for=198.51.100.1" if header == "forwarded" else "198.51.100.1"
    assert address((header, value), peer=peer) == peer


def test_by_default_nobody_is_trusted() -> None:
    client = ClientResolver().client_of(scope(*xff("198.51.100.1"), peer="127.0.0.1"))
    assert client.ip_address == "127.0.0.1"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["198.51.100.1"], "198.51.100.1"),
        (["198.51.100.1:5678"], "198.51.100.1"),
        (["2001:db8::7"], "2001:db8::7"),
        (["[2001:DB8::7]"], "2001:db8::7"),
        (["[2001:db8::7]:443"], "2001:db8::7"),
        (['"198.51.100.1"'], "198.51.100.1"),
        (['"[2001:db8::7]:443"'], "2001:db8::7"),
        (["::ffff:198.51.100.1"], "198.51.100.1"),
        (["  198.51.100.1\t"], "198.51.100.1"),
        # the rightmost hop that is no trusted proxy; what stands left of it is the client's own tale
        (["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        (["6.6.6.6, 198.51.100.1, 10.9.9.9, fd00::5"], "198.51.100.1"),
        (["6.6.6.6, 198.51.100.1, ::ffff:10.9.9.9"], "198.51.100.1"),
        (["<script>, , 198.51.100.1"], "198.51.100.1"),
        # several lines are one list, in their order
        (["6.6.6.6", "198.51.100.1, 10.9.9.9", "10.8.8.8"], "198.51.100.1"),
        (["", "198.51.100.1"], "198.51.100.1"),
        # nobody but trusted proxies: the farthest of them
        (["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
    ],
)
def test_x_forwarded_for_gives_the_rightmost_untrusted_hop(values: list[str], expected: str) -> None:
    assert address(*xff(*values)) == expected


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1", "fd00::1"])
def test_a_proxy_is_recognised_in_every_spelling_of_its_address(peer: str) -> None:
    assert address(*xff("198.51.100.1"), peer=peer) == "198.51.100.1"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["for=198.51.100.1"], "198.51.100.1"),
        (["FOR=198.51.100.1;proto=https;by=10.0.0.1"], "198.51.100.1"),
        (["proto=https; for=198.51.100.1"], "198.51.100.1"),
        (['for="[2001:db8:cafe::17]:4711"'], "2001:db8:cafe::17"),
        (['for="198.51.100.1:80"'], "198.51.100.1"),
        (["for=198.51.100.1:80"], "198.51.100.1"),
        (["for=6.6.6.6, for=198.51.100.1, for=10.1.1.1"], "198.51.100.1"),
        (["for=6.6.6.6", "for=198.51.100.1"], "198.51.100.1"),
        # commas and semicolons inside quotes belong to the value
        (['for=198.51.100.1;host="a, for=6.6.6.6"'], "198.51.100.1"),
        (['for=198.51.100.1;host="a;for=6.6.6.6;b"'], "198.51.100.1"),
        (['for=198.51.100.1;host="a\\", for=6.6.6.6;b=\\""'], "198.51.100.1"),
        # a quote that the client opened does not swallow what the proxy added
        (['for="6.6.6.6, for=198.51.100.1'], "198.51.100.1"),
        (['for="6.6.6.6, for="[2001:db8::7]"'], "2001:db8::7"),
    ],
)
def test_forwarded_gives_the_rightmost_untrusted_hop(values: list[str], expected: str) -> None:
    assert address(*(("forwarded", value) for value in values)) == expected


NAMED = {"x-forwarded-for": "198.51.100.1", "forwarded": "for=198.51.100.1"}
FORGED = {"x-forwarded-for": "6.6.6.6", "forwarded": "for=6.6.6.6"}


@pytest.mark.parametrize(("own", "other"), [tuple(NAMED), tuple(NAMED)[::-1]])
def test_the_header_that_proxies_do_not_write_is_the_clients_own(own: str, other: str) -> None:
    resolver = ClientResolver(TRUSTED, own)

    def found(*headers: tuple[str, str]) -> str | None:
        return resolver.client_of(scope(*headers)).ip_address

    assert found((other, FORGED[other]), (own, NAMED[own])) == "198.51.100.1"
    assert found((own, NAMED[own]), (other, FORGED[other])) == "198.51.100.1"
    assert found((other, FORGED[other])) == PROXY
    assert found((other, '"'), (own, NAMED[own])) == "198.51.100.1"


# --- Unix sockets ---


@pytest.mark.parametrize("name", list(NAMED))
@pytest.mark.parametrize("client", [None, ("", 0), ("", "0")])
def test_a_proxy_at_a_unix_socket_is_trusted_by_name(name: str, client: object) -> None:
    asked = scope((name, NAMED[name])) | {"client": client}
    assert ClientResolver(["unix"], name).client_of(asked).ip_address == "198.51.100.1"
    assert ClientResolver(["unix", *TRUSTED], name).client_of(asked).ip_address == "198.51.100.1"
    for trusted in ((), TRUSTED):
        assert ClientResolver(trusted, name).client_of(asked).ip_address is None


def test_to_trust_unix_sockets_is_to_trust_no_address() -> None:
    resolver = ClientResolver(["unix"])
    for peer in ("127.0.0.1", "::1", "testclient", "unix"):
        expected = peer if peer in {"127.0.0.1", "::1"} else None
        assert resolver.client_of(scope(*xff("6.6.6.6"), peer=peer)).ip_address == expected


def test_several_proxies_one_after_the_other_at_unix_sockets() -> None:
    resolver = ClientResolver(["unix", *TRUSTED])
    for value in (
        "6.6.6.6, 198.51.100.1, unix:",
        "198.51.100.1, unix:, 10.1.1.1",
        "198.51.100.1,unix:,unix:",
    ):
        assert resolver.client_of(scope(*xff(value), peer=None)).ip_address == "198.51.100.1"
    for value in ("unix:", "unix:, unix:", "198.51.100.1, unix", "198.51.100.1, unix:/run/x"):
        assert resolver.client_of(scope(*xff(value), peer=None)).ip_address is None


def test_a_malformed_header_of_a_unix_socket_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert ClientResolver(["unix"]).client_of(scope(*xff("nonsense"), peer=None)).ip_address is None
    (record,) = caplog.records
    assert "unix" in record.getMessage()


# --- What can't be read ---


@pytest.mark.parametrize(
    "header",
    [
        ("x-forwarded-for", ""),
        ("x-forwarded-for", "198.51.100.1,"),
        ("x-forwarded-for", "198.51.100.1, 10.1.1.1, unknown"),
        ("x-forwarded-for", "198.51.100.1, unix:"),
        ("x-forwarded-for", "198.51.100.1.example.com"),
        ("x-forwarded-for", "198.51.100.256"),
        ("x-forwarded-for", "198.51.100.01"),
        ("x-forwarded-for", "198.51.100.1:"),
        ("x-forwarded-for", "198.51.100.1:123456"),
        ("x-forwarded-for", "[2001:db8::7"),
        ("x-forwarded-for", "[2001:db8::7]x"),
        ("x-forwarded-for", '"198.51.100.1'),
        ("x-forwarded-for", '"'),
        ("x-forwarded-for", "198.51.100.1 6.6.6.6"),
        ("x-forwarded-for", "198.51.100.1\x1b[31m"),
        ("x-forwarded-for", ",".join(["198.51.100.1"] + ["10.1.1.1"] * MAX_HOPS)),
        ("forwarded", ""),
        ("forwarded", "for=unknown"),
        ("forwarded", "for=_hidden"),
        ("forwarded", "proto=https"),
        ("forwarded", 'host="a;for=6.6.6.6;b"'),
        ("forwarded", "for=6.6.6.6;for=198.51.100.1"),
        ("forwarded", "for=198.51.100.1,"),
        ("forwarded", "198.51.100.1"),
        ("forwarded", "for = 198.51.100.1"),
        ("forwarded", 'for="198.51.100.1'),
        ("forwarded", 'for=198.51.100.1"'),
        ("forwarded", "for=198.51.100.1;;proto=https"),
        ("forwarded", ";for=198.51.100.1"),
        ("forwarded", "for=198.51.100.1 proto=https"),
        ("forwarded", "for=198.51.100.1\x0b"),
        ("forwarded", 'for=198.51.100.1;host="a\\"'),
    ],
)
def test_a_malformed_header_is_ignored_and_logged(
    header: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert address(header) == PROXY
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "forwarded_header.malformed" in record.getMessage()
    assert PROXY in record.getMessage()


def test_the_log_has_at_most_a_hundred_printable_characters_of_a_malformed_header(
    caplog: pytest.LogCaptureFixture,
) -> None:
    address(*xff("\x1b\r\n\xff" * 100))
    (line,) = (record.getMessage() for record in caplog.records)
    assert len(line.partition("header=")[2]) <= 200  # every backslash is doubled
    assert line.isascii()
    assert line.isprintable()


def test_a_good_header_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    address(*xff("junk, 198.51.100.1"))
    assert caplog.records == []


def test_as_many_proxies_as_allowed_are_walked_through() -> None:
    assert address(*xff(",".join(["198.51.100.1"] + ["10.1.1.1"] * (MAX_HOPS - 1)))) == "198.51.100.1"


@pytest.mark.parametrize("name", ["x_forwarded_for", "x.forwarded.for", "x-real-ip", "x-forwarded"])
def test_twins_of_the_header_are_other_headers(name: str) -> None:
    assert address((name, "6.6.6.6")) == PROXY


PIECES = [
    "10.0.0.1,",
    "for=10.0.0.1,",
    'for="',
    "a=;",
    ",",
    ";",
    '"',
    '"\\',
    "\\",
    "for=;for=;",
    " ",
    "\t ;",
    "x",
]


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded"])
@pytest.mark.parametrize("piece", PIECES)
def test_what_a_header_costs_grows_with_its_length_and_no_further(name: str, piece: str) -> None:
    for length in (FORWARDED_MAX // 2, FORWARDED_MAX, 15 * FORWARDED_MAX):
        header = (name, "for=x" + piece * (length // len(piece)))
        assert address(header) == PROXY
        assert steps(partial(address, header)) <= 16 * min(length, FORWARDED_MAX) + 1000


@pytest.mark.parametrize("length", range(FORWARDED_MAX - 20, FORWARDED_MAX + 20))
@pytest.mark.parametrize("name", list(NAMED))
def test_an_entry_that_is_cut_off_is_not_taken_for_a_shorter_one(name: str, length: int) -> None:
    trusted = "10.1.1.1" if name == "x-forwarded-for" else "for=10.1.1.1"
    found = address((name, f"{NAMED[name]}, " + " " * length + trusted))
    assert found in {PROXY, "198.51.100.1"}


@given(st.text(st.characters(max_codepoint=255)), st.sampled_from(["x-forwarded-for", "forwarded"]))
def test_whatever_a_client_writes_the_hop_that_the_proxy_added_counts(tale: str, name: str) -> None:
    added = "for=198.51.100.1" if name == "forwarded" else "198.51.100.1"
    assert address((name, f"{tale}, {added}")) == "198.51.100.1"
    assert address((name, tale), (name, added)) == "198.51.100.1"


@given(st.text(st.characters(max_codepoint=255)), st.sampled_from(["x-forwarded-for", "forwarded"]))
def test_no_header_raises(value: str, name: str) -> None:
    assert address((name, value)) is not None


def test_the_first_user_agent_counts_and_is_cleaned() -> None:
    headers = [("user-agent", "Mozilla/5.0\x1b[31m (\xe9)"), ("user-agent", "second")]
    assert ClientResolver().client_of(scope(*headers)).user_agent == "Mozilla/5.0[31m (\xe9)"


def test_without_a_user_agent_there_is_none() -> None:
    assert ClientResolver().client_of(scope()).user_agent is None


def test_a_websocket_has_a_client_too() -> None:
    client = ClientResolver(TRUSTED).client_of(
        scope(*xff("198.51.100.1"), ("user-agent", "x"), type_="websocket")
    )
    assert (client.ip_address, client.user_agent) == ("198.51.100.1", "x")
