"""The ceremonies of WebAuthn Level 3: what an authenticator is asked, and whether its answer is good.

py_webauthn reads and checks what authenticators send. What it leaves to its caller is done here and in
`factor.py`: a challenge is good once, our page within another site is refused, a passkey is its owner's,
whether it may be kept on several devices does not change, and its counter does not go back.
"""

import base64
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from gatepost.log import get_logger
from gatepost.models import Options
from gatepost.security.links import LinkCodec
from gatepost.services.steps import ENROLMENT, LIFETIME

if TYPE_CHECKING:
    from gatepost.features.passkeys.store import Passkey

log = get_logger("gatepost.passkeys")

HANDLE_BYTES = 32
"""Length of what an authenticator calls a user: random, it tells nothing of them (WebAuthn §14.6.1)."""

_CREDENTIAL_MAX = 1023
"""Bytes of a credential id at most (WebAuthn §7.1 step 25)."""
_KEY_MAX = 8000
"""Bytes of a public key at most, as its row allows; an RSA key of 16,384 bits has about 2,100."""
_CREATE, _GET = "webauthn.create", "webauthn.get"
"""The ceremonies, as `type` of the client data has them (WebAuthn §5.8.1)."""
_NO_AAGUID = UUID(int=0)
_RSA_MIN = 2048
"""Bits of an RSA key at least (NIST SP 800-131A)."""

T = TypeVar("T")


class Refused(Exception):
    """What an authenticator has sent is not good.

    Attributes:
        reason: why, for the log; the caller is not told.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A passkey that an authenticator has just made.

    Attributes:
        credential_id: what the authenticator calls it.
        public_key: what its signatures are checked with, as a COSE key.
        user_handle: what the authenticator calls its owner.
        sign_count: how often it has signed.
        aaguid: which model of authenticator made it; None where it does not say.
        transports: how browsers reach it.
        is_backup_eligible: it may be kept on several devices.
        is_backed_up: it is.
        verified_user: a PIN or biometrics of its owner were checked.
        rp_id: the domain that it was made for.
    """

    credential_id: bytes
    public_key: bytes = field(repr=False)
    user_handle: bytes = field(repr=False)
    sign_count: int
    aaguid: UUID | None
    transports: tuple[str, ...]
    is_backup_eligible: bool
    is_backed_up: bool
    verified_user: bool
    rp_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asserted:
    """What a passkey has signed.

    Attributes:
        sign_count: how often it has signed.
        is_backed_up: it is kept on several devices.
        verified_user: a PIN or biometrics of its owner were checked.
    """

    sign_count: int
    is_backed_up: bool
    verified_user: bool


