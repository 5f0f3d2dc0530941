"""Forged answers of authenticators: no session, no passkey, no error of the server, and no word of why."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import cbor2
import httpx
import pytest
from tests.conftest import MakeSettings, bearer, register, serving
from tests.features.passkeys_by import (
    BODY,
    FACTORS,
    LOGIN,
    ORIGIN,
    PASSKEY,
    Device,
    added,
    answered,
    asked,
    challenged,
    code_of,
    creation,
    enrolled,
    request_of,
    signed_in_by,
)
from tests.http.conftest import Database, events

from gatepost.app import create_app
from gatepost.features.passkeys.relying_party import encoded
from gatepost.features.passkeys.soft_authenticator import SoftPasskey

Options = dict[str, Any]
Credential = dict[str, Any]
CONFIRM = "/api/auth/confirm"
OTHER = "other@example.com"


class Forger(Device):
    """A device that may say whatever it is told to.

    Attributes:
        said: what the browser says besides, or instead; None leaves it out.
        changed: bits of the flags that are other than they should be.
        hashed: the domain of which it has the hash; None for the right one.
        forger: signs in the place of the passkey.
        key: members of the public key that are other than they should be.
        attested: members of the attestation that are.
    """

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.said: dict[str, Any] = {}
        self.changed = 0
        self.hashed: str | None = None
        self.forger: SoftPasskey | None = None
        self.key: dict[int, Any] = {}
        self.attested: dict[str, Any] = {}

    def client_data(self, kind: str, challenge: str) -> bytes:
        said = json.loads(super().client_data(kind, challenge)) | self.said
        return json.dumps({name: value for name, value in said.items() if value is not None}).encode()

    def flags(self) -> int:
        return super().flags() ^ self.changed

    def data(self, passkey: SoftPasskey, attested: bytes = b"") -> bytes:
        data = super().data(passkey, attested)
        if self.hashed is None:
            return data
        shown = SoftPasskey(
            credential_id=b"", rp_id=self.hashed, user_handle="", key=passkey.key, count=passkey.count
        )
        return super().data(shown)[:32] + data[32:]

    def public_key(self, passkey: SoftPasskey) -> bytes:
        return cbor2.dumps(cbor2.loads(super().public_key(passkey)) | self.key)

    def attestation(self, data: bytes) -> bytes:
        return cbor2.dumps(cbor2.loads(super().attestation(data)) | self.attested)

    def signature(self, passkey: SoftPasskey, signed: bytes) -> bytes:
        return super().signature(self.forger or passkey, signed)


def saying(**said: Any) -> Callable[[Forger], None]:
    return lambda forger: forger.said.update(said)


def flagging(bits: int) -> Callable[[Forger], None]:
    return lambda forger: setattr(forger, "changed", bits)


def hashing(rp_id: str) -> Callable[[Forger], None]:
    return lambda forger: setattr(forger, "hashed", rp_id)


def counting_back(forger: Forger) -> None:
    forger.passkeys[0].count = 2


def not_counting(forger: Forger) -> None:
    forger.passkeys[0].count, forger.counts = 0, False


def signing_by_another(forger: Forger) -> None:
    other = Device()
    other.create({"rp": {"id": "localhost"}, "user": {"id": "x"}, "challenge": "x"})
    forger.forger = other.passkeys[0]


EITHER: dict[str, Callable[[Forger], None]] = {
    "another challenge": saying(challenge=encoded(b"x" * 32)),
    "an empty challenge": saying(challenge=""),
    "a challenge that is none": saying(challenge=7),
    "no challenge": saying(challenge=None),
    "another origin": saying(origin="https://evil.example"),
    "another port": saying(origin="http://localhost:8001"),
    "https for http": saying(origin="https://localhost:8000"),
    "a subdomain": saying(origin="http://evil.localhost:8000"),
    "an origin with a path": saying(origin=f"{ORIGIN}/"),
    "a list of origins": saying(origin=[ORIGIN]),
    "no origin": saying(origin=None),
    "another type": saying(type="payment.get"),
    "within another site": saying(crossOrigin=True),
    "within another site, as text": saying(crossOrigin="false"),
    "at the top of another site": saying(topOrigin="https://evil.example"),
    "another site's hash": hashing("evil.example"),
    "an empty domain's hash": hashing(""),
    "nobody present": flagging(0x01),
    "backed up and not eligible": flagging(0x10),
}
"""What no ceremony may be answered with."""

ASSERTED = EITHER | {
    "the type of a new one": saying(type="webauthn.create"),
    "eligible for backup meanwhile": flagging(0x08),
    "another key's signature": signing_by_another,
    "a count that stands": counting_back,
    "a count that is gone": not_counting,
}

MADE = EITHER | {
    "the type of a signature": saying(type="webauthn.get"),
    "an algorithm that was not offered": lambda forger: forger.key.update({3: -35}),
    "another algorithm": lambda forger: forger.key.update({3: -257}),
    "no algorithm": lambda forger: forger.key.update({3: 0}),
    "another kind of key": lambda forger: forger.key.update({1: 3}),
    "a point off the curve": lambda forger: forger.key.update({-2: b"\1" * 32}),
    "a coordinate that is none": lambda forger: forger.key.update({-3: True}),
    "another curve": lambda forger: forger.key.update({-1: 2}),
    "an unknown curve": lambda forger: forger.key.update({-1: 99}),
    "a short RSA key": lambda forger: forger.key.update({1: 3, 3: -257, -1: b"\xc1" * 128, -2: b"\1\0\1"}),
    "an unknown format": lambda forger: forger.attested.update({"fmt": "mine"}),
    "a format that is none": lambda forger: forger.attested.update({"fmt": 7}),
    "a packed attestation without a signature": lambda forger: forger.attested.update({"fmt": "packed"}),
    "a statement where there is none": lambda forger: forger.attested.update({"attStmt": {"sig": b"x"}}),
    "no data": lambda forger: forger.attested.update({"authData": b""}),
    "data that is none": lambda forger: forger.attested.update({"authData": "x"}),
}


@pytest.fixture
async def token(client: httpx.AsyncClient) -> str:
    return str((await register(client))["token"])


@pytest.fixture
async def forger(client: httpx.AsyncClient, token: str) -> Forger:
    """A device of which the passkey has signed in three times."""
    made = Forger()
    await enrolled(client, token, made)
    for _ in range(3):
        assert (await signed_in_by(client, made)).status_code == 200
    return made


Send = Callable[[Credential], Awaitable[httpx.Response]]


async def alone(client: httpx.AsyncClient, _: Device) -> tuple[Options, Send]:
    data = await asked(client)
    challenge = data["challenge"]
    return data["publicKey"], lambda credential: client.post(
        PASSKEY, json={"challenge": challenge, "credential": credential}
    )


async def after_the_password(client: httpx.AsyncClient, _: Device) -> tuple[Options, Send]:
    challenge = await challenged(client)
    options = await request_of(client, challenge)
    return options, lambda credential: answered(client, challenge, credential)


async def confirming(client: httpx.AsyncClient, device: Device) -> tuple[Options, Send]:
    headers, body = bearer(device.token), {"method": "passkey"}
    response = await client.post(f"{CONFIRM}/options", json=body, headers=headers)
    return response.json()["data"]["publicKey"], lambda credential: client.post(
        CONFIRM, json={**body, "credential": credential}, headers=headers
    )


CEREMONIES = {"alone": alone, "second factor": after_the_password, "confirming": confirming}


def refused(response: httpx.Response) -> tuple[int, str]:
    assert 400 <= response.status_code < 500, response.text
    return response.status_code, code_of(response)


async def sessions(db: Database) -> int:
    return int(await db.fetchval("SELECT count(*) FROM user_sessions"))


@pytest.mark.parametrize("ceremony", CEREMONIES)
@pytest.mark.parametrize("forgery", ASSERTED)
async def test_a_forged_signature_proves_nothing_and_tells_nothing(
    client: httpx.AsyncClient, forger: Forger, db: Database, ceremony: str, forgery: str
) -> None:
    before = await sessions(db)
    options, send = await CEREMONIES[ceremony](client, forger)
    ASSERTED[forgery](forger)
    response = await send(forger.get(options))
    expected = "invalid_credentials" if ceremony == "alone" else "invalid_code"
    assert refused(response) == (401, expected)
    assert await sessions(db) == before
    assert (await db.fetchval("SELECT sign_count FROM auth_passkeys")) == 3


@pytest.mark.parametrize("forgery", MADE)
async def test_a_forged_passkey_is_not_kept(
    client: httpx.AsyncClient, token: str, db: Database, forgery: str
) -> None:
    forger = Forger()
    options = await creation(client, token)
    MADE[forgery](forger)
    assert refused(await added(client, token, forger.create(options))) == (401, "invalid_code")
    assert await db.fetchval("SELECT count(*) FROM auth_passkeys") == 0
    assert (await client.post(LOGIN, json=BODY)).status_code == 200


# --- Whose it is ---


async def test_a_key_that_no_row_can_hold_is_refused_as_any_other(
    client: httpx.AsyncClient, token: str, db: Database
) -> None:
    long = Forger()
    long.key.update({77: "x" * 8000})
    options = await creation(client, token)
    assert refused(await added(client, token, long.create(options))) == (401, "invalid_code")
    assert await db.fetchval("SELECT count(*) FROM auth_passkeys") == 0


async def test_a_passkey_of_somebody_else_is_no_second_factor(
    client: httpx.AsyncClient, forger: Forger
) -> None:
    other = await enrolled(client, (await register(client, OTHER))["token"])
    challenge = await challenged(client)
    options = await request_of(client, challenge)
    theirs = other.get({**options, "allowCredentials": []})
    assert refused(await answered(client, challenge, theirs)) == (401, "invalid_code")
    options = await request_of(client, challenge)
    mine, theirs = forger.get(options), other.get({**options, "allowCredentials": []})
    mixed = {**theirs, "id": mine["id"], "rawId": mine["rawId"]}
    assert refused(await answered(client, challenge, mixed)) == (401, "invalid_code")


async def test_a_user_handle_that_is_not_the_owners_is_refused(
    client: httpx.AsyncClient, forger: Forger
) -> None:
    other = await enrolled(client, (await register(client, OTHER))["token"])
    for handle in (other.passkeys[0].user_handle, encoded(b"x" * 32), ""):
        data = await asked(client)
        credential = forger.get(data["publicKey"])
        credential["response"]["userHandle"] = handle
        body = {"challenge": data["challenge"], "credential": credential}
        assert refused(await client.post(PASSKEY, json=body)) == (401, "invalid_credentials")
    data = await asked(client)
    credential = forger.get(data["publicKey"])
    del credential["response"]["userHandle"]
    body = {"challenge": data["challenge"], "credential": credential}
    assert refused(await client.post(PASSKEY, json=body)) == (401, "invalid_credentials")


async def test_an_unknown_passkey_is_told_by_its_id_and_nothing_else_is(
    client: httpx.AsyncClient, forger: Forger, db: Database
) -> None:
    stranger = Device()
    stranger.create({"rp": {"id": "localhost"}, "user": {"id": "x"}, "challenge": "x"})
    unknown = await signed_in_by(client, stranger)
    assert refused(unknown) == (401, "unknown_passkey")
    assert unknown.json()["error"]["unknown_credential"] == {
        "rpId": "localhost",
        "credentialId": encoded(stranger.passkeys[0].credential_id),
    }
    # Whoever knows an id learns neither whose it is nor what was wrong.
    forger.said["origin"] = "https://evil.example"
    wrong = await signed_in_by(client, forger)
    del forger.said["origin"]
    await db.execute("UPDATE users SET is_active = false")
    disabled = await signed_in_by(client, forger)
    assert refused(wrong) == (401, "invalid_credentials")
    assert disabled.json() == wrong.json()
    data = await asked(client)
    body = {"challenge": data["challenge"], "credential": {"id": "no base64 at all!"}}
    assert refused(await client.post(PASSKEY, json=body)) == (401, "invalid_credentials")


async def test_one_passkey_is_not_of_two_users(
    client: httpx.AsyncClient, forger: Forger, db: Database
) -> None:
    token = (await register(client, OTHER))["token"]
    thief = Device()
    options = await creation(client, token)
    copied = thief.create(options)
    stolen = forger.passkeys[0].credential_id
    made = thief.passkeys[0].credential_id
    raw = base64.urlsafe_b64decode(copied["response"]["attestationObject"] + "==")
    copied["response"]["attestationObject"] = encoded(raw.replace(made, stolen))
    copied["id"] = copied["rawId"] = encoded(stolen)
    assert refused(await added(client, token, copied)) == (401, "invalid_code")
    assert await db.fetchval("SELECT count(*) FROM auth_passkeys") == 1


# --- Once ---


@pytest.mark.parametrize("ceremony", ["alone", "second factor"])
async def test_of_fifty_answers_of_one_challenge_one_wins(
    client: httpx.AsyncClient, forger: Forger, db: Database, ceremony: str
) -> None:
    before = await sessions(db)
    options, send = await CEREMONIES[ceremony](client, forger)
    credential = forger.get(options)
    answers = await asyncio.gather(*(send(credential) for _ in range(50)))
    assert sorted(each.status_code for each in answers) == [200] + [401] * 49
    assert await sessions(db) == before + 1


async def test_of_two_that_count_the_same_at_once_one_is_heard(
    client: httpx.AsyncClient, forger: Forger, db: Database
) -> None:
    sent = []
    for _ in range(2):
        options, send = await alone(client, forger)
        forger.passkeys[0].count = 3
        sent.append((send, forger.get(options)))
    answers = await asyncio.gather(*(send(credential) for send, credential in sent))
    assert sorted(each.status_code for each in answers) == [200, 401]
    assert len(await events(db, "factor.copied")) == 1


async def test_of_ten_who_set_up_the_same_passkey_at_once_one_does(
    client: httpx.AsyncClient, token: str, db: Database
) -> None:
    credential = Device().create(await creation(client, token))
    answers = await asyncio.gather(*(added(client, token, credential) for _ in range(10)))
    assert [each.status_code for each in answers].count(200) == 1
    assert await db.fetchval("SELECT count(*) FROM auth_passkeys") == 1


async def test_an_address_has_so_many_tries(make_settings: MakeSettings) -> None:
    app = create_app(make_settings(throttle_enabled=True, throttle_form_address="2 then 1/day"))
    async with serving(app) as client:
        data = await asked(client)
        body = {"challenge": data["challenge"], "credential": {}}
        answers = [await client.post(PASSKEY, json=body) for _ in range(3)]
        assert [each.status_code for each in answers] == [401, 401, 429]
        assert code_of(answers[2]) == "too_many_attempts"


@pytest.mark.parametrize("ceremony", CEREMONIES)
async def test_an_answer_is_good_once_and_its_challenge_too(
    client: httpx.AsyncClient, forger: Forger, ceremony: str
) -> None:
    options, send = await CEREMONIES[ceremony](client, forger)
    credential = forger.get(options)
    assert (await send(credential)).status_code == 200
    assert (await send(credential)).status_code == 401
    newer = forger.get(options)
    assert (await send(newer)).status_code == 401


@pytest.mark.parametrize("ceremony", CEREMONIES)
async def test_after_a_wrong_answer_the_challenge_is_gone(
    client: httpx.AsyncClient, forger: Forger, ceremony: str
) -> None:
    options, send = await CEREMONIES[ceremony](client, forger)
    good = forger.get(options)
    wrong = {**good, "response": good["response"] | {"signature": "AAAA"}}
    assert (await send(wrong)).status_code == 401
    assert (await send(good)).status_code == 401


async def test_after_a_wrong_new_passkey_another_one_is_asked_for(
    client: httpx.AsyncClient, token: str, db: Database
) -> None:
    options = await creation(client, token)
    wrong = Forger()
    wrong.said["origin"] = "https://evil.example"
    assert refused(await added(client, token, wrong.create(options))) == (401, "invalid_code")
    assert refused(await added(client, token, Device().create(options))) == (401, "invalid_code")
    assert await db.fetchval("SELECT count(*) FROM auth_passkeys") == 0
    await enrolled(client, token)


async def test_an_answer_of_one_ceremony_is_none_of_another(
    client: httpx.AsyncClient, forger: Forger
) -> None:
    mine = await asked(client)
    other = await asked(client)
    credential = forger.get(other["publicKey"])
    body = {"challenge": mine["challenge"], "credential": credential}
    assert refused(await client.post(PASSKEY, json=body)) == (401, "invalid_credentials")
    challenge = await challenged(client)
    await request_of(client, challenge)
    assert refused(await answered(client, challenge, credential)) == (401, "invalid_code")
    body = {"challenge": challenge, "credential": credential}
    assert refused(await client.post(PASSKEY, json=body)) == (401, "challenge_expired")
    stolen = {"challenge": other["publicKey"]["challenge"], "credential": credential}
    assert refused(await client.post(PASSKEY, json=stolen)) == (401, "challenge_expired")


async def test_a_challenge_to_sign_up_with_signs_nobody_in(make_settings: MakeSettings) -> None:
    """It asks for no PIN of who has a passkey, and after it a stolen key would be asked for once more."""
    async with serving(create_app(make_settings(passwordless_sign_up=True))) as client:
        device = await enrolled(client, str((await register(client))["token"]), Device(verifies=False))
        begun = await client.post("/api/auth/register/passkey/options", json={"email": OTHER})
        data = begun.json()["data"]
        request = {"challenge": data["publicKey"]["challenge"], "rpId": "localhost"}
        body = {"challenge": data["challenge"], "credential": device.get(request)}
        assert refused(await client.post(PASSKEY, json=body)) == (401, "invalid_credentials")
        asked_for = await asked(client)
        user = {"rp": {"id": "localhost"}, "user": {"id": encoded(b"x" * 32)}}
        made = Device().create(user | {"challenge": asked_for["publicKey"]["challenge"]})
        body = {"challenge": asked_for["challenge"], "credential": made}
        signed_up = await client.post("/api/auth/register", json={"email": OTHER, "name": "Ada"} | body)
        assert refused(signed_up) == (401, "invalid_code")


async def test_a_passkey_that_was_removed_signs_nobody_in(
    client: httpx.AsyncClient, forger: Forger, db: Database
) -> None:
    begun = await asked(client)
    passkey_id = await db.fetchval("SELECT id FROM auth_passkeys")
    response = await client.delete(f"{FACTORS}/passkeys/{passkey_id}", headers=bearer(forger.token))
    assert response.status_code == 200
    body = {"challenge": begun["challenge"], "credential": forger.get(begun["publicKey"])}
    assert refused(await client.post(PASSKEY, json=body)) == (401, "unknown_passkey")


# --- A copy ---


async def test_a_count_that_goes_back_is_told(
    client: httpx.AsyncClient, forger: Forger, db: Database
) -> None:
    counting_back(forger)
    assert refused(await signed_in_by(client, forger)) == (401, "invalid_credentials")
    (event,) = await events(db, "factor.copied")
    passkey_id = await db.fetchval("SELECT id FROM auth_passkeys")
    detail = {"method": "passkey", "factor_id": str(passkey_id)}
    assert event["detail"] == detail | {"count": 3, "counted": 3}
    forger.passkeys[0].count = 9
    assert (await signed_in_by(client, forger)).status_code == 200


async def test_nobody_is_told_of_a_copy_by_who_has_no_key(
    client: httpx.AsyncClient, forger: Forger, db: Database
) -> None:
    counting_back(forger)
    signing_by_another(forger)
    assert refused(await signed_in_by(client, forger)) == (401, "invalid_credentials")
    assert await events(db, "factor.copied") == []


# --- What is no answer ---


def spoilt(credential: Credential) -> list[Any]:
    """Return what somebody may send who knows what an answer looks like."""
    response = credential["response"]
    junk: tuple[Any, ...] = (None, 7, "", "é", "=", "A", "AAAA", [], {}, "_" * 5000)
    deep = {"attestationObject": encoded(b"\x81" * 3000), "authenticatorData": encoded(b"\x81" * 3000)}
    responses = [None, {}, response | deep, response | {"clientDataJSON": encoded(b"[" * 3000)}]
    responses += [
        response | {name: value}
        for name in response
        if name != "transports"  # a hint, of which what is unknown is passed over
        for value in (*junk, response[name][:-3])
    ]
    return [
        {},
        *({**credential, name: value} for name in ("id", "rawId", "type") for value in junk),
        *({**credential, "response": each} for each in responses),
    ]


async def test_what_is_no_answer_is_no_error_of_the_server(
    client: httpx.AsyncClient, forger: Forger, db: Database
) -> None:
    before = await sessions(db)
    for number in range(len(spoilt(forger.get((await asked(client))["publicKey"])))):
        options, send = await alone(client, forger)
        assert refused(await send(spoilt(forger.get(options))[number]))[0] in {401, 422}, number
    assert await sessions(db) == before


async def test_what_is_no_passkey_is_no_error_of_the_server(
    client: httpx.AsyncClient, token: str, db: Database
) -> None:
    for number in range(len(spoilt(Device().create(await creation(client, token))))):
        each = spoilt(Device().create(await creation(client, token)))[number]
        assert refused(await added(client, token, each))[0] in {401, 422}, number
    assert await db.fetchval("SELECT count(*) FROM auth_passkeys") == 0
