"""What lists of the console are filtered by, read from the query: nothing of it is passed over.

A filter that lost a part on the way would show, and end, more than was asked for.
"""

from datetime import UTC, datetime

from gatepost.errors import NotFound, ValidationFailed
from gatepost.http.pages.language import N_
from gatepost.http.pages.visit import Visit
from gatepost.models import UserId, row_id

NO_SUCH_USER = N_("There is no such user")
CHOOSE_ONE = N_("Choose one of the list")
GIVE_A_TIME = N_("Give a day and a time")

TOLD_BY_SERVICES = (
    N_("Give an address such as 203.0.113.7, or a network: 2001:db8::/32"),
    N_("Give an action such as login.failed, or a family: login."),
    N_("Give a time such as 2024-01-01T00:00:00Z"),
)
"""What the services behind the lists say of a filter."""


def given(visit: Visit, names: tuple[str, ...]) -> dict[str, str]:
    """Return those parts of a filter that the query has, as they were typed."""
    typed = {name: visit.request.query_params.get(name, "").strip() for name in names}
    return {name: text for name, text in typed.items() if text}


def cursor_of(visit: Visit) -> int | None:
    """Return the id that the page begins below; None for what can't be one."""
    return row_id(visit.request.query_params.get("before", ""))


async def user_of(visit: Visit, asked: dict[str, str]) -> UserId | None:
    """Return the id of the user that was asked for by e-mail or id; one who is gone still has an id.

    Raises:
        ValidationFailed: nobody has this e-mail.
    """
    text = asked.get("user")
    if text is None:
        return None
    try:
        return await visit.gate.administration.id_of(text)
    except NotFound:
        raise ValidationFailed({"user": NO_SUCH_USER}) from None


def time_of(asked: dict[str, str], name: str) -> datetime | None:
    """Return a time that was asked for, as UTC where it says nothing else.

    Raises:
        ValidationFailed: it is none.
    """
    text = asked.get(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValidationFailed({name: GIVE_A_TIME}) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
