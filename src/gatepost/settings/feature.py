"""The settings of the kernel and of features, as one."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Protocol

from gatepost.errors import SettingsError
from gatepost.settings.model import Settings


class Configured(Protocol):
    """A feature, as far as settings know of one."""

    @property
    def settings(self) -> Callable[[], type[Settings]] | None:
        """Return what returns the kernel's settings with its own besides; None where it has none."""


def settings_of(features: Iterable[Configured]) -> type[Settings]:
    """Return what reads the settings of these features and the kernel's, and tells all mistakes at once."""
    return _as_one(_theirs(features))


@cache  # making a class takes longer than reading the settings by it
def _as_one(theirs: tuple[type[Settings], ...]) -> type[Settings]:
    if not theirs:
        return Settings
    return theirs[0] if len(theirs) == 1 else type(Settings.__name__, theirs, {"__reduce__": _reduce})


def _reduce(settings: Settings) -> tuple[object, ...]:
    """Have settings pickled by the classes that theirs is made of, which a spawned worker finds."""
    return _restore, (type(settings).__bases__, settings.__getstate__())


def _restore(theirs: tuple[type[Settings], ...], state: dict[Any, Any]) -> Settings:
    """Return the settings that were pickled."""
    kind = _as_one(theirs)
    restored = kind.__new__(kind)
    restored.__setstate__(state)
    return restored


def check_settings(settings: Settings, features: Iterable[Configured]) -> None:
    """See that settings were read for these features.

    Raises:
        SettingsError: they lack those of one of them.
    """
    lacking = [kind.__name__ for kind in _theirs(features) if not isinstance(settings, kind)]
    if lacking:
        raise SettingsError([f"They lack {', '.join(lacking)}: load them by settings_of(features)"])


def _theirs(features: Iterable[Configured]) -> tuple[type[Settings], ...]:
    return tuple(feature.settings() for feature in features if feature.settings is not None)
