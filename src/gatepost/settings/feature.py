"""The settings of the kernel and of features, as one."""

from collections.abc import Iterable

from gatepost.errors import SettingsError
from gatepost.feature import Feature
from gatepost.settings.model import Settings


def settings_of(features: Iterable[Feature]) -> type[Settings]:
    """Return what reads the settings of these features and the kernel's, and tells all mistakes at once."""
    theirs = _theirs(features)
    if not theirs:
        return Settings
    return theirs[0] if len(theirs) == 1 else type(Settings.__name__, theirs, {})


def check_settings(settings: Settings, features: Iterable[Feature]) -> None:
    """See that settings were read for these features.

    Raises:
        SettingsError: they lack those of one of them.
    """
    lacking = [kind.__name__ for kind in _theirs(features) if not isinstance(settings, kind)]
    if lacking:
        raise SettingsError([f"They lack {', '.join(lacking)}: load them by settings_of(features)"])


def _theirs(features: Iterable[Feature]) -> tuple[type[Settings], ...]:
    return tuple(feature.settings() for feature in features if feature.settings is not None)
