"""Recovery codes, shown this once: after they were made, by whatever page."""

from collections.abc import Sequence

from starlette.responses import Response

from gatepost.http import browser
from gatepost.http.pages.visit import Visit
from gatepost.models import SignedIn


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
