"""What the forms of a step are answered with, and what is said of a wrong answer."""

import json

from gatepost.errors import GatepostError, InvalidCode, InvalidCredentials
from gatepost.http.pages.forms import Form
from gatepost.models import Answer

METHOD = "method"
"""The field, and the parameter of an address, that names one of the methods that would do."""


def read_answer(form: Form) -> Answer:
    """Return what a form answers with: a code, or what an authenticator has signed, as JSON."""
    return Answer(
        method=form.get(METHOD, ""),
        code=form.get("code", "").strip(),
        credential=read_credential(form),
    )


def read_credential(form: Form) -> dict[str, object] | None:
    """Return what an authenticator has sent by a form; None where there is nothing, or it is no JSON."""
    try:
        credential = json.loads(form.get("credential", ""))
    except (ValueError, RecursionError):
        return None
    return credential if isinstance(credential, dict) else None


def about(error: InvalidCode) -> GatepostError:
    """Return the error that a form shows: of a credential there is no field that it would stand beside."""
    return error if error.text == InvalidCode.standard() else InvalidCredentials(error.text)
