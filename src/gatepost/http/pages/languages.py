"""Choosing the language of the pages."""

from starlette.responses import Response

from gatepost.errors import ValidationFailed
from gatepost.http.pages.forms import Form
from gatepost.http.pages.language import find_language
from gatepost.http.pages.visit import Visit
from gatepost.texts import Text


async def show(visit: Visit) -> Response:
    """Show the languages that there are."""
    return visit.render("languages.html")


async def submit(visit: Visit, form: Form) -> Response:
    """Keep the language in this browser and, for its user, with the account; go back to where it was chosen.

    Who has a session in the place of its user changes the browser's alone.

    Raises:
        ValidationFailed: there is no such language.
    """
    language = find_language(form.get("language", ""))
    if language is None:
        raise ValidationFailed({"language": Text("field.choose_one")})
    if visit.session is not None and visit.session.impersonator_id is None:
        await visit.gate.profiles.choose_language(
            visit.token, language.tag, visit.client, by_cookie=visit.by_cookie
        )
    response = visit.redirect(visit.next or visit.url("/account"))
    response.raw_headers.append(visit.edge.cookies.set_language(language.tag))
    return response
