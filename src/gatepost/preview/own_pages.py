"""Pages that only the preview has: of errors that are nobody's fault, of what follows on forms, and mails."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn

from starlette.responses import HTMLResponse, Response

from gatepost.demo.people import USER
from gatepost.errors import GatepostError, InternalError, TooManyAttempts, Unavailable
from gatepost.feature import Feature
from gatepost.features.email.letters import Letters
from gatepost.features.email.mails import Mail
from gatepost.features.email.samples import sample
from gatepost.features.email.settings import EmailSettings
from gatepost.http.pages.feature import Pages
from gatepost.http.pages.page import Page
from gatepost.http.pages.visit import Visit
from gatepost.preview.factor_pages import factor_pages
from gatepost.preview.mail_pages import mail_pages
from gatepost.preview.places import MAIL
from gatepost.settings import Settings

_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; script-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'"
)
"""What a mail may do: it has its styles in itself, and the preview's script reloads it."""


def _failing(error: Callable[[], GatepostError]) -> Page:
    async def show(_: Visit) -> NoReturn:
        raise error()

    return Page(path=f"/preview/error/{error().status}", show=show)


def _mailed(mail: Mail, settings: EmailSettings) -> Page:
    letters = Letters(settings)

    async def show(visit: Visit) -> Response:
        _, _, html = letters.render(*sample(mail, language=visit.language.tag))
        return HTMLResponse(html, headers={"Content-Security-Policy": _MAIL_POLICY})

    return Page(path=f"{MAIL}{mail}", show=show)


async def _choose_password(visit: Visit) -> Response:
    email, _ = USER
    return visit.render("new_password.html", email=email, min_length=visit.gate.settings.password_min_length)


def own_pages(settings: Settings, features: Sequence[Feature]) -> Feature:
    """Return what the preview adds to what stands on the kernel; mails, where these settings know of mail."""
    failing = [_failing(error) for error in (partial(TooManyAttempts, 240), InternalError, Unavailable)]
    mails = [_mailed(mail, settings) for mail in Mail] if isinstance(settings, EmailSettings) else []
    chosen = Page(path="/preview/new-password", show=_choose_password)
    if mails:
        mails += mail_pages()
    pages = (*failing, chosen, *factor_pages(features), *mails)
    return Feature(name="preview", pages=lambda: Pages(pages=pages))
