"""The page of one's authenticator app."""

from pathlib import Path

from starlette.responses import Response

from gatepost.errors import ChallengeExpired, InvalidCode
from gatepost.features.totp.factor import METHOD
from gatepost.http.dependencies import CurrentSessionScheme
from gatepost.http.pages.feature import FactorPages, Pages
from gatepost.http.pages.forms import Form
from gatepost.http.pages.page import Page
from gatepost.http.pages.recovery import show_codes
from gatepost.http.pages.visit import Visit
from gatepost.models import Answer, Held
from gatepost.texts import Text

PATH = "/account/authenticator"

AGAIN = "again"
"""The parameter of the address that asks for another app in the place of the one that there is."""


async def show(visit: Visit) -> Response:
    """Show the app that there is, or what sets one up.

    Raises:
        NotFound, FreshSessionRequired: as `Factors.begin`.
    """
    held = await _held(visit)
    if held is not None and AGAIN not in visit.request.query_params:
        return visit.render("totp.html", held=held, options=None)
    options = await visit.gate.factors.begin(visit.token, METHOD, visit.client, by_cookie=visit.by_cookie)
    return visit.render("totp.html", held=held, options=options)


async def submit(visit: Visit, form: Form) -> Response:
    """Remove the app, or set it up and show the recovery codes that come with the first factor.

    Raises:
        InvalidCode, NotFound, InvalidCredentials, FreshSessionRequired: as `Factors`.
    """
    factors, place = visit.gate.factors, visit.url("/security")
    if form.get("action") == "remove":
        signed_in = await factors.remove(visit.token, METHOD, visit.client, by_cookie=visit.by_cookie)
        return visit.go_on(signed_in, place, notice=f"totp_removed.{signed_in.others_ended}")
    answer = Answer(method=METHOD, code=form.get("code", ""))
    try:
        signed_in = await factors.enrol(visit.token, answer, visit.client, by_cookie=visit.by_cookie)
    except ChallengeExpired as error:
        return visit.redirect(visit.here, notice=error.code)
    if signed_in.recovery_codes:
        return show_codes(visit, signed_in.recovery_codes, place=place, signed_in=signed_in)
    return visit.go_on(signed_in, place, notice=f"totp_set_up.{signed_in.others_ended}")


async def _held(visit: Visit) -> Held | None:
    holdings = await visit.gate.factors.of(visit.signed_in.user.id)
    return next((each for each in holdings.factors if each.method == METHOD), None)


PAGES = Pages(
    pages=(
        Page(path=PATH, show=show, submit=submit, who=CurrentSessionScheme, fields={InvalidCode: "code"}),
    ),
    factors={
        METHOD: FactorPages(
            path=PATH,
            name=Text("totp.name"),
            about=Text("totp.about"),
            icon="phone",
            answer="totp_answer.html",
            enrol="totp_enrol.html",
        )
    },
    templates=Path(__file__).parent / "templates",
    notices={
        "totp_set_up": lambda _: Text("totp.done"),
        "totp_removed": lambda _: Text("totp.removed"),
    },
)
