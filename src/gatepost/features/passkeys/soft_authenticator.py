"""An authenticator without hardware, for tests: it makes passkeys and signs with them."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from gatepost.features.passkeys.relying_party import encoded

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

_PRESENT, _VERIFIED, _ELIGIBLE, _BACKED_UP, _ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40
_ES256 = -7
_NONE = UUID(int=0)


@dataclass(slots=True, kw_only=True)
class SoftPasskey:
    """A passkey with its private key.

    Attributes:
        credential_id: what the authenticator calls it.
        rp_id: the domain that it is for.
        user_handle: whose it is there, as the site's options have it.
        key: the private key.
        count: how often it has signed.
    """

    credential_id: bytes
    rp_id: str
    user_handle: str
    key: "ec.EllipticCurvePrivateKey" = field(repr=False)
    count: int = 0


class SoftAuthenticator:
    """Does what a browser and an authenticator do together, for tests alone: its keys are in memory.

    Methods that make a part of an answer may be overridden, to send what no authenticator would.

    Args:
        origin: of the page that asks, such as `https://example.com`.
        verifies: it checks a PIN or biometrics.
        is_synced: what it makes may be kept on several devices, and is.
        counts: it counts how often it signs, as security keys do.
        aaguid: which model it is.

    Attributes:
        passkeys: those that it has made.
    """

    def __init__(
        self,
        origin: str,
        *,
        verifies: bool = True,
        is_synced: bool = False,
        counts: bool = True,
        aaguid: UUID = _NONE,
    ) -> None:
        self.origin = origin
        self.verifies = verifies
        self.is_synced = is_synced
        self.counts = counts
        self.aaguid = aaguid
        self.passkeys: list[SoftPasskey] = []

    def create(self, public_key: Mapping[str, Any]) -> dict[str, Any]:
        """Make a passkey; return `RegistrationResponseJSON`.

        Args:
            public_key: `PublicKeyCredentialCreationOptionsJSON`.

        Raises:
            ValueError: it has one of `excludeCredentials`.
        """
        from cryptography.hazmat.primitives.asymmetric import ec  # of the extra `factors`

        excluded = {each["id"] for each in public_key.get("excludeCredentials", ())}
        if excluded & {encoded(each.credential_id) for each in self.passkeys}:
            raise ValueError("This authenticator has a passkey of this user already")
        passkey = SoftPasskey(
            credential_id=os.urandom(16),
            rp_id=public_key["rp"]["id"],
            user_handle=public_key["user"]["id"],
            key=ec.generate_private_key(ec.SECP256R1()),
        )
        self.passkeys.append(passkey)
        attested = b"".join(
            (
                self.aaguid.bytes,
                len(passkey.credential_id).to_bytes(2, "big"),
                passkey.credential_id,
                self.public_key(passkey),
            )
        )
        response = {
            "clientDataJSON": encoded(self.client_data("webauthn.create", public_key["challenge"])),
            "attestationObject": encoded(self.attestation(self.data(passkey, attested))),
            "transports": ["internal", "hybrid"] if self.is_synced else ["usb"],
        }
        return self._credential(passkey, response)

    def get(self, public_key: Mapping[str, Any]) -> dict[str, Any]:
        """Sign with the newest passkey that would do; return `AuthenticationResponseJSON`.

        Args:
            public_key: `PublicKeyCredentialRequestOptionsJSON`.

        Raises:
            LookupError: it has none.
        """
        allowed = {each["id"] for each in public_key.get("allowCredentials", ())}
        passkey = next(
            (
                each
                for each in reversed(self.passkeys)
                if each.rp_id == public_key["rpId"]
                and (not allowed or encoded(each.credential_id) in allowed)
            ),
            None,
        )
        if passkey is None:
            raise LookupError("This authenticator has no passkey that would do")
        passkey.count += self.counts
        client_data = self.client_data("webauthn.get", public_key["challenge"])
        data = self.data(passkey)
        response = {
            "clientDataJSON": encoded(client_data),
            "authenticatorData": encoded(data),
            "signature": encoded(self.signature(passkey, data + hashlib.sha256(client_data).digest())),
            "userHandle": passkey.user_handle,
        }
        return self._credential(passkey, response)

    def client_data(self, kind: str, challenge: str) -> bytes:
        """Return what the browser says of the page (WebAuthn §5.8.1)."""
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said, separators=(",", ":")).encode()

    def flags(self) -> int:
        """Return what the authenticator says of the ceremony (WebAuthn §6.1)."""
        synced = (_ELIGIBLE | _BACKED_UP) if self.is_synced else 0
        return _PRESENT | (_VERIFIED if self.verifies else 0) | synced

    def data(self, passkey: SoftPasskey, attested: bytes = b"") -> bytes:
        """Return what the authenticator says, with what it says of a new passkey (WebAuthn §6.1)."""
        flags = self.flags() | (_ATTESTED if attested else 0)
        count = passkey.count.to_bytes(4, "big")
        return hashlib.sha256(passkey.rp_id.encode()).digest() + bytes([flags]) + count + attested

    def public_key(self, passkey: SoftPasskey) -> bytes:
        """Return the public half of a passkey as a COSE key (RFC 9053 §7.1.1)."""
        import cbor2  # comes with webauthn

        point = passkey.key.public_key().public_numbers()
        x, y = point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")
        encoded_key: bytes = cbor2.dumps({1: 2, 3: _ES256, -1: 1, -2: x, -3: y})
        return encoded_key

    def attestation(self, data: bytes) -> bytes:
        """Return what says that the authenticator made it: nothing, as it was asked."""
        import cbor2

        attested: bytes = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return attested

    def signature(self, passkey: SoftPasskey, signed: bytes) -> bytes:
        """Sign with a passkey."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        return passkey.key.sign(signed, ec.ECDSA(hashes.SHA256()))

    def _credential(self, passkey: SoftPasskey, response: Mapping[str, Any]) -> dict[str, Any]:
        named = encoded(passkey.credential_id)
        return {
            "id": named,
            "rawId": named,
            "type": "public-key",
            "authenticatorAttachment": "platform" if self.is_synced else "cross-platform",
            "response": dict(response),
            "clientExtensionResults": {},
        }
