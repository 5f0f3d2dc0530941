"""Recovery codes, shown this once: after they were made, by whatever page."""

from collections.abc import Sequence

from starlette.responses import Response

from gatepost.http import browser
from gatepost.http.pages.visit import Visit
from gatepost.models import SignedIn


async def begin(visit: Visit, signed_in: SignedIn) -> Response:
    """Begin a session; recovery codes that were made with it are shown before the visit goes on."""
    if not signed_in.recovery_codes:
        return await visit.begin(signed_in)
    await browser.supersede(visit.edge, visit.request.scope)
    place = visit.next or visit.url("/account")
    return show_codes(visit, signed_in.recovery_codes, place=place, signed_in=signed_in)


def show_codes(
    visit: Visit, codes: Sequence[str], *, place: str, signed_in: SignedIn | None = None
) -> Response:
    """Answer with the codes, and a link that leads on.

    Args:
        visit: of whoever made them.
        codes: what was made.
        place: where to go on to.
        signed_in: the session that stands in for the visitor's from now on; None where that stays.
    """
    if signed_in is not None:
        visit.session = signed_in.session  # forms of this page are its
    response = visit.render("recovery_codes.html", codes=codes, place=place)
    if signed_in is not None:
        browser.hand_over(response, visit.edge, visit.request.scope, signed_in)
    return response
