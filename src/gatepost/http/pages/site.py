"""What all visits share: the templates, what pages load, where they may lead."""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    TemplateError,
    pass_context,
)
from jinja2.runtime import Context
from markupsafe import Markup, escape
from starlette.responses import Response
from starlette.routing import Route

from gatepost.errors import SettingsError
from gatepost.http.edge import Edge
from gatepost.http.pages.assets import Assets
from gatepost.http.pages.colors import DARK, LIGHT
from gatepost.http.pages.links import LINKS, Link, in_order
from gatepost.http.pages.looks import color_scheme
from gatepost.http.pages.notices import TEXTS
from gatepost.http.pages.own_inputs import own_inputs
from gatepost.http.pages.redirects import Redirects
from gatepost.http.pages.sentences import WORDS
from gatepost.http.pages.user_agents import Device, device_of
from gatepost.models import utc_text
from gatepost.settings import Settings
from gatepost.texts import Text, Value

if TYPE_CHECKING:
    from gatepost.http.pages.visit import Visit

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """Whose pages they are, as templates show it.

    Attributes:
        name: of the service; None where the logo alone is shown.
        logo, logo_dark, icon, style: names of files that pages load; None for those that there are not.
        color_scheme: in which schemes pages are drawn.
        colors: behind the page, in each of these schemes.
        url, support_url, privacy_url, terms_url: places outside; None for those that are not set.
    """

    name: str | None
    logo: str | None
    logo_dark: str | None
    icon: str | None
    style: str | None
    color_scheme: str
    colors: Mapping[str, str]
    url: str | None
    support_url: str | None
    privacy_url: str | None
    terms_url: str | None

    @classmethod
    def of(cls, settings: Settings, assets: Assets) -> Self:
        """Return the brand that the settings make."""
        schemes = color_scheme(settings)
        return cls(
            name=settings.app_name if settings.app_name_shown else None,
            logo=assets.named("logo"),
            logo_dark=assets.named("logo-dark"),
            icon=assets.named("icon"),
            style=assets.theme,
            color_scheme=schemes,
            colors={name: {"light": LIGHT, "dark": DARK}[name].page for name in schemes.split()},
            url=settings.app_url,
            support_url=settings.support_url,
            privacy_url=settings.privacy_url,
            terms_url=settings.terms_url,
        )


class Site:
    """The pages of one Gatepost.

    Args:
        edge: what they stand at.

    Attributes:
        edge: what they stand at.
        assets: what pages load.
        redirects: where `next` may lead.
        pages: those of features.
        routes: to every page.
        alerts: what features say above the overview.
        callouts: what they say first on a user's own account.
        newcomer_ways: what they add to the form in which a newcomer chooses a password.
        sign_in_ways: what features add to the form of signing in.
        factors: how features show their second factors and ways back, by method.
        security_sections, profile_sections: what they add to the pages of a user's security and profile.
        address_path: below which the page of an address stands; None where there is none.
        words: what is said of every action.
        notices: what may be said once.
        policy: the content security policy of every page.
        own_inputs: for what the application asks for at registration.
        without_input: required fields of that which the sign-up page can't ask for by itself.
        replaced: the templates of ours that TEMPLATES_DIR replaces.

    Raises:
        SettingsError: a picture or the theme can't be shown, or there is no TEMPLATES_DIR.
    """

    def __init__(self, edge: Edge) -> None:
        settings = edge.gate.settings
        self.edge = edge
        theirs = [feature.pages() for feature in edge.gate.features if feature.pages is not None]
        in_development = settings.environment == "development"
        self.pages = tuple(
            page for each in theirs for page in each.pages if in_development or not page.in_development
        )
        self.routes: list[Route] = []
        self.alerts = tuple(each.alerts for each in theirs if each.alerts is not None)
        self.callouts = tuple(each.callout for each in theirs if each.callout is not None)
        self._sign_up_sent = next((each.sign_up_sent for each in theirs if each.sign_up_sent), None)
        self.newcomer_ways = tuple(each.newcomer_way for each in theirs if each.newcomer_way is not None)
        self.sign_in_ways = tuple(each.sign_in_way for each in theirs if each.sign_in_way is not None)
        self.factors = {method: shown for each in theirs for method, shown in each.factors.items()}
        self.security_sections = tuple(
            each.security_section for each in theirs if each.security_section is not None
        )
        self.profile_sections = tuple(
            each.profile_section for each in theirs if each.profile_section is not None
        )
        self.address_path = next((each.address_path for each in theirs if each.address_path), None)
        self.notices = TEXTS | {name: text for each in theirs for name, text in each.notices.items()}
        self._links = in_order([*LINKS, *(link for each in theirs for link in each.links)])
        self.words = WORDS | {name: words for each in theirs for name, words in each.sentences.items()}
        self.assets = Assets(settings, [each.scripts for each in theirs if each.scripts is not None])
        self.redirects = Redirects(settings.effective_public_url, settings.allowed_redirects)
        # Browsers ask `form-action` of where a form's answer leads to as well.
        form_targets = " ".join(("'self'", *settings.allowed_redirects))
        font_src = "font-src 'self'; " if self.assets.has_fonts else ""
        self.policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            f"{font_src}connect-src 'self'; form-action {form_targets}; base-uri 'none'; "
            "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
        )
        directories = (TEMPLATES, *(each.templates for each in theirs if each.templates is not None))
        # Where templates are written, each change is seen at once.
        self._templates = _environment(
            settings.templates_dir,
            directories,
            reload=settings.environment != "production",
        )
        self._own = settings.templates_dir
        self.own_inputs, self.without_input = own_inputs(edge.gate.own_fields)
        others = (each.other_templates for each in theirs if each.other_templates is not None)
        self.replaced = [] if self._own is None else _in_both(self._own, (*directories, *others))
        self._templates.globals.update(
            app_name=settings.app_name,
            brand=Brand.of(settings, self.assets),
        )

    def sign_up_sent(self, visit: "Visit", email: str) -> Response:
        """Answer whoever registered and has to answer a mail first.

        Raises:
            RuntimeError: no feature has them answer one.
        """
        if self._sign_up_sent is None:
            raise RuntimeError("No feature of this Gatepost has a page for those who have to answer a mail")
        return self._sign_up_sent(visit, email)

    def links(self, place: str) -> list[Link]:
        """Return the links of a place, those of features among them."""
        gate = self.edge.gate
        here = (link for link in self._links if link.place == place)
        return [link for link in here if link.shown is None or link.shown(gate)]

    def render(self, template: str, context: Mapping[str, Any]) -> str:
        """Return a template's text."""
        return self._templates.get_template(template).render(context)

    def check_templates(self) -> None:
        """Compile the templates of TEMPLATES_DIR, so that a mistake in one of them is told at the start.

        Raises:
            SettingsError: one of them can't be read.
        """
        own = [] if self._own is None else _in(self._own)
        for name in (name for name in own if name.endswith(".html")):
            try:
                self._templates.get_template(name)
            except (TemplateError, UnicodeDecodeError, OSError) as error:
                raise SettingsError([f"TEMPLATES_DIR: {name} can't be used: {error}"]) from error


