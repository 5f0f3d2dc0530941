"""What is not the answer of an authenticator, byte by byte: refused, and nothing else is raised."""

import base64
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from gatepost.features.passkeys.relying_party import (
    Made,
    Refused,
    RelyingParty,
    credential_id_of,
    encoded,
)
from gatepost.features.passkeys.soft_authenticator import SoftAuthenticator
from gatepost.features.passkeys.store import Passkey
from gatepost.models import Options, User
from gatepost.security.keys import KeyPurpose, KeyRing
from gatepost.security.links import LinkCodec

ORIGIN = "https://example.com"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = KeyRing.derive("k" * 32)
PARTY = RelyingParty(
    rp_id="example.com", origins=[ORIGIN], name="Example", codec=LinkCodec(KEYS, KeyPurpose.CHALLENGE)
)
ADA = User(
    id=1,
    email="ada@example.com",
    name="Ada",
    created_at=NOW,
    is_admin=False,
    is_active=True,
    email_verified=False,
    language=None,
)


def stored(made: Made) -> Passkey:
    return Passkey(
        id=1,
        user_id=1,
        credential_id=made.credential_id,
        public_key=made.public_key,
        user_handle=made.user_handle,
        sign_count=made.sign_count,
        aaguid=made.aaguid,
        name="Passkey",
        transports=list(made.transports),
        is_backup_eligible=made.is_backup_eligible,
        is_backed_up=made.is_backed_up,
        verifies_user=made.verified_user,
        created_at=NOW,
        last_used_at=None,
        last_used_from=None,
        rp_id=None,
    )


def public_key(options: Options) -> dict[str, Any]:
    asked = options.public["publicKey"]
    assert isinstance(asked, dict)
    return asked


@pytest.fixture
def device() -> SoftAuthenticator:
    return SoftAuthenticator(ORIGIN, aaguid=UUID(int=7))


@pytest.fixture
def passkey(device: SoftAuthenticator) -> Passkey:
    options = PARTY.creation(ADA.email, ADA.name)
    return stored(PARTY.made(options.state, device.create(public_key(options))))


def part(credential: dict[str, Any], name: str) -> bytes:
    text = credential["response"][name]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def having(credential: dict[str, Any], name: str, data: bytes) -> dict[str, Any]:
    return {**credential, "response": {**credential["response"], name: encoded(data)}}


@pytest.mark.parametrize("name", ["clientDataJSON", "authenticatorData", "signature"])
def test_of_a_signature_no_byte_may_be_another_and_none_may_lack(
    device: SoftAuthenticator, passkey: Passkey, name: str
) -> None:
    options = PARTY.request([passkey], alone=True)
    credential = device.get(public_key(options))
    data = part(credential, name)
    spoilt = [data[:length] for length in range(len(data))]
    spoilt += [data[:i] + bytes([data[i] ^ 0x41]) + data[i + 1 :] for i in range(len(data))]
    spoilt += [data + b"\0", b"\0" + data]
    for each in spoilt:
        with pytest.raises(Refused):
            PARTY.asserted(options.state, having(credential, name, each), passkey)
    assert PARTY.asserted(options.state, credential, passkey).sign_count == 1


def test_a_new_passkey_is_read_to_its_last_byte_and_never_raises_anything_else(
    device: SoftAuthenticator,
) -> None:
    options = PARTY.creation(ADA.email, ADA.name)
    credential = device.create(public_key(options))
    data = part(credential, "attestationObject")
    for length in range(len(data)):
        with pytest.raises(Refused):
            PARTY.made(options.state, having(credential, "attestationObject", data[:length]))
    taken = 0
    for i in range(len(data)):
        for bit in (0x01, 0x80, 0xFF):
            spoilt = data[:i] + bytes([data[i] ^ bit]) + data[i + 1 :]
            try:
                PARTY.made(options.state, having(credential, "attestationObject", spoilt))
            except Refused:
                continue
            taken += 1
    # Nothing signs which model it is and how often it was used, nor is the empty statement missed.
    assert taken == 3 * (16 + 4) + len("attStmt")
    assert PARTY.made(options.state, credential).aaguid == UUID(int=7)


def test_what_claims_to_be_long_or_deep_is_refused(device: SoftAuthenticator) -> None:
    options = PARTY.creation(ADA.email, ADA.name)
    credential = device.create(public_key(options))
    for data in (b"\x9b" + b"\xff" * 8, b"\x5b" + b"\x7f" * 8, b"\xbb" + b"\xff" * 8, b"\x81" * 30_000):
        with pytest.raises(Refused):
            PARTY.made(options.state, having(credential, "attestationObject", data))


def test_what_was_demanded_is_kept_with_the_challenge(device: SoftAuthenticator, passkey: Passkey) -> None:
    device.verifies = False
    alone, second = PARTY.request(alone=True), PARTY.request([passkey], alone=False)
    assert PARTY.asserted(second.state, device.get(public_key(second)), passkey).verified_user is False
    with pytest.raises(Refused):
        PARTY.asserted(alone.state, device.get(public_key(alone)), passkey)
    with pytest.raises(Refused):
        PARTY.asserted({}, device.get(public_key(second)), passkey)
    assert public_key(second)["challenge"] not in str(second.state)


def test_a_challenge_of_the_former_key_is_still_known(device: SoftAuthenticator, passkey: Passkey) -> None:
    options = PARTY.request([passkey], alone=True)
    rotated = LinkCodec(KeyRing.derive("n" * 32, ["k" * 32]), KeyPurpose.CHALLENGE)
    party = RelyingParty(rp_id="example.com", origins=[ORIGIN], name="Example", codec=rotated)
    assert party.asserted(options.state, device.get(public_key(options)), passkey).sign_count == 1


@pytest.mark.parametrize("named", [None, 7, [], "é", "A", "A" * 3000, "a b", "=" * 9])
def test_what_names_no_passkey(named: object) -> None:
    assert credential_id_of({"rawId": named}) is None
