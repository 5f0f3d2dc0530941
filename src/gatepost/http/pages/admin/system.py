"""What runs: the version of Gatepost and the settings in force, no secret among them."""

from dataclasses import dataclass
from importlib.metadata import version

from pydantic import SecretStr
from starlette.responses import Response

from gatepost.http.pages.visit import Visit
from gatepost.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A setting as the page shows it.

    Attributes:
        name: as the environment has it.
        value: None where it is not set.
        is_secret: it has a value, which nobody is shown.
        is_default: nobody has set it.
    """

    name: str
    value: str | None
    is_secret: bool
    is_default: bool


async def show(visit: Visit) -> Response:
    """Show the version and every setting."""
    return visit.render(
        "admin/system.html", version=version("gatepost"), settings=in_force(visit.gate.settings)
    )


def in_force(settings: Settings) -> list[Shown]:
    """Return every setting, as it is in force."""
    return [
        _shown(name, getattr(settings, name), is_default=name not in settings.model_fields_set)
        for name in type(settings).model_fields
    ]


def _shown(name: str, value: object, *, is_default: bool) -> Shown:
    parts = value if isinstance(value, list | tuple) else (value,)
    is_secret = any(isinstance(each, SecretStr) for each in parts)
    # Written as one would set it: true and false.
    told = ", ".join(
        str(each).lower() if isinstance(each, bool) else str(each) for each in parts if each is not None
    )
    return Shown(
        name=name.upper(),
        value=None if is_secret else told or None,
        is_secret=is_secret,
        is_default=is_default,
    )
