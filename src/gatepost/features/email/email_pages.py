"""What mails about another e-mail lead to: a page with a button that has it count, or takes it back."""

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from gatepost.features.email import landing
from gatepost.features.email.email_changes import EmailChanges
from gatepost.features.email.errors import InvalidLink
from gatepost.features.email.link_store import Purpose
from gatepost.features.email.mailroom import see_that
from gatepost.http.pages import followed_links
from gatepost.http.pages.forms import Form
from gatepost.http.pages.page import Page
from gatepost.http.pages.visit import Visit

CONFIRM, UNDO = "/confirm-email", "/undo-email"

Use = Callable[[EmailChanges, str, Visit], Awaitable[None]]


def _page(path: str, purpose: Purpose, *, template: str, use: Use, then: str, notice: str) -> Page:
    """Return the page of a purpose: it shows a button, and does what it is for when that is pressed."""

    async def show(visit: Visit) -> Response:
        changes = visit.gate.service(EmailChanges)
        see_that(changes.is_on)
        if (led_on := landing.moved(visit, purpose)) is not None:
            return led_on
        token = landing.kept_token(visit, purpose)
        try:
            link = await changes.look(purpose, token or "", client=visit.client)
        except InvalidLink:
            return landing.not_good(visit, again=None)
        return visit.render(template, email=link.email)

    async def submit(visit: Visit, form: Form) -> Response:
        token = landing.sent_token(visit, form, purpose)
        try:
            await use(visit.gate.service(EmailChanges), token, visit)
        except InvalidLink:
            return landing.not_good(visit, again=None)
        return followed_links.forgotten(visit, visit.redirect(visit.url(then), notice=notice))

    return Page(path=path, show=show, submit=submit)


PAGES = (
    _page(
        CONFIRM,
        Purpose.EMAIL_CHANGE,
        template="confirm_email.html",
        use=lambda changes, token, visit: changes.confirm(token, client=visit.client),
        then="/sign-in",
        notice="email_confirmed",
    ),
    _page(
        UNDO,
        Purpose.EMAIL_UNDO,
        template="undo_email.html",
        use=lambda changes, token, visit: changes.undo(token, client=visit.client),
        then="/forgot-password",
        notice="email_undone",
    ),
)
