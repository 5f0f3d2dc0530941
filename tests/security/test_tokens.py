"""Session tokens: their shape, what is stored of them, and the successors of a refresh."""

import contextlib
import hashlib
import hmac
import itertools
import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatepost.errors import InvalidSession
from gatepost.security.keys import KeyPurpose, KeyRing
from gatepost.security.tokens import NONCE_BYTES, TokenCodec, TokenFormat

FORMATS: list[TokenFormat] = ["uuid", "opaque"]
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
OPAQUE = "A" * 42 + "E"
NONCE = bytes(range(NONCE_BYTES))


def codec(*secrets: str, format_: TokenFormat = "uuid") -> TokenCodec:
    first, *fallbacks = secrets or ("secret",)
    return TokenCodec(KeyRing.derive(first, fallbacks), format_)


def test_a_uuid_token_is_a_random_uuid_in_canonical_spelling() -> None:
    raw = codec(format_="uuid").issue().raw
    parsed = uuid.UUID(raw)
    assert (parsed.version, parsed.variant, str(parsed)) == (4, uuid.RFC_4122, raw)


def test_an_opaque_token_is_32_bytes_in_base64url() -> None:
    raw = codec(format_="opaque").issue().raw
    assert len(raw) == 43
    assert set(raw) <= set(string.ascii_letters + string.digits + "-_")


@pytest.mark.parametrize("format_", FORMATS)
def test_no_two_tokens_are_the_same(format_: TokenFormat) -> None:
    issue = codec(format_=format_).issue
    assert len({issue().raw for _ in range(1_000)}) == 1_000


@pytest.mark.parametrize("format_", FORMATS)
def test_what_was_issued_is_recognised_whatever_the_setting(format_: TokenFormat) -> None:
    issued = codec(format_=format_).issue()
    for reader in FORMATS:
        assert codec(format_=reader).parse(issued.raw) == (issued.stored,)


@pytest.mark.parametrize("raw", [UUID, OPAQUE])
def test_the_stored_form_is_eight_characters_and_an_hmac(raw: str) -> None:
    (stored,) = codec("secret").parse(raw)
    key = KeyRing.derive("secret").keys(KeyPurpose.SESSION_TOKEN)[0]
    assert stored == f"{raw[:8]}.{hmac.new(key, raw.encode(), hashlib.sha256).hexdigest()}"


def test_what_a_secret_makes_of_a_token_never_changes_between_versions() -> None:
    """A session outlives an upgrade, a refresh that is repeated meanwhile too."""
    assert codec("a secret").successor(UUID, NONCE).raw == "4a9e8cd0-95fa-4e38-bde0-bd9846541338"
    assert codec("a secret").parse(UUID) == (
        "0f8fad5b.a5d36a2d6cce0c1b097d9495932622e5c125dc2c94aaab50de3991c8c526fd23",
    )


def test_a_token_is_looked_up_under_every_key_the_newest_first() -> None:
    assert codec("new", "old", "older").parse(UUID) == (
        *codec("new").parse(UUID),
        *codec("old").parse(UUID),
        *codec("older").parse(UUID),
    )


def test_rotating_the_secret_ends_no_session() -> None:
    before = codec("old").issue()
    assert before.stored in codec("new", "old").parse(before.raw)
    assert before.stored not in codec("new").parse(before.raw)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        " ",
        UUID.upper(),
        UUID.replace("-", ""),
        "{" + UUID + "}",
        "urn:uuid:" + UUID,
        UUID + "\n",
        " " + UUID,
        UUID + "\0",
        UUID[:-1],
        UUID + "0",
        UUID.replace("-", "_"),
        UUID.replace("0f8f", "0g8f"),
        UUID.replace("5", "\N{ARABIC-INDIC DIGIT FIVE}"),
        OPAQUE + "=",
        OPAQUE + "\n",
        OPAQUE[:-1],
        OPAQUE + "A",
        OPAQUE[:-1] + "B",
        "+" + OPAQUE[1:],
        "/" + OPAQUE[1:],
        "." + OPAQUE[1:],
        "\N{LATIN SMALL LETTER E WITH ACUTE}" + OPAQUE[1:],
        "\ud800" + OPAQUE[1:],
        "x" * 1_000_000,
    ],
    ids=lambda raw: ascii(raw)[:50],
)
def test_what_is_no_token_is_refused_without_being_repeated(raw: str) -> None:
    reader = codec()
    for refusing in (lambda: reader.parse(raw), lambda: reader.successor(raw, NONCE)):
        with pytest.raises(InvalidSession) as caught:
            refusing()
        assert caught.value.args == (InvalidSession.standard(),)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


