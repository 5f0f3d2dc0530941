"""Links between pages: the navigation, the kernel's and what features add to it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from gatepost.gate import Gate
from gatepost.texts import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link to a page, on others.

    Attributes:
        place: where it stands: in the navigation of one's own account or of the console, above the list of
            users, in the menu of one user, among the parts of the system page, or below the forms of signing
            in and up.
        path: of the page that it leads to; in the menu of one user it has `{id}` in it.
        text: what it says.
        after: path of the one that it stands behind; at the end where it is None.
        exact: it is the current one on its own page alone, and not on those below.
        beside: paths of pages that belong to it and do not stand below it.
        icon: name of the picture beside it in the navigation of one's own account, as `macros.html` has them.
        shown: says whether an open Gatepost shows it; None where each does.
    """

    place: Literal["account", "console", "users", "user", "system", "sign_in", "sign_up"]
    path: str
    text: Text
    after: str | None = None
    exact: bool = False
    beside: tuple[str, ...] = ()
    icon: str | None = None
    shown: Callable[[Gate], bool] | None = None


_OF_USERS = ("/admin/new-user", "/admin/selected-users")

LINKS = (
    Link(place="account", path="/account", text=Text("account.profile"), exact=True, icon="profile"),
    Link(place="account", path="/security", text=Text("account.security"), icon="security"),
    Link(place="account", path="/devices", text=Text("word.devices"), icon="devices"),
    Link(place="account", path="/activity", text=Text("word.activity"), icon="activity"),
    Link(place="account", path="/account/data", text=Text("account.data"), icon="data"),
    Link(place="console", path="/admin", text=Text("admin.overview.title"), exact=True),
    Link(place="console", path="/admin/users", text=Text("word.users"), beside=_OF_USERS),
    Link(place="console", path="/admin/sessions", text=Text("word.sessions")),
    Link(place="console", path="/admin/events", text=Text("word.events")),
    Link(place="console", path="/admin/system", text=Text("admin.system.title")),
    Link(place="system", path="/admin/system", text=Text("admin.system.settings"), exact=True),
    Link(place="system", path="/admin/system/checks", text=Text("admin.checks.title")),
    Link(place="system", path="/admin/system/asvs", text=Text("admin.asvs.title")),
    Link(place="system", path="/admin/system/housekeeping", text=Text("admin.housekeeping.title")),
)
"""The kernel's own links."""


def in_order(links: Iterable[Link]) -> list[Link]:
    """Put each behind the one that it names; one that names none, or none that there is, at the end."""
    found: list[Link] = []
    for link in links:
        places = (place for place, each in enumerate(found, 1) if each.path == link.after)
        found.insert(next(places, len(found)), link)
    return found
