"""Answers of the application on their way to whoever previews them."""

import re

from starlette.types import Message, Send

SCHEMES = ("light", "dark")

_QUERY = re.compile(rb"\(prefers-color-scheme: (light|dark)\)")
_BOTH = re.compile(rb"(?<=color-scheme)(:|: |\" content=\")light dark")
_FOCUS = re.compile(rb" (?:autofocus|data-focus)(?=[ >])")
_SHEET = re.compile(rb'(?<=\.css)(?=")')


class Framing:
    """Sends an answer on: a page reloads when its looks change, and may stand in a frame of the preview's.

    Args:
        send: sends what is left of it.
        script: markup of what reloads the page.
        problem: stands in for a page whose template fails.
        scheme: light or dark, for pages that would ask the browser; None leaves it to that.
    """

    def __init__(self, send: Send, *, script: str, problem: bytes, scheme: str | None) -> None:
        self._send = send
        self._script, self._problem = script.encode(), problem
        self._scheme = None if scheme is None else scheme.encode()
        self._start: Message | None = None
        self._body = b""

    async def __call__(self, message: Message) -> None:
        """Send one message, or keep it until all of the page is there."""
        if message["type"] == "http.response.start":
            # Visitors keep nothing: a cookie would be one of whatever else has this port at other times.
            message["headers"] = [
                (name, self._led(value) if name == b"location" else value)
                for name, value in message["headers"]
                if name != b"set-cookie"
            ]
            kind = dict(message["headers"]).get(b"content-type", b"")
            if kind.startswith((b"text/html", b"text/css")) or message["status"] == 500:
                self._start = message
                return
        elif self._start is not None:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._send_whole(self._start)
            return
        await self._send(message)

    def _led(self, location: bytes) -> bytes:
        """Return where a page leads on to: what is shown in a frame stays as the frame is."""
        if self._scheme is None:
            return location
        return location + (b"&" if b"?" in location else b"?") + b"scheme=" + self._scheme

    async def _send_whole(self, start: Message) -> None:
        headers, body = dict(start["headers"]), self._body
        kind = headers.get(b"content-type", b"")
        if not kind.startswith(b"text/css"):
            body = self._page(headers, body)
        if self._scheme is not None:
            body = self._drawn(body, self._scheme)
        headers[b"content-length"] = b"%d" % len(body)
        await self._send({**start, "headers": list(headers.items())})
        await self._send({"type": "http.response.body", "body": body})

    def _page(self, headers: dict[bytes, bytes], body: bytes) -> bytes:
        """Return a page with what reloads it, and let it stand in a frame."""
        if not headers.get(b"content-type", b"").startswith(b"text/html"):
            headers[b"content-type"], body = b"text/html; charset=utf-8", self._problem
            headers.pop(b"content-security-policy", None)
        headers.pop(b"x-frame-options", None)
        policy = headers.get(b"content-security-policy", b"")
        ours = policy.replace(b"frame-ancestors 'none'", b"frame-ancestors 'self'")
        headers[b"content-security-policy"] = ours
        if self._script in body:
            return body
        return body.replace(b"</head>", self._script + b"</head>", 1)

    @staticmethod
    def _drawn(text: bytes, scheme: bytes) -> bytes:
        """Return a page or style sheet that is light or dark, whatever the browser is, and takes no focus."""
        text = _FOCUS.sub(b"", text)
        text = _QUERY.sub(lambda found: b"all" if found[1] == scheme else b"not all", text)
        text = _BOTH.sub(lambda found: found[1] + scheme, text)
        return _SHEET.sub(b"?scheme=" + scheme, text)
