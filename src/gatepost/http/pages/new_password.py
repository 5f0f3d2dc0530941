"""Choose a password of one's own, after a temporary one was right."""

from starlette.responses import Response

from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit


async def show(visit: Visit) -> Response:
    """Show the form; where no sign-in of this browser waits for a password, it starts over.

    Raises:
        ChallengeExpired: none does, or not any more.
    """
    if visit.session is not None and (visit.problems is None or visit.has_begun):
        return visit.redirect(visit.next or visit.url("/account"))
    waiting = await visit.gate.temporary_passwords.pending(_challenge(visit))
    return visit.render(
        "new_password.html", email=waiting.email, min_length=visit.gate.settings.password_min_length
    )


async def submit(visit: Visit, form: Form) -> Response:
    """Sign in with the new password from now on.

    Raises:
        ValidationFailed, ChallengeExpired, SecondFactorRequired, TooManyAttempts: as
            `TemporaryPasswords.change`.
    """
    signed_in = await visit.gate.temporary_passwords.change(
        _challenge(visit), form.get("new_password", ""), client=visit.client
    )
    return await visit.begin(signed_in)


def _challenge(visit: Visit) -> str | None:
    return visit.edge.cookies.challenge(visit.request.scope)
