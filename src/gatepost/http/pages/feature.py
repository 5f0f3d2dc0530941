"""What a feature contributes to the pages."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from starlette.responses import Response

from gatepost.http.pages.links import Link
from gatepost.http.pages.notices import NoticeText
from gatepost.http.pages.page import Page
from gatepost.http.pages.sentences import Words
from gatepost.http.pages.visit import Visit
from gatepost.models import Holdings
from gatepost.services.overview import Overview
from gatepost.texts import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What an administrator has to know first: it stands above the figures of the overview.

    Attributes:
        kind: "bad" where something has happened, "warn" where it may.
        title: a few words.
        texts: sentences that say what happened.
        link, path: what is to be looked at, and its page.
    """

    kind: Literal["bad", "warn"]
    title: Text
    texts: tuple[Text, ...]
    link: str
    path: str


Alerts: TypeAlias = Callable[[Visit, Overview], Awaitable[Sequence[Alert]]]
"""Returns what has to be known first, by these figures; nothing where all is well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callout:
    """What one's own account says first, until it is done.

    Attributes:
        text: a sentence.
        link, path: what to do about it, and its page.
    """

    text: Text
    link: Text
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorPages:
    """How pages show a kind of second factor, or of way back.

    Attributes:
        path: its page, where its owner sets it up, changes and removes it.
        name: what it is called.
        about: what is said of it to whoever has none.
        icon: by its name in macros.html.
        answer: template of the field that answers it.
        unusable: returns why a visitor can't use it at this page; None where they can.
        has_section: it is shown by the section of its feature, and not among the others.
        enrol: template of what is shown before it is answered for the first time, with what it handed out as
            `options`; None for a way back.
        asks: it hands something out each time before it is answered, which `answer` has as `options`.
    """

    path: str
    name: Text
    about: Text
    icon: str
    answer: str
    unusable: Callable[[Visit], Text | None] | None = None
    has_section: bool = False
    enrol: str | None = None
    asks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the page of one's security.

    Attributes:
        template: of it; it has the section as `section`.
        shown: what it shows.
    """

    template: str
    shown: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Pages of a feature, and what there is to say of what it does.

    Attributes:
        pages: each with its path.
        links: to them.
        alerts: what stands above the overview; None where it has nothing to say there.
        sign_up_sent: answers whoever registered and has to answer a mail first, given the e-mail.
        callout: returns what a user's own account says first; the first feature that has something does.
        newcomer_way: returns the template of what it adds below the form in which a newcomer chooses a
            password once the mailbox has answered; None where it has nothing.
        sign_in_way: returns the template of what it adds below the form of signing in; None where it has
            nothing to offer.
        factors: how its second factor, or its way back, is shown, by its method.
        security_section: returns what it adds to the page of a user's security; None where that is nothing.
        profile_section: returns what it adds to the page of a user's profile; None where that is nothing.
        address_path: below which the page of an address stands, where there is one.
        templates: directory of their templates; None where there are none.
        other_templates: directory of templates that are no pages, and can be replaced as well.
        scripts: directory of what some of its pages load; None where that is nothing.
        notices: what the next page says once, by the names that `Visit.redirect` takes.
        sentences: what is said of its actions, by their names as `sentences.WORDS` has them.
    """

    pages: tuple[Page, ...] = ()
    links: tuple[Link, ...] = ()
    alerts: Alerts | None = None
    sign_up_sent: Callable[[Visit, str], Response] | None = None
    callout: Callable[[Visit], Awaitable[Callout | None]] | None = None
    newcomer_way: Callable[[Visit], str | None] | None = None
    sign_in_way: Callable[[Visit], str | None] | None = None
    factors: Mapping[str, FactorPages] = field(default_factory=dict)
    security_section: Callable[[Visit, Holdings], Awaitable[Section | None]] | None = None
    profile_section: Callable[[Visit], Awaitable[Section | None]] | None = None
    address_path: str | None = None
    templates: Path | None = None
    other_templates: Path | None = None
    scripts: Path | None = None
    notices: Mapping[str, NoticeText] = field(default_factory=dict)
    sentences: Mapping[str, Words] = field(default_factory=dict)
