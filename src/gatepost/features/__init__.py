"""What stands on the kernel, a folder each. A new feature is a folder and its name in this tuple."""

from gatepost.feature import Feature
from gatepost.features.addresses import ADDRESSES
from gatepost.features.email import EMAIL
from gatepost.features.imports import IMPORTS
from gatepost.features.invitations import INVITATIONS
from gatepost.features.setup import SETUP

FEATURES: tuple[Feature, ...] = (ADDRESSES, EMAIL, IMPORTS, INVITATIONS, SETUP)
"""The features of a Gatepost that is told of no others."""
