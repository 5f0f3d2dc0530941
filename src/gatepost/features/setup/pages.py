"""The page of the setup link, and the audit trail of it in sentences."""

from pathlib import Path

from starlette.responses import Response

from gatepost.errors import EmailTaken
from gatepost.features.setup.service import Setup
from gatepost.http.pages.feature import Pages
from gatepost.http.pages.forms import Form
from gatepost.http.pages.own_inputs import typed_fields
from gatepost.http.pages.page import Page
from gatepost.http.pages.sentences import Words
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the form.

    Raises:
        InvalidSetupLink, TooManyAttempts: the link is not good.
    """
    if visit.has_begun:
        return visit.redirect(visit.url("/admin"))
    token = _token(visit, visit.typed)
    await visit.gate.service(Setup).look(token, client=visit.client)
    return visit.render(
        "setup.html",
        token=token,
        min_length=visit.gate.settings.password_min_length,
        inputs=visit.site.own_inputs,
    )


async def submit(visit: Visit, form: Form) -> Response:
    """Make the administrator, and go on to the console.

    Raises:
        InvalidSetupLink, ValidationFailed, EmailTaken, TooManyAttempts: as `Setup.redeem`.
    """
    signed_in = await visit.gate.service(Setup).redeem(
        token=_token(visit, form),
        email=form.get("email", ""),
        name=form.get("name", ""),
        password=form.get("password", ""),
        client=visit.client,
        by_cookie=True,
        own=typed_fields(visit.site.own_inputs, form),
    )
    return await visit.begin(signed_in, path="/admin")


def _token(visit: Visit, form: Form) -> str:
    return form.get("token") or visit.request.query_params.get("token") or ""


PAGES = Pages(
    pages=(Page(path="/setup", show=show, submit=submit, fields={EmailTaken: "email"}),),
    templates=Path(__file__).parent / "templates",
    sentences={
        "setup.issued": Words("warn", is_personal=False),
        "setup.completed": Words("warn"),
        "setup.refused": Words("bad", is_personal=False),
        "setup.refused/named": Words("bad"),
    },
)
