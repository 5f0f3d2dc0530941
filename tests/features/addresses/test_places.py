"""What an address or a network is taken for."""

import pytest

from gatepost.errors import ValidationFailed
from gatepost.features.addresses.errors import NetworkTooWide
from gatepost.features.addresses.places import LOOPBACK, Place


@pytest.mark.parametrize(
    ("text", "shown", "around", "blocked", "throttled"),
    [
        ("203.0.113.66", "203.0.113.66", "203.0.113.0/24", "203.0.113.66", "203.0.113.66"),
        ("203.0.113.66/32", "203.0.113.66", "203.0.113.0/24", "203.0.113.66", "203.0.113.66"),
        ("203.0.113.66/24", "203.0.113.0/24", None, "203.0.113.0/24", None),
        ("::ffff:203.0.113.66", "203.0.113.66", "203.0.113.0/24", "203.0.113.66", "203.0.113.66"),
        ("2001:DB8::1", "2001:db8::1", "2001:db8::/64", "2001:db8::/64", "2001:db8::1"),
        ("2001:db8::/64", "2001:db8::/64", None, "2001:db8::/64", "2001:db8::"),
        ("2001:db8::/48", "2001:db8::/48", None, "2001:db8::/48", None),
    ],
)
def test_a_place_is_one_address_or_a_network_of_them(
    text: str, shown: str, around: str | None, blocked: str, throttled: str | None
) -> None:
    place = Place.of(text)
    assert (str(place), str(place.blocked), place.throttled) == (shown, blocked, throttled)
    assert (None if place.around is None else str(place.around)) == around


@pytest.mark.parametrize("text", ["203.0.0.0/15", "0.0.0.0/0", "2001::/31", "::/0"])
def test_a_part_of_the_internet_is_no_place(text: str) -> None:
    with pytest.raises(NetworkTooWide):
        Place.of(text)


@pytest.mark.parametrize("text", ["", "here", "203.0.113", "203.0.113.66/33", "203.0.113.66/x", "a/24", "\0"])
def test_what_is_none_is_told_at_its_field(text: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        Place.of(text, field="network")
    assert set(caught.value.fields) == {"network"}


def test_a_place_holds_and_touches_what_is_in_it() -> None:
    place = Place.of("127.0.0.0/16")
    assert place.touches(LOOPBACK)
    assert not Place.of("126.0.0.0/16").touches(LOOPBACK)
    assert not Place.of("2001:db8::/32").touches(LOOPBACK)
    assert place.holds("127.0.5.5")
    assert not place.holds(None)
