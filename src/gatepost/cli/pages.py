"""The owner's own looks and templates: seen to before they are served, by `serve`, `theme` and `doctor`."""

from typing import TYPE_CHECKING

from gatepost.doctor import judgements
from gatepost.doctor.check import Check, wrong
from gatepost.terminal.running import in_use

if TYPE_CHECKING:
    from gatepost.settings import Settings


def look_at_pages(settings: "Settings") -> list[str]:
    """Return the templates that TEMPLATES_DIR replaces.

    Raises:
        SettingsError: a picture, the theme or a template can't be used.
    """
    if not settings.pages or not settings.files:
        return []
    from gatepost.gate import Gate
    from gatepost.http.edge import Edge
    from gatepost.http.pages.site import Site

    site = Site(Edge(Gate(settings, features=in_use.get())))
    site.check_templates()
    return site.replaced


def pages(settings: "Settings") -> list[Check]:
    """Judge the owner's looks and templates; nothing where there are none."""
    from gatepost.errors import SettingsError

    try:
        return judgements.templates(settings, look_at_pages(settings))
    except SettingsError as error:
        return [wrong("pages", each, "Change it in the environment or in .env") for each in error.problems]