@given(st.text())
def test_any_text_is_parsed_or_refused(raw: str) -> None:
    with contextlib.suppress(InvalidSession):
        codec().parse(raw)


@given(st.uuids())
def test_every_uuid_is_parsed(value: uuid.UUID) -> None:
    """Of any version: an import may have brought its own."""
    assert codec().parse(str(value))[0].startswith(str(value)[:8] + ".")


def test_no_text_shows_a_token_or_what_is_stored_of_it() -> None:
    issued = codec().issue()
    shown = repr(issued) + str(issued) + repr(codec())
    assert issued.raw not in shown
    assert issued.stored not in shown


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("raw", [UUID, OPAQUE])
def test_a_successor_is_a_token_in_the_format_of_the_setting(format_: TokenFormat, raw: str) -> None:
    each = codec(format_=format_)
    successor = each.successor(raw, NONCE)
    assert each.parse(successor.raw) == (successor.stored,)
    if format_ == "uuid":
        assert (uuid.UUID(successor.raw).version, uuid.UUID(successor.raw).variant) == (4, uuid.RFC_4122)
    else:
        assert len(successor.raw) == 43


@pytest.mark.parametrize("format_", FORMATS)
def test_another_worker_comes_to_the_same_successor(format_: TokenFormat) -> None:
    assert codec(format_=format_).successor(UUID, NONCE) == codec(format_=format_).successor(UUID, NONCE)


def test_another_token_nonce_or_secret_gives_another_successor() -> None:
    other_nonce = bytes(NONCE_BYTES)
    raws = [
        codec("secret").successor(UUID, NONCE).raw,
        codec("secret").successor(OPAQUE, NONCE).raw,
        codec("secret").successor(UUID, other_nonce).raw,
        codec("other").successor(UUID, NONCE).raw,
        UUID,
    ]
    assert len(set(raws)) == len(raws)


def test_the_key_of_successors_is_not_that_of_stored_forms() -> None:
    """Or the stored form of a token would tell of the token that follows it."""
    key = KeyRing.derive("secret").keys(KeyPurpose.SESSION_TOKEN)[0]
    digest = hmac.digest(key, NONCE + UUID.encode(), "sha256")
    assert codec("secret").successor(UUID, NONCE).raw != str(uuid.UUID(bytes=digest[:16], version=4))


def test_the_likeliest_successor_comes_first_and_none_comes_twice() -> None:
    each = codec("new", "old", format_="opaque")
    successors = list(each.successors(UUID, NONCE))
    assert successors[0] == each.successor(UUID, NONCE)
    assert [len(successor.raw) for successor in successors] == [43, 43, 36, 36]
    assert len({successor.raw for successor in successors}) == 4


WORKERS = [
    codec(*secrets, format_=format_)
    for secrets in (("old", "new"), ("new", "old"), ("new", "newer", "old"))
    for format_ in FORMATS
]


@pytest.mark.parametrize(("winner", "other"), list(itertools.product(WORKERS, repeat=2)))
def test_workers_in_the_middle_of_a_rotation_give_the_same_answer(
    winner: TokenCodec, other: TokenCodec
) -> None:
    row = winner.successor(UUID, NONCE)
    assert other.successor_stored_as(row.stored, UUID, NONCE) == row


@pytest.mark.parametrize("format_", FORMATS)
def test_a_row_that_was_digested_anew_meanwhile_has_the_same_successor(format_: TokenFormat) -> None:
    rotating = codec("new", "old", format_=format_)
    successor = codec("old").successor(UUID, NONCE)
    digested_anew = rotating.parse(successor.raw)[0]
    assert digested_anew != successor.stored
    found = rotating.successor_stored_as(digested_anew, UUID, NONCE)
    assert found is not None
    assert (found.raw, found.stored) == (successor.raw, digested_anew)


def test_a_worker_without_the_winners_secret_finds_no_successor() -> None:
    row = codec("new", "old").successor(UUID, NONCE)
    assert codec("old").successor_stored_as(row.stored, UUID, NONCE) is None


@pytest.mark.parametrize("stored", ["", "written by hand \N{LATIN SMALL LETTER E WITH ACUTE}", UUID])
def test_a_row_that_holds_something_else_has_no_successor(stored: str) -> None:
    assert codec().successor_stored_as(stored, UUID, NONCE) is None


@pytest.mark.parametrize("nonce", [b"", NONCE[1:], NONCE + b"0"])
def test_a_nonce_of_another_length_is_refused(nonce: bytes) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        codec().successor(UUID, nonce)


def test_nonces_are_random() -> None:
    nonces = {codec().new_nonce() for _ in range(100)}
    assert len(nonces) == 100
    assert {len(nonce) for nonce in nonces} == {NONCE_BYTES}
