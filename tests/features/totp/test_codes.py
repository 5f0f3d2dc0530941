"""Codes by RFC 6238, and secrets that only their key and their user open."""

from datetime import UTC, datetime

import pytest

from gatepost.features.totp import codes
from gatepost.features.totp.sealing import Sealed, Sealer, Unsealable

SECRET = b"12345678901234567890"

OLD, NEW = b"o" * 32, b"n" * 32


# RFC 6238, appendix B, SHA-1; of its eight digits the last six are what six digits are.
@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ],
)
def test_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    step, now = seconds // codes.PERIOD, datetime.fromtimestamp(seconds, UTC)
    assert codes.code_at(SECRET, step) == code[-6:]
    assert codes.step_of(f"{code[2:5]} {code[5:]}", SECRET, now) == step


def test_the_step_before_is_taken_and_none_ahead() -> None:
    now = datetime(2026, 1, 1, 12, 0, 15, tzinfo=UTC)
    step = int(now.timestamp()) // 30
    found = [codes.step_of(codes.code_at(SECRET, step + by), SECRET, now) for by in (-2, -1, 0, 1)]
    assert found == [None, step - 1, step, None]
    for wrong in ("", "12345", "1234567", "١٢٣٤٥٦", "\x00"):
        assert codes.step_of(wrong, SECRET, now) is None


def test_an_app_is_told_whose_the_secret_is_and_what_for() -> None:
    assert codes.uri(SECRET, account="a&b@example.com", issuer="My: Café") == (
        "otpauth://totp/My%20%20Caf%C3%A9:a%26b@example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        "&issuer=My%3A%20Caf%C3%A9&algorithm=SHA1&digits=6&period=30"
    )
    assert len(codes.new_secret()) == 20


def test_a_sealed_secret_is_opened_by_its_key_and_for_its_purpose_alone() -> None:
    before, after = Sealer((OLD,)), Sealer((NEW, OLD))
    sealed = before.seal(SECRET, "of 1")
    assert SECRET not in sealed.data
    assert sealed.data != before.seal(SECRET, "of 1").data
    assert after.open(sealed, "of 1") == SECRET
    assert after.seal(SECRET, "of 1").key_id == after.newest != before.newest
    turned = Sealed(key_id=sealed.key_id, data=sealed.data[:-1] + bytes([sealed.data[-1] ^ 1]))
    for sealer, wrong, about in (
        (Sealer((NEW,)), sealed, "of 1"),
        (before, sealed, "of 2"),
        (before, turned, "of 1"),
        (before, Sealed(key_id=sealed.key_id, data=b""), "of 1"),
    ):
        with pytest.raises(Unsealable):
            sealer.open(wrong, about)
