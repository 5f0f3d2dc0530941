"""The console's page that asks whether a user is to be mailed a link to choose another password."""

from starlette.responses import Response

from gatepost.features.email.admin_resets import LIFETIME, AdminResets
from gatepost.features.email.mailroom import see_that
from gatepost.http.console import ConsoleSessionScheme
from gatepost.http.pages.admin.visits import named_user
from gatepost.http.pages.forms import Form
from gatepost.http.pages.links import Link
from gatepost.http.pages.page import Page
from gatepost.http.pages.visit import Visit
from gatepost.texts import Text

PATH = "/admin/users/{id}/mail/reset"


async def ask(visit: Visit) -> Response:
    """Say what the mail is, and ask.

    Raises:
        NotFound: there is no way to send mail, or no such user.
    """
    see_that(visit.gate.service(AdminResets).is_on)
    user = await visit.gate.administration.get(named_user(visit))
    return visit.render("admin/mail_reset.html", who=user, hours=int(LIFETIME.total_seconds()) // 3600)


async def send(visit: Visit, _: Form) -> Response:
    """Have it sent.

    Raises:
        NotFound, NotMailable: as `AdminResets.send`.
    """
    user = await visit.gate.administration.get(named_user(visit))
    await visit.gate.service(AdminResets).send(user, client=visit.client, by=visit.signed_in)
    return visit.redirect(visit.user_url(user.id), notice="reset_sent")


PAGES = (Page(path=PATH, show=ask, submit=send, who=ConsoleSessionScheme),)

LINK = Link(
    place="user",
    path=PATH,
    text=Text("admin.mail_reset.title"),
    shown=lambda gate: gate.service(AdminResets).is_on,
)
"""In the menu of a user's page."""
