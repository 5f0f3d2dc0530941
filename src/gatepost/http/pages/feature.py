"""What a feature contributes to the pages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gatepost.http.pages.links import Link
from gatepost.http.pages.notices import NoticeText
from gatepost.http.pages.page import Page
from gatepost.http.pages.sentences import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Pages of a feature, and what there is to say of what it does.

    Attributes:
        pages: each with its path.
        links: to them.
        address_path: below which the page of an address stands, where there is one.
        templates: directory of their templates; None where there are none.
        notices: what the next page says once, by the names that `Visit.redirect` takes.
        sentences: what is said of its actions, by their names as `sentences.WORDS` has them.
    """

    pages: tuple[Page, ...] = ()
    links: tuple[Link, ...] = ()
    address_path: str | None = None
    templates: Path | None = None
    notices: Mapping[str, NoticeText] = field(default_factory=dict)
    sentences: Mapping[str, Words] = field(default_factory=dict)
