"""What newcomers set up in the place of a password, on the pages where they would choose one."""

from collections.abc import Iterator
from contextlib import contextmanager

from gatepost.errors import ChallengeExpired, InvalidCode, InvalidCredentials
from gatepost.http.pages.answers import read_credential
from gatepost.http.pages.forms import Form
from gatepost.models import Instead
from gatepost.services.steps import WRONG_CREDENTIAL


def read_instead(form: Form) -> Instead | None:
    """Return what a form was sent with in the place of a password; None where it has nothing of that kind."""
    if "credential" not in form:
        return None
    return Instead(challenge=form.get("challenge", ""), credential=read_credential(form))


@contextmanager
def telling() -> Iterator[None]:
    """Have the page say that a credential is not good, or came too late.

    Raises:
        InvalidCredentials: it is not, or did.
    """
    try:
        yield
    except (InvalidCode, ChallengeExpired):
        raise InvalidCredentials(WRONG_CREDENTIAL) from None
