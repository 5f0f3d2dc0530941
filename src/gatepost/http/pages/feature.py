"""What a feature contributes to the pages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gatepost.http.pages.page import Page
from gatepost.http.pages.sentences import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Pages of a feature, and what there is to say of what it does.

    Attributes:
        pages: each with its path.
        templates: directory of their templates; None where there are none.
        sentences: what is said of its actions, by their names as `sentences.WORDS` has them.
    """

    pages: tuple[Page, ...] = ()
    templates: Path | None = None
    sentences: Mapping[str, Words] = field(default_factory=dict)
