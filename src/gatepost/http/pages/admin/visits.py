"""What the console's pages read of a visit."""

from gatepost.errors import NotFound
from gatepost.http.pages.visit import Visit
from gatepost.models import UserId, row_id


def named_id(text: str) -> int:
    """Return the id that a path, a link or a form names.

    Raises:
        NotFound: it can be none.
    """
    found = row_id(text)
    if found is None:
        raise NotFound
    return found


def named_user(visit: Visit) -> UserId:
    """Return the id of the user that the path names.

    Raises:
        NotFound: it can be none.
    """
    found = visit.gate.user_ids.parse(visit.request.path_params["id"])
    if found is None:
        raise NotFound
    return found
