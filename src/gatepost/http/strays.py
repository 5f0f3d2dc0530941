"""A way out for a browser that has two session cookies of one name, of which nobody knows which one counts.

The second one is of a former COOKIE_DOMAIN, or a sibling host planted it. Such a request is refused
(`Cookies.token`), for good: setting or expiring the cookie replaces the one that stands where it always did.
So the answer to such a request, and each that sets or takes away the session, expires the cookie everywhere
else. Whoever comes with two leaves with one. That no cache keeps such an answer is `caching.py`'s to see to.
"""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gatepost.http.edge import Edge

DONE_KEY = "gatepost.strays"
"""Where a scope holds the edges that have looked at it: the layer may stand twice in an application."""


class StrayCookies:
    """Expires session cookies that stand elsewhere; requests without a cookie pass by it.

    Args:
        app: what answers.
        edge: whose cookies they are.
    """

    def __init__(self, app: ASGIApp, edge: Edge) -> None:
        self.app = app
        self._edge = edge

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request; no coroutine of its own stands in the way of those without a cookie."""
        if scope["type"] == "http" and self._edge not in scope.get(DONE_KEY, ()):
            for name, _ in scope["headers"]:
                if name == b"cookie":
                    return self._serve(scope, receive, send)
        return self.app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[DONE_KEY] = (*scope.get(DONE_KEY, ()), self._edge)
        edge = self._edge.at(scope)
        has_two = edge.cookies.are_two(scope)

        async def expiring(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                if (has_two and not _may_be_cached(headers)) or edge.cookies.set_a_session(headers):
                    strays = edge.cookies.clear_strays(scope, edge.host(scope))
                    message["headers"] = [*strays, *headers]
            await send(message)

        await self.app(scope, receive, expiring)


def _may_be_cached(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(name.lower() == b"cache-control" and b"no-store" not in value for name, value in headers)
