"""The language that a client of the API reads: mails that follow from its requests are written in it."""

from dataclasses import replace
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from gatepost.http.dependencies import CurrentClient
from gatepost.models import Client


async def reading_client(request: Request, client: CurrentClient) -> Client:
    """Return who sends this request and, where they say so, which of our languages they read."""
    accepted = request.headers.get("accept-language")
    if accepted is None:
        return client
    # Unicode's data of languages is loaded where somebody is to read something.
    from gatepost.http.pages.language import negotiated

    return replace(client, language=negotiated(accepted).tag)


ReadingClient = Annotated[Client, Depends(reading_client)]
