"""What newcomers set up in the place of a password, on the pages where they would choose one."""

from collections.abc import Iterator
from contextlib import contextmanager

from gatepost.errors import ChallengeExpired, InvalidCode
from gatepost.http.pages.answers import about, read_credential
from gatepost.http.pages.forms import Form
from gatepost.http.pages.visit import Visit
from gatepost.models import Instead


def read_instead(form: Form) -> Instead | None:
    """Return what a form was sent with in the place of a password; None where it has nothing of that kind."""
    if "credential" not in form:
        return None
    return Instead(challenge=form.get("challenge", ""), credential=read_credential(form))


@contextmanager
def telling(visit: Visit) -> Iterator[None]:
    """Have the page say of what is not good, or came too late, what its kind has to say.

    Raises:
        InvalidCode, InvalidCredentials: it is not.
    """
    try:
        yield
    except (InvalidCode, ChallengeExpired):
        newcomers = visit.gate.wiring.newcomers
        raise about(visit, "" if newcomers is None else newcomers.method, InvalidCode()) from None
