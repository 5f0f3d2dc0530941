"""Keys derived from SECRET_KEY and SECRET_KEY_FALLBACKS."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.security.keys import KEY_BYTES, KeyPurpose, KeyRing, hkdf


def test_hkdf_gives_the_bytes_of_rfc_5869() -> None:
    """Appendix A.3: SHA-256, no salt, no info."""
    assert hkdf(b"\x0b" * 22, b"", 42).hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )


@pytest.mark.parametrize("length", [0, -1, 8161])
def test_hkdf_refuses_a_length_that_it_cannot_give(length: int) -> None:
    with pytest.raises(ValueError, match="HKDF"):
        hkdf(b"secret", b"", length)


@given(st.binary(), st.binary(), st.integers(1, 200), st.integers(1, 200))
def test_a_shorter_output_is_the_beginning_of_a_longer_one(
    secret: bytes, info: bytes, a: int, b: int
) -> None:
    short, long = sorted((a, b))
    assert len(hkdf(secret, info, long)) == long
    assert hkdf(secret, info, long).startswith(hkdf(secret, info, short))


def test_every_purpose_has_a_key_of_its_own() -> None:
    ring = KeyRing.derive("secret")
    keys = [ring.keys(purpose)[0] for purpose in KeyPurpose]
    assert len(set(keys)) == len(KeyPurpose)
    assert {len(key) for key in keys} == {KEY_BYTES}


def test_the_names_of_the_purposes_are_part_of_what_is_stored() -> None:
    """Another name is another key: every session would end."""
    assert {purpose.name: purpose.value for purpose in KeyPurpose} == {
        "SESSION_TOKEN": "gatepost session token v1",
        "SUCCESSOR": "gatepost successor v1",
        "DEVICE": "gatepost device v1",
        "FORM": "gatepost form v1",
        "THROTTLE": "gatepost throttle v1",
        "CHALLENGE": "gatepost challenge v1",
        "LINK": "gatepost link v1",
        "TOTP": "gatepost totp v1",
        "RECOVERY_CODE": "gatepost recovery code v1",
        "MAILED": "gatepost mailed v1",
        "MAILED_LINK": "gatepost mailed link v1",
    }


def test_the_newest_secret_comes_first_and_the_order_of_the_fallbacks_stays() -> None:
    ring = KeyRing.derive("new", ["old", "older"])
    alone = [KeyRing.derive(secret).keys(KeyPurpose.SUCCESSOR)[0] for secret in ("new", "old", "older")]
    assert list(ring.keys(KeyPurpose.SUCCESSOR)) == alone


def test_a_secret_named_twice_counts_once() -> None:
    assert KeyRing.derive("a", ["b", "a", "b"]) == KeyRing.derive("a", ["b"])


@pytest.mark.parametrize(("secret", "fallbacks"), [("", []), ("a", [""])])
def test_an_empty_secret_is_refused(secret: str, fallbacks: list[str]) -> None:
    with pytest.raises(ValueError, match="empty"):
        KeyRing.derive(secret, fallbacks)


def test_a_secret_that_is_no_utf_8_works() -> None:
    assert KeyRing.derive("\udcff" * 32) != KeyRing.derive("\udcfe" * 32)


def test_its_text_shows_no_key() -> None:
    ring = KeyRing.derive("secret")
    shown = repr(ring) + str(ring)
    assert "secret" not in shown
    for purpose in KeyPurpose:
        key = ring.keys(purpose)[0]
        assert key.hex() not in shown
        assert repr(key) not in shown
