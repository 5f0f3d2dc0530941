"""Which pages there are to be looked at, in which state, and by whom."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import urlencode

from gatepost.feature import Feature
from gatepost.http.pages.page import Page
from gatepost.http.pages.routes import PAGES
from gatepost.preview.mail_pages import LED_TO

NO_PAGES = {
    *("/admin/events/live", "/admin/events/export", "/admin/selected-users"),
    *("/sign-in/factor", "/sign-in/new-password", "/sign-in/passkey", "/sign-in/passkey/options"),
    *("/sign-up/passkey", "/sign-up/passkey/options", "/account/password/remove", "/account/passkeys/{id}"),
    *LED_TO,
    *("/setup", "/account/recovery-codes"),
    *("/dev/mail", "/dev/mail/{name}", "/dev/mail/{name}/html"),
}
"""Where no page of its own is: a stream, a file, what follows on a form or a link; or none that users see."""

AS, SENT, SCHEME = "as", "sent", "scheme"
"""Names in the query of a place: who looks at it, that its form was sent without an entry, light or dark."""

MAIL = "/preview/mail/"
"""How paths of mails begin."""


class Viewer(StrEnum):
    """Who looks at a page."""

    NOBODY = "nobody"
    USER = "user"
    ADMIN = "admin"

    @classmethod
    def of(cls, page: Page) -> "Viewer":
        """Return for whom a page is."""
        if page.who is None and page.path != "/sign-out":
            return cls.NOBODY
        return cls.ADMIN if page.path.startswith("/admin") else cls.USER


HEADINGS = {
    Viewer.NOBODY: "Signed out",
    Viewer.USER: "Account",
    Viewer.ADMIN: "Console",
}
"""Viewer → what their pages are called together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A page in one of its states.

    Attributes:
        path: of the page, below `/auth`, with its own query.
        state: what is special of it; empty where nothing is.
        viewer: who looks at it.
        query: tells the preview so.
    """

    path: str
    state: str = ""
    viewer: Viewer
    query: Mapping[str, str]

    @property
    def heading(self) -> str:
        """What it stands under."""
        return "Mail" if self.path.startswith(MAIL) else HEADINGS[self.viewer]

    @property
    def name(self) -> str:
        """The path alone."""
        return self.path.partition("?")[0]

    @property
    def url(self) -> str:
        """The path with the query."""
        return f"{self.path}{'&' if '?' in self.path else '?'}{urlencode(self.query)}"


def pages_of(features: Iterable[Feature]) -> tuple[Page, ...]:
    """Return all pages, those of features among them."""
    theirs = (feature.pages().pages for feature in features if feature.pages is not None)
    return (*PAGES, *(page for pages in theirs for page in pages))


def places(pages: Iterable[Page], examples: Mapping[str, Sequence[str]]) -> list[Place]:
    """Return what there is to be looked at, by viewer.

    Args:
        pages: all of them.
        examples: path with parameters → such paths with invented values.
    """
    found = [place for page in pages for place in _of(page, examples)]
    denied = next((place for place in found if place.path == "/admin"), None)
    if denied is not None:
        found.append(_seen(denied, "not allowed", Viewer.USER))
    found.append(Place(path="/nowhere", state="not found", viewer=Viewer.NOBODY, query={AS: Viewer.NOBODY}))
    headings = [*HEADINGS.values(), "Mail"]
    return sorted(found, key=lambda place: headings.index(place.heading))


def _of(page: Page, examples: Mapping[str, Sequence[str]]) -> Iterator[Place]:
    if page.path in NO_PAGES:
        return
    viewer = Viewer.of(page)
    for path in examples.get(page.path, () if "{" in page.path else (page.path,)):
        state = "by a link" if "?" in path else ""
        yield Place(path=path, state=state, viewer=viewer, query={AS: viewer})
    if page.path in _WITH_MISTAKES:
        yield Place(path=page.path, state="with mistakes", viewer=viewer, query={AS: viewer, SENT: "1"})


_WITH_MISTAKES = {"/sign-in", "/sign-up", "/account/password"}


def _seen(place: Place, state: str, viewer: Viewer) -> Place:
    return replace(place, state=state, viewer=viewer, query={AS: viewer})
