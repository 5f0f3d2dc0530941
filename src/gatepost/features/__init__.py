"""What stands on the kernel, a folder each. A new feature is a folder and its name in this tuple."""

from gatepost.feature import Feature
from gatepost.features.addresses import ADDRESSES
from gatepost.features.email import EMAIL
from gatepost.features.imports import IMPORTS
from gatepost.features.invitations import INVITATIONS
from gatepost.features.passkeys import PASSKEYS
from gatepost.features.recovery_codes import RECOVERY_CODES
from gatepost.features.setup import SETUP
from gatepost.features.totp import TOTP

FEATURES: tuple[Feature, ...] = (
    ADDRESSES,
    EMAIL,
    IMPORTS,
    INVITATIONS,
    PASSKEYS,
    RECOVERY_CODES,
    SETUP,
    TOTP,
)
"""The features of a Gatepost that is told of no others."""