class RelyingParty:
    """Asks authenticators for passkeys and their signatures, and checks what they answer.

    Args:
        rp_id: the domain that passkeys are made for.
        origins: whose pages may ask for them.
        name: what people call this site.
        codec: makes challenges; what is kept of them is a digest.
    """

    def __init__(self, *, rp_id: str, origins: Iterable[str], name: str, codec: LinkCodec) -> None:
        self.rp_id = rp_id
        self._origins = list(origins)
        self._name = name
        self._codec = codec

    def creation(
        self, email: str, name: str, passkeys: Iterable["Passkey"] = (), *, alone: bool = False
    ) -> Options:
        """Return what `navigator.credentials.create()` needs to make a passkey.

        Args:
            email: of whose it is to be, as the authenticator shows it.
            name: likewise.
            passkeys: those that they have: an authenticator makes no second one.
            alone: nothing else will prove who they are, so that the authenticator has to check it.
        """
        from webauthn import generate_registration_options
        from webauthn.helpers import structs

        held = list(passkeys)
        handle = held[0].user_handle if held else os.urandom(HANDLE_BYTES)
        challenge, kept = self._challenge()
        options = generate_registration_options(
            rp_id=self.rp_id,
            rp_name=self._name,
            user_id=handle,
            user_name=email,
            user_display_name=name,
            challenge=challenge,
            timeout=_milliseconds(ENROLMENT),
            authenticator_selection=structs.AuthenticatorSelectionCriteria(
                # Without one that the authenticator finds by itself, nobody signs in without a name.
                resident_key=structs.ResidentKeyRequirement.REQUIRED,
                user_verification=(
                    structs.UserVerificationRequirement.REQUIRED
                    if alone
                    else structs.UserVerificationRequirement.PREFERRED
                ),
            ),
            exclude_credentials=[_descriptor(each) for each in held],
        )
        state = {"challenge": kept, "type": _CREATE, "user_handle": base64.b64encode(handle).decode()}
        return _options(options, state)

    def request(self, passkeys: Iterable["Passkey"] = (), *, alone: bool) -> Options:
        """Return what `navigator.credentials.get()` needs to have something signed.

        Args:
            passkeys: those that would do; without any, each that its authenticator has for this site.
            alone: nothing else proves who it is, so that the authenticator has to check it.
        """
        from webauthn import generate_authentication_options
        from webauthn.helpers.structs import UserVerificationRequirement

        challenge, kept = self._challenge()
        options = generate_authentication_options(
            rp_id=self.rp_id,
            challenge=challenge,
            timeout=_milliseconds(LIFETIME),
            allow_credentials=[_descriptor(each) for each in passkeys],
            user_verification=(
                UserVerificationRequirement.REQUIRED if alone else UserVerificationRequirement.PREFERRED
            ),
        )
        return _options(options, {"challenge": kept, "type": _GET, "alone": alone})

    def made(self, kept: Mapping[str, object], credential: Mapping[str, object]) -> Made:
        """Return the passkey that an authenticator has made.

        Args:
            kept: as `creation` had it.
            credential: `RegistrationResponseJSON`, as a browser's `toJSON()` returns it.

        Raises:
            Refused: it is none, or was made for something else.
        """
        return _checked(self._made, kept, dict(credential))

    def asserted(
        self, kept: Mapping[str, object], credential: Mapping[str, object], passkey: "Passkey"
    ) -> Asserted:
        """Return what a passkey has signed.

        Args:
            kept: as `request` had it.
            credential: `AuthenticationResponseJSON`, as a browser's `toJSON()` returns it.
            passkey: the one that it names.

        Raises:
            Refused: it is none of this passkey's, or was signed for something else.
        """
        return _checked(self._asserted, kept, dict(credential), passkey)

    def _made(self, kept: Mapping[str, object], credential: dict[str, Any]) -> Made:
        from webauthn import verify_registration_response
        from webauthn.helpers import parse_registration_credential_json

        parsed = parse_registration_credential_json(credential)
        verified = verify_registration_response(
            credential=parsed,
            expected_challenge=self._expected(kept, parsed.response.client_data_json, _CREATE),
            expected_rp_id=self.rp_id,
            expected_origin=self._origins,
        )
        if not 0 < len(verified.credential_id) <= _CREDENTIAL_MAX or verified.credential_id != parsed.raw_id:
            raise Refused("the id is not the credential's")
        _see_that_it_works(verified.credential_public_key)
        aaguid = UUID(verified.aaguid)
        return Made(
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            user_handle=base64.b64decode(str(kept["user_handle"])),
            sign_count=verified.sign_count,
            aaguid=None if aaguid == _NO_AAGUID else aaguid,
            transports=tuple(dict.fromkeys(each.value for each in parsed.response.transports or ())),
            is_backup_eligible=verified.credential_device_type == "multi_device",
            is_backed_up=verified.credential_backed_up,
            verified_user=verified.user_verified,
            rp_id=self.rp_id,
        )

    def _asserted(
        self, kept: Mapping[str, object], credential: dict[str, Any], passkey: "Passkey"
    ) -> Asserted:
        from webauthn import verify_authentication_response
        from webauthn.helpers import parse_authentication_credential_json

        parsed = parse_authentication_credential_json(credential)
        alone, handle = kept.get("alone") is not False, parsed.response.user_handle
        if parsed.raw_id != passkey.credential_id:
            raise Refused("the id is another credential's")
        # Where nobody was named before, the handle has to say whose it is (WebAuthn §7.2 step 6).
        if handle != passkey.user_handle and (alone or handle is not None):
            raise Refused("the user handle is not its owner's")
        verified = verify_authentication_response(
            credential=parsed,
            expected_challenge=self._expected(kept, parsed.response.client_data_json, _GET),
            expected_rp_id=self.rp_id,
            expected_origin=self._origins,
            credential_public_key=passkey.public_key,
            # Compared in the statement that notes the use: of two at once one counts, and it is told apart.
            credential_current_sign_count=0,
            require_user_verification=alone,
        )
        if (verified.credential_device_type == "multi_device") != passkey.is_backup_eligible:
            raise Refused("the backup eligibility changed")
        return Asserted(
            sign_count=verified.new_sign_count,
            is_backed_up=verified.credential_backed_up,
            verified_user=verified.user_verified,
        )

    def _challenge(self) -> tuple[bytes, str]:
        """Return a new challenge, and what is kept of it."""
        issued = self._codec.issue()
        return base64.urlsafe_b64decode(issued.raw + "="), issued.stored

    def _expected(self, kept: Mapping[str, object], client_data: bytes, ceremony: str) -> bytes:
        """Return the challenge that was signed, which is the one that was handed out for this ceremony.

        The library sees that what was signed is of the ceremony.

        Raises:
            Refused: it is another one, or a page of another site showed ours (WebAuthn §7.2 step 12).
        """
        from webauthn.helpers import bytes_to_base64url, parse_client_data_json

        said = parse_client_data_json(client_data)
        if said.cross_origin or "topOrigin" in json.loads(client_data):
            raise Refused("another site had it signed")
        if kept.get("type") != ceremony:
            raise Refused("the challenge was handed out for another ceremony")
        if kept.get("challenge") not in self._codec.stored_forms(bytes_to_base64url(said.challenge)):
            raise Refused("the challenge is not the one that was handed out")
        return said.challenge


