"""What passkeys do while a Gate is open."""

from typing import TYPE_CHECKING

from gatepost.features.passkeys import store
from gatepost.features.passkeys.authenticators import name_of
from gatepost.features.passkeys.ceremonies import Ceremonies
from gatepost.features.passkeys.factor import Passkeys
from gatepost.features.passkeys.relying_party import RelyingParty
from gatepost.features.passkeys.service import OwnPasskeys
from gatepost.features.passkeys.settings import PasskeySettings
from gatepost.features.passkeys.sign_ins import PasskeySignIns
from gatepost.features.passkeys.sign_ups import PasskeySignUps
from gatepost.security.keys import KeyPurpose
from gatepost.security.links import LinkCodec
from gatepost.services.feature import Wired

if TYPE_CHECKING:
    from gatepost.gate import Gate


def wire(gate: "Gate") -> Wired:
    """Make its services."""
    settings, codec = gate.settings_as(PasskeySettings), LinkCodec(gate.keys, KeyPurpose.CHALLENGE)
    party = None
    if settings.rp_id is not None:
        party = RelyingParty(
            rp_id=settings.rp_id, origins=settings.webauthn_origins, name=settings.app_name, codec=codec
        )
    passkeys = Passkeys(party, features=gate.wiring, name_of=name_of, clock=gate.clock)
    ceremonies = Ceremonies(gate.database, passkeys=passkeys, codec=codec, clock=gate.clock)
    sign_ins = PasskeySignIns(
        gate.database,
        passkeys=passkeys,
        ceremonies=ceremonies,
        throttles=gate.throttles,
        sign_ins=gate.sign_ins,
        audit=gate.audit,
        clock=gate.clock,
    )
    sign_ups = PasskeySignUps(
        passkeys=passkeys,
        ceremonies=ceremonies,
        throttles=gate.throttles,
        features=gate.wiring,
        is_open=settings.passwordless_sign_up,
    )
    own = OwnPasskeys(gate.database, passkeys=passkeys, clock=gate.clock)
    return Wired(
        services=(passkeys, sign_ins, sign_ups, own),
        factor=passkeys,
        newcomers=sign_ups,
        export=store.export,
        disown=store.disown,
    )
