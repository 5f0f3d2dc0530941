"""The page of one's badges, and how it is told that there is another one."""

from pathlib import Path

from starlette.responses import Response
from tests.features.badges.service import Badges

from gatepost.http.dependencies import CurrentSessionScheme
from gatepost.http.pages.feature import Pages
from gatepost.http.pages.forms import Form
from gatepost.http.pages.links import Link
from gatepost.http.pages.page import Page
from gatepost.http.pages.sentences import Words
from gatepost.http.pages.visit import Visit
from gatepost.texts import Text


async def show(visit: Visit) -> Response:
    """Show them."""
    return visit.render(
        "badges.html", badges=await visit.gate.service(Badges).of_user(visit.signed_in.user.id)
    )


async def submit(visit: Visit, form: Form) -> Response:
    """Give one."""
    user_id, name = visit.signed_in.user.id, form.get("name", "")
    await visit.gate.service(Badges).give(user_id, name, client=visit.client)
    return visit.redirect(visit.url("/badges"), notice="badge_given")


PAGES = Pages(
    pages=(Page(path="/badges", show=show, submit=submit, who=CurrentSessionScheme),),
    links=(Link(place="account", path="/badges", text=Text("badges.title"), after="/security"),),
    templates=Path(__file__).parent / "templates",
    notices={"badge_given": lambda _: Text("badges.given")},
    sentences={"badge.given": Words("good")},
)