def _in(directory: Path) -> list[str]:
    return FileSystemLoader(directory).list_templates()


def _in_both(own: Path, ours: Iterable[Path]) -> list[str]:
    return sorted({name for directory in ours for name in _in(directory)}.intersection(_in(own)))


def _environment(own: Path | None, directories: Sequence[Path], *, reload: bool) -> Environment:
    ours = FileSystemLoader(directories)
    loaders: list[BaseLoader] = [ours, PrefixLoader({"gatepost": ours})]
    if own is not None:
        if not own.is_dir():
            raise SettingsError([f"TEMPLATES_DIR: {own} is not a directory"])
        loaders.insert(0, FileSystemLoader(own))
    environment = Environment(
        loader=ChoiceLoader(loaders),
        autoescape=True,
        auto_reload=reload,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["utc"] = utc_text
    environment.globals.update(_=_text, say=_say, _patterns=_patterns)
    environment.filters.update(
        initials=initials, tint=tint, time=_time, day=_day, number=_number, size=_size, device=_device
    )
    return environment


@pass_context
def _text(context: Context, id: str, /, **values: Value) -> Markup:  # noqa: A002 - the field's name for it
    """Return a text of the catalogues, which may have markup; what goes into it is escaped."""
    escaped = {name: each if isinstance(each, int) else escape(each) for name, each in values.items()}
    # Catalogues are ours, like the templates.
    return Markup(context["language"].say(Text(id, **escaped)))  # noqa: S704


@pass_context
def _say(context: Context, text: Text) -> str:
    return str(context["language"].say(text))


@pass_context
def _patterns(context: Context, id: str) -> dict[str, str]:  # noqa: A002 - the field's name for it
    return dict(context["language"].patterns(id))


@pass_context
def _time(context: Context, at: datetime, style: str = "time", since: datetime | None = None) -> Markup:
    """Return a time as an element that scripts put into the reader's zone.

    Args:
        context: of the template.
        at: the time.
        style: `time`; `clock` for the time of the day alone, to the second; or `ago` to have scripts tell how
            long it has been.
        since: when it began, of what took a while.
    """
    language = context["language"]
    text = language.clock(at) if style == "clock" else language.time(at, since)
    began = "" if since is None or since == at else Markup(' data-since="{}"').format(utc_text(since))
    return Markup('<time datetime="{}" data-style="{}"{}>{}</time>').format(
        at.isoformat(timespec="seconds"), style, began, text
    )


@pass_context
def _day(context: Context, at: datetime) -> str:
    return str(context["language"].day(at))


@pass_context
def _number(context: Context, number: float) -> str:
    return str(context["language"].number(number))


@pass_context
def _size(context: Context, size: int) -> str:
    return str(context["language"].size(size))


def initials(name: str) -> str:
    """Return the first letters of the first and the last word of a name, as its picture."""
    words = name.split()
    return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()


def tint(user_id: object) -> int:
    """Return which of the four colours somebody's picture has, the same one each time."""
    return zlib.crc32(str(user_id).encode()) % 4


def _device(user_agent: str | None) -> Device:
    return device_of(user_agent)
