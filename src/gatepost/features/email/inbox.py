"""Development's page of mails: what was sent where nothing is sent. There is none anywhere else."""

import base64
import ipaddress
from email import message_from_bytes, policy
from email.message import EmailMessage
from urllib.parse import urlsplit

from starlette.responses import Response

from gatepost.errors import NotFound
from gatepost.features.email.delivery import Delivery
from gatepost.features.email.transport import Inbox
from gatepost.http.pages.page import Page
from gatepost.http.pages.visit import Visit
from gatepost.settings.forms import is_loopback

PATH = "/dev/mail"

_FORWARDED = {"x-forwarded-for", "forwarded"}

_HTML_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"


def _inbox(visit: Visit) -> Inbox:
    """Return the inbox.

    Raises:
        NotFound: there is none, or it is not looked at from this machine: its links are as good as passwords.
    """
    transport = visit.gate.service(Delivery).transport
    if not isinstance(transport, Inbox) or not (_is_from_here(visit) and _is_asked_here(visit)):
        raise NotFound
    return transport


def _is_from_here(visit: Visit) -> bool:
    """Say whether somebody on this machine asks, and not through a tunnel that says for whom it does."""
    headers, address = visit.request.headers, visit.client.ip_address
    if not visit.gate.settings.trusted_proxies and not _FORWARDED.isdisjoint(headers):
        return False
    return address is not None and ipaddress.ip_address(address).is_loopback


def _is_asked_here(visit: Visit) -> bool:
    """Say whether it is asked by a name that nobody else can point at this machine, as DNS rebinding does."""
    host = visit.request.headers.get("host", "").lower()
    own = urlsplit(visit.gate.settings.effective_public_url or "").netloc
    return host == own or is_loopback(f"http://{host}")


def _read(visit: Visit) -> EmailMessage:
    """Return the mail that the path names.

    Raises:
        NotFound: there is none.
    """
    content = _inbox(visit).read(visit.request.path_params["name"])
    if content is None:
        raise NotFound
    return message_from_bytes(content, policy=policy.default)


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return "" if part is None else str(part.get_content())


async def show_all(visit: Visit) -> Response:
    """Show those that there are, newest first."""
    inbox = _inbox(visit)
    found = []
    for name in inbox.names():
        if (content := inbox.read(name)) is not None:
            message = message_from_bytes(content, policy=policy.default)
            found.append(
                {
                    "name": name,
                    "subject": message["subject"],
                    "to": message["to"],
                    "at": message["date"].datetime,
                }
            )
    return visit.render("dev_mails.html", mails=found)


async def show(visit: Visit) -> Response:
    """Show one, its links as links."""
    message = _read(visit)
    return visit.render(
        "dev_mail.html",
        name=visit.request.path_params["name"],
        subject=message["subject"],
        headers={name: message[name] for name in ("From", "To", "Reply-To") if message[name]},
        at=message["date"].datetime,
        text=_body(message, "plain"),
    )


async def show_html(visit: Visit) -> Response:
    """Show one as a mail program does, which runs no scripts and loads nothing."""
    message = _read(visit)
    html = _body(message, "html")
    for part in message.walk():
        if part["content-id"] is not None:
            kept = base64.b64encode(part.get_content()).decode()
            html = html.replace(f"cid:{part['content-id'].strip('<>')}", f"data:image/png;base64,{kept}")
    headers = {"Content-Security-Policy": _HTML_POLICY, "Cache-Control": "no-store"}
    return Response(html, media_type="text/html", headers=headers)


INBOX_PAGES = (
    Page(path=PATH, show=show_all, in_development=True),
    Page(path=PATH + "/{name}", show=show, in_development=True),
    Page(path=PATH + "/{name}/html", show=show_html, in_development=True),
)
