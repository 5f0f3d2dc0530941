"""Carrying a form through asking for the password again, so that what was asked for is done afterwards.

The page that asks has the form in one field, which the server made: for this sign-in, this place and a few
minutes. It holds no password and no form token. It is bound to when the password was given last, which
confirming changes: it is good once.
"""

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self
from urllib.parse import unquote, urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Message

from gatepost.http import browser
from gatepost.http.dependencies import forget_session
from gatepost.http.pages.forms import PASSWORDS, TOKEN, Form
from gatepost.http.pages.visit import Visit
from gatepost.models import SignedIn
from gatepost.models.bounds import CARRIED_MAX
from gatepost.security.csrf_tokens import sign_in_binding

CARRIED = "carried"
"""The field that holds a form; empty where the form can't be carried."""

LIFETIME = timedelta(minutes=10)
"""For how long a form is carried."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A form on its way.

    Attributes:
        at: when it was sent, UTC.
        place: where to, a path of ours with its query.
        fields: what it was sent with.
    """

    at: datetime
    place: str
    fields: Form

    @classmethod
    def of(cls, visit: Visit, form: Form) -> Self:
        """Return the form that a visit was sent."""
        return cls(visit.gate.now(), visit.here, {name: form[name] for name in form if name != TOKEN})

    def sealed(self, visit: Visit) -> str:
        """Return it as text for the visitor; empty where it holds a password, or is too large."""
        if not PASSWORDS.isdisjoint(self.fields):
            return ""
        content = json.dumps([int(self.at.timestamp()), self.place, dict(self.fields)]).encode()
        if len(content) > CARRIED_MAX:
            return ""
        text = base64.urlsafe_b64encode(content).decode()
        return f"{text}.{visit.gate.csrf_tokens.issue(_binding(visit, text))}"

    @classmethod
    def opened(cls, visit: Visit, sealed: str) -> Self | None:
        """Return what `sealed` made for this visitor a moment ago; None for everything else."""
        text, _, token = sealed.partition(".")
        if not visit.gate.csrf_tokens.check(token, _binding(visit, text)):
            return None
        at, place, fields = json.loads(base64.urlsafe_b64decode(text))
        carried = cls(datetime.fromtimestamp(at, UTC), place, fields)
        return carried if visit.gate.now() - carried.at < LIFETIME else None

    async def send(self, visit: Visit, signed_in: SignedIn) -> Response:
        """Answer it as if the visitor sent it now, with the session that they have from now on."""
        request = self._request(visit, signed_in)
        for route in visit.site.routes:
            match, found = route.matches(request.scope)
            if match is Match.FULL:
                request.scope.update(found)
                response: Response = await route.endpoint(request)
                break
        else:
            raise RuntimeError("A form was carried that leads to no page")
        # A page that ends the session, or starts another one, has said so itself.
        if not visit.edge.cookies.set_a_session(response.raw_headers):
            browser.hand_over(response, visit.edge, visit.request.scope, signed_in)
        return response

    def _request(self, visit: Visit, signed_in: SignedIn) -> Request:
        path, _, query = self.place.partition("?")
        scope = dict(visit.request.scope)
        forget_session(scope)
        scope |= {
            "path": unquote(path),
            "raw_path": path.encode("ascii"),
            "query_string": query.encode("latin-1"),
            "headers": visit.edge.cookies.replaced(scope, signed_in.token),
        }
        token = visit.gate.csrf_tokens.issue(sign_in_binding(signed_in.session))
        body = urlencode({**self.fields, TOKEN: token}).encode()

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        return Request(scope, receive)


def _binding(visit: Visit, text: str) -> str:
    # The word in front keeps it apart from what the tokens of forms are bound to.
    return f"carried {text} {visit.binding}"