def credential_id_of(credential: Mapping[str, object]) -> bytes | None:
    """Return which passkey an answer names; None where it names none."""
    named = credential.get("rawId")
    if not isinstance(named, str) or len(named) > 2 * _CREDENTIAL_MAX:
        return None
    try:
        return base64.b64decode(named + "=" * (-len(named) % 4), altchars="-_", validate=True)
    except ValueError:
        return None


def encoded(data: bytes) -> str:
    """Return bytes as WebAuthn's JSON has them: base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _checked(check: Callable[..., T], *arguments: object) -> T:
    """Run a check; whatever the library makes of what a stranger sent is a refusal."""
    try:
        return check(*arguments)
    except Refused as refused:
        log.info("a passkey was refused", reason=refused.reason)
        raise
    except Exception as error:
        # It reads CBOR, ASN.1 and keys from outside, and lets through what those readers raise.
        log.info("a passkey was refused", reason=f"{type(error).__name__}: {error}"[:200])
        raise Refused(type(error).__name__) from None


def _see_that_it_works(public_key: bytes) -> None:
    """See that a key is of the kind that its algorithm takes: another is a factor that nobody can answer.

    Raises:
        Refused: it is not.
    """
    from webauthn.helpers import decode_credential_public_key, decoded_public_key_to_cryptography
    from webauthn.helpers.cose import COSECRV, COSEKTY, COSEAlgorithmIdentifier

    if len(public_key) > _KEY_MAX:
        raise Refused("the key is too long")
    decoded = decode_credential_public_key(public_key)
    kinds = {  # WebAuthn §5.8.5
        (COSEAlgorithmIdentifier.EDDSA, COSEKTY.OKP, COSECRV.ED25519),
        (COSEAlgorithmIdentifier.ECDSA_SHA_256, COSEKTY.EC2, COSECRV.P256),
        (COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256, COSEKTY.RSA, None),
    }
    if (decoded.alg, decoded.kty, getattr(decoded, "crv", None)) not in kinds:
        raise Refused("the key is not of the kind of its algorithm")
    key = decoded_public_key_to_cryptography(decoded)
    if decoded.kty == COSEKTY.RSA and getattr(key, "key_size", 0) < _RSA_MIN:
        raise Refused("the key is too short")


def _options(options: Any, state: Mapping[str, object]) -> Options:  # noqa: ANN401 - either kind of the library's
    from webauthn.helpers import options_to_json_dict

    return Options(public={"publicKey": options_to_json_dict(options)}, state=state, once=True)


def _descriptor(passkey: "Passkey") -> Any:  # noqa: ANN401 - the library is imported when it is called
    from webauthn.helpers import structs

    known = {each.value for each in structs.AuthenticatorTransport}
    transports = [structs.AuthenticatorTransport(each) for each in passkey.transports if each in known]
    return structs.PublicKeyCredentialDescriptor(id=passkey.credential_id, transports=transports or None)


def _milliseconds(lifetime: timedelta) -> int:
    return int(lifetime.total_seconds() * 1000)
