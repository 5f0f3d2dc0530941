"""Settings, and the key that is kept where development has none."""

from gatepost.settings.keys import secret_key
from gatepost.settings.model import Settings

__all__ = ["Settings", "secret_key"]
