"""The language that a client of the API reads: mails that follow from its requests are written in it."""

from starlette.requests import Request


def language_of(request: Request) -> str:
    """Return the language that a client asks for most, of those there are, as RFC 5646 writes it."""
    # Unicode's data of languages is loaded where somebody is to read something.
    from gatepost.http.pages.language import negotiated

    return negotiated(request.headers.get("accept-language", "")).tag
