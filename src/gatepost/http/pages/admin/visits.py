"""What the console's pages read of a visit."""

from gatepost.errors import NotFound


def row_id(text: str) -> int:
    """Return the id that a path, a link or a form names.

    Raises:
        NotFound: it can be none.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotFound
    return int(text)
