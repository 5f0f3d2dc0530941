"""What the console's pages read of a visit."""

from gatepost.errors import NotFound
from gatepost.models import row_id


def named_id(text: str) -> int:
    """Return the id that a path, a link or a form names.

    Raises:
        NotFound: it can be none.
    """
    found = row_id(text)
    if found is None:
        raise NotFound
    return found
