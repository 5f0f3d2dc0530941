"""One's own account: the name, and the ways to everything else that can be changed."""

from starlette.responses import Response

from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the profile."""
    sections = [await each(visit) for each in visit.site.profile_sections]
    return visit.render(
        "account.html",
        callout_first=await visit.callout(),
        sections=[section for section in sections if section is not None],
    )


async def submit(visit: Visit, form: Form) -> Response:
    """Change the name.

    Raises:
        ValidationFailed: it does not fit.
    """
    name = form.get("name", "")
    await visit.gate.profiles.rename(visit.token, name, visit.client, by_cookie=visit.by_cookie)
    return visit.redirect(visit.url("/account"), notice="name_changed")
