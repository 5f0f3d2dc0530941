"""The page of one's recovery codes."""

from pathlib import Path

from starlette.responses import Response

from gatepost.features.recovery_codes.way_back import METHOD
from gatepost.http.dependencies import CurrentSessionScheme
from gatepost.http.pages.feature import Callout, FactorPages, Pages
from gatepost.http.pages.forms import Form
from gatepost.http.pages.page import Page
from gatepost.http.pages.recovery import show_codes
from gatepost.http.pages.visit import Visit
from gatepost.services.factors import FEW
from gatepost.texts import Text

PATH = "/account/recovery-codes"


async def show(visit: Visit) -> Response:
    """Show how many are left; whoever has no second factor needs none."""
    holdings = await visit.gate.factors.of(visit.signed_in.user.id)
    if not holdings.factors:
        return visit.redirect(visit.url("/security"))
    held = next((each for each in holdings.ways_back if each.method == METHOD), None)
    return visit.render("my_recovery_codes.html", held=held)


async def submit(visit: Visit, _: Form) -> Response:
    """Make new ones, and show them.

    Raises:
        NotFound, InvalidCredentials, FreshSessionRequired: as `Factors.new_codes`.
    """
    codes = await visit.gate.factors.new_codes(visit.token, visit.client, by_cookie=visit.by_cookie)
    return show_codes(visit, codes, place=visit.url("/security"))


async def callout(visit: Visit) -> Callout | None:
    """Tell a user of whose codes few are left."""
    holdings = await visit.gate.factors.of(visit.signed_in.user.id)
    left = sum(each.left or 0 for each in holdings.ways_back if each.method == METHOD)
    if not holdings.factors or left >= FEW:
        return None
    return Callout(text=Text("recovery_code.few", count=left), link=Text("recovery_code.make"), path=PATH)


PAGES = Pages(
    callout=callout,
    pages=(Page(path=PATH, show=show, submit=submit, who=CurrentSessionScheme),),
    factors={
        METHOD: FactorPages(
            path=PATH,
            name=Text("recovery_code.name"),
            about=Text("recovery_code.about"),
            icon="list",
            answer="recovery_code_answer.html",
        )
    },
    templates=Path(__file__).parent / "templates",
)
