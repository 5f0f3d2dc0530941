"""Those who look at the pages: their requests are made theirs on the way, and change nothing."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from starlette.types import Message, Receive, Scope

from gatepost.demo.people import ADMIN, USER, USER_DEVICES
from gatepost.http.pages.forms import MEDIA_TYPE, TOKEN
from gatepost.http.pages.page import Page
from gatepost.library import Gatepost
from gatepost.models import PASSWORD, SignedIn
from gatepost.preview.places import AS, SCHEME, SENT, Viewer
from gatepost.security.csrf_tokens import sign_in_binding

_LEFT_OUT = {
    *(b"cookie", b"authorization", b"origin", b"sec-fetch-site"),
    *(b"content-length", b"content-type", b"accept-encoding"),
}
"""Headers that would make a request somebody else's, tell of a body that is no more, or pack the answer."""


@dataclass(frozen=True, slots=True)
class Visitors:
    """A visitor without a session, an invented user and an invented administrator.

    Attributes:
        auth: whose pages they look at.
        pages: these, which say for whom they are.
        browser: what the forms of the one without a session are bound to.
        sessions: those of the others.
    """

    auth: Gatepost
    pages: Sequence[Page]
    browser: str
    sessions: Mapping[Viewer, SignedIn]

    @classmethod
    async def arrive(cls, auth: Gatepost, pages: Sequence[Page]) -> Self:
        """Sign in those who have an account."""
        sessions = {}
        for viewer, (email, _) in {Viewer.USER: USER, Viewer.ADMIN: ADMIN}.items():
            user = await auth.users.find(email)
            if user is None:
                raise RuntimeError(f"The demo lacks {email}")
            sessions[viewer] = await auth.sessions.start(user.id, methods=[PASSWORD], client=USER_DEVICES[0])
        return cls(auth, pages, uuid4().hex, sessions)

    def request(self, scope: Scope, *, path: str, language: str | None) -> tuple[Scope, Receive | None]:
        """Return a request as one of them sends it, and its body where it has another one.

        Args:
            scope: of the request as it came; its query says who it is, else its path does.
            path: of the page, below the pages' prefix.
            language: that was chosen, if one was.
        """
        asked = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        named = asked.pop(AS, None)
        viewer = Viewer(named) if named in set(Viewer) else self._viewer(path)
        is_sent = asked.pop(SENT, None) is not None
        asked.pop(SCHEME, None)
        headers = [each for each in scope["headers"] if each[0] not in _LEFT_OUT]
        headers.append((b"sec-fetch-site", b"same-origin"))
        if language is not None:
            headers = [each for each in headers if each[0] != b"accept-language"]
            headers.append((b"accept-language", language.encode()))
        theirs = {**scope, "query_string": urlencode(asked).encode(), "headers": headers}
        theirs.pop("extensions", None)  # a server that sends files by itself would pass by what frames them
        cookies, session = self.auth.edge.at(scope).cookies, self.sessions.get(viewer)
        if session is None:
            headers.append((b"cookie", cookies.set_form(self.browser)[1].partition(b";")[0]))
            binding = f"browser {self.browser}"
        else:
            theirs["headers"] = headers = cookies.replaced(theirs, session.token)
            binding = sign_in_binding(session.session)
        if not is_sent:
            return theirs, None
        body = urlencode({TOKEN: self.auth.csrf_tokens.issue(binding)}).encode()
        headers += [(b"content-type", MEDIA_TYPE), (b"content-length", b"%d" % len(body))]
        return theirs | {"method": "POST"}, _sending(body)

    def _viewer(self, path: str) -> Viewer:
        page = next((page for page in self.pages if page.path == path), None)
        if page is not None:
            return Viewer.of(page)
        return Viewer.ADMIN if path.startswith("/admin") else Viewer.USER


def _sending(body: bytes) -> Callable[[], Awaitable[Message]]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
