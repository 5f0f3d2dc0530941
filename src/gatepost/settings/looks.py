"""The settings of how pages look, and of the places outside that they link to."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings

from gatepost.settings import forms

_Path = Annotated[Path | None, BeforeValidator(forms.path)]
_Link = Annotated[str | None, BeforeValidator(forms.link)]


def _picture(description: str) -> Any:  # noqa: ANN401 - what Field returns
    return Field(
        None,
        description=description,
        json_schema_extra={"accepted": "the path of an SVG, PNG or WebP file"},
    )


def _link(description: str) -> Any:  # noqa: ANN401 - what Field returns
    return Field(
        None,
        description=description,
        json_schema_extra={"accepted": "a URL such as https://example.com/help"},
    )


class Looks(BaseSettings):
    """Name, colours, pictures and links of the pages. `Settings` reads them with everything else."""

    app_name: Annotated[str, BeforeValidator(forms.line)] = Field(
        "Gatepost",
        min_length=1,
        max_length=80,
        description="Name of this service, as users know it; refused as a password",
        json_schema_extra={"accepted": "a name"},
    )
    app_name_shown: bool = Field(True, description="Show APP_NAME next to the logo")
    app_logo: _Path = _picture("Logo that pages show")
    app_logo_dark: _Path = _picture("Logo on dark pages; without one, APP_LOGO")
    app_icon: _Path = _picture("Icon of the browser tab; without one, Gatepost's in ACCENT_COLOR")
    accent_color: Annotated[str, BeforeValidator(forms.color)] = Field(
        "#1d5fd1",
        description="Colour of the main buttons; links and focus use it as far as it is readable",
        json_schema_extra={"accepted": "a colour such as #1d5fd1"},
    )
    accent_color_dark: Annotated[str | None, BeforeValidator(forms.color_or_none)] = Field(
        None,
        description="ACCENT_COLOR on dark pages; without one, the same colour",
        json_schema_extra={"accepted": "a colour such as #8ab4ff"},
    )
    appearance: Annotated[Literal["auto", "light", "dark"], BeforeValidator(forms.lower_case)] = Field(
        "auto", description="Light or dark pages; auto follows the browser"
    )
    corner_radius: int = Field(
        10, ge=0, le=24, description="Radius of the corners of cards, fields and buttons, in pixels"
    )
    theme_css: _Path = Field(
        None,
        description="Style sheet that pages load after their own",
        json_schema_extra={"accepted": "the path of a CSS file"},
    )
    theme_dir: _Path = Field(
        None,
        description="Directory of the fonts and pictures that THEME_CSS and your templates use",
        json_schema_extra={"accepted": "the path of a directory"},
    )
    templates_dir: _Path = Field(
        None,
        description="Directory of templates that replace those of the same name",
        json_schema_extra={"accepted": "the path of a directory"},
    )
    app_url: _Link = _link("Your application; the name and logo on pages link to it")
    support_url: _Link = _link("Where users find help; linked on every page")
    privacy_url: _Link = _link("Your privacy policy; linked on every page")
    terms_url: _Link = _link("Your terms of service; linked on every page")

    @property
    def files(self) -> dict[str, Path]:
        """The files and directories that pages look different by, by the settings that name them."""
        named = ((name.upper(), getattr(self, name)) for name in Looks.model_fields)
        return {name: each for name, each in named if isinstance(each, Path)}
