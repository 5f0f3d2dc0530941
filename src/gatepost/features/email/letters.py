"""How mails read: templates and texts, in the language of whoever gets them and in the owner's colours."""

import base64
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatepost.errors import SettingsError
from gatepost.features.email.address import MailServer, parse_mailbox
from gatepost.features.email.mails import Mail
from gatepost.features.email.samples import sample
from gatepost.features.email.sending_store import Message
from gatepost.features.email.settings import EmailSettings
from gatepost.security.emails import mailed_to

if TYPE_CHECKING:
    from jinja2 import Environment


TEMPLATES = Path(__file__).parent / "mail_templates"

PAGES = "/auth"
"""Where the pages are that mails lead to."""

# Seven bits go through every mail server; the line ends are the protocol's.
_POLICY = policy.SMTP.clone(cte_type="7bit")
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z ]{0,19}")


class NoAddressError(Exception):
    """What stands where an address should is none."""


class Letters:
    """Writes mails.

    Args:
        settings: the brand, the sender, and where links lead.

    Attributes:
        sender: whom they are from.
    """

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings
        self.sender = sender_of(settings)

    def write(self, message: Message, secrets: Mapping[str, str]) -> EmailMessage:
        """Write a mail, the same each time.

        Args:
            message: what it is about.
            secrets: the link and the code, as `outbox.Secrets` reveals them.

        Raises:
            NoAddressError: the recipient's address is none.
            jinja2.TemplateError: a template can't be used.
        """
        logo = f"logo@{self.sender.domain}"
        subject, text, html = self.render(message, secrets, logo=f"cid:{logo}")
        letter = EmailMessage(_POLICY)
        letter["Subject"] = subject
        letter["From"] = self.sender
        letter["To"] = recipient_of(message)
        if self._settings.mail_reply_to is not None:
            letter["Reply-To"] = parse_mailbox(self._settings.mail_reply_to)
        letter["Date"] = message.created_at
        # A second copy, where a worker died, is known by it.
        letter["Message-ID"] = f"<{message.id}.{message.created_at:%Y%m%d%H%M%S%f}@{self.sender.domain}>"
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody answers with an absence note
        letter.set_content(text)
        letter.add_alternative(html, subtype="html")
        if self._logo is not None:
            # It comes along: nothing is loaded, by which somebody would learn that the mail was read.
            *_, shown = letter.iter_parts()
            shown.add_related(self._logo, "image", "png", cid=f"<{logo}>", disposition="inline")
        return letter

    def render(
        self, message: Message, secrets: Mapping[str, str], *, logo: str | None = None
    ) -> tuple[str, str, str]:
        """Return the subject, the text and the HTML of a mail.

        Args:
            message: what it is about.
            secrets: the link and the code.
            logo: where the owner's is found; None puts it into the HTML, for those who only look.

        Raises:
            jinja2.TemplateError: a template can't be used.
        """
        context = self._context(message, secrets)
        if self._logo is not None:
            context["logo"] = logo or f"data:image/png;base64,{base64.b64encode(self._logo).decode()}"
        subject, _, text = (
            self._templates.get_template(f"mail/{message.template}.txt").render(context).partition("\n")
        )
        subject = " ".join(subject.split())
        html = self._templates.get_template(f"mail/{message.template}.html").render(
            context | {"subject": subject}
        )
        return subject, re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", html

    @property
    def replaced(self) -> list[str]:
        """The templates of ours that TEMPLATES_DIR replaces."""
        own = self._settings.templates_dir
        ours = [] if own is None else sorted(TEMPLATES.glob("mail/*"))
        return [
            f"mail/{each.name}" for each in ours if own is not None and (own / "mail" / each.name).is_file()
        ]

    def check_templates(self) -> None:
        """Write every mail where TEMPLATES_DIR replaces one, so that a mistake is told before a mail is lost.

        Raises:
            SettingsError: one of them can't be written.
        """
        own = self._settings.templates_dir
        if own is not None and not own.is_dir():
            raise SettingsError([f"TEMPLATES_DIR: {own} is not a directory"])
        for mail in Mail if self.replaced else ():
            try:
                self.render(*sample(mail))
            except Exception as error:  # a template is a program
                name = getattr(error, "name", None) or f"mail/{mail}"
                raise SettingsError([f"TEMPLATES_DIR: {name} can't be used: {error}"]) from error

    def _context(self, message: Message, secrets: Mapping[str, str]) -> dict[str, Any]:
        from gatepost.http.pages.language import negotiated

        settings = self._settings
        root = settings.effective_public_url
        pages = None if root is None or not settings.pages else f"{root}{settings.root_path}{PAGES}"
        data = dict(message.data)
        at = data.pop("at", None)
        code = secrets.get("code")
        return {
            "minutes": None,
            "code_minutes": None,
            "what": None,
            "by_admin": False,
            **data,
            "url": secrets.get("url"),
            "code": None if code is None else grouped(code),
            "at": None if at is None else datetime.fromisoformat(str(at)),
            "place": place(data.pop("address", None), data.pop("user_agent", None)),
            "language": negotiated("", message.language),
            "name": message.name,
            "recipient": message.recipient,
            "logo": None,
            "app_name": settings.app_name,
            "brand": self._brand,
            "pages": pages,
        }

    @property
    def lacks_logo(self) -> bool:
        """Whether APP_LOGO is of a kind that mail programs don't show, and has no PNG beside it."""
        return self._settings.app_logo is not None and self._logo_file is None

    @property
    def _logo_file(self) -> Path | None:
        """The PNG that mails show: APP_LOGO, or what stands beside it under its name."""
        given = self._settings.app_logo
        if given is None or given.suffix.lower() == ".png":
            return given
        beside = given.with_suffix(".png")
        return beside if beside.is_file() else None

    @cached_property
    def _logo(self) -> bytes | None:
        from gatepost.http.pages.looks import picture

        file = self._logo_file
        return None if file is None else picture("APP_LOGO", file)

    @cached_property
    def _brand(self) -> dict[str, Any]:
        """The owner's colours and places outside."""
        from gatepost.http.pages.colors import DARK, LIGHT, properties

        settings = self._settings
        dark = settings.accent_color_dark or settings.accent_color
        by_ground = {
            "light": dict(each.split(":") for each in properties(settings.accent_color, LIGHT).split(";")),
            "dark": dict(each.split(":") for each in properties(dark, DARK).split(";")),
        }
        colors = {
            f"{ground}_{name.removeprefix('--').replace('-', '_')}": color
            for ground, theirs in by_ground.items()
            for name, color in theirs.items()
        }
        return {
            **colors,
            "has_dark": settings.appearance != "light",
            "radius": settings.corner_radius,
            "name_shown": settings.app_name_shown,
            "url": settings.app_url,
            "support_url": settings.support_url,
            "privacy_url": settings.privacy_url,
            "terms_url": settings.terms_url,
        }

    @cached_property
    def _templates(self) -> "Environment":
        from gatepost.features.email.templating import environment

        return environment(
            self._settings.templates_dir, TEMPLATES, reload=self._settings.environment != "production"
        )


def recipient_of(message: Message) -> Address:
    """Return whom a mail is for.

    Raises:
        NoAddressError: in a table that was taken over there may be anything.
    """
    try:
        local, _, domain = mailed_to(message.recipient).rpartition("@")
        if local.isascii():
            return Address(addr_spec=f"{local}@{domain}")
        # The class reads no such address, and takes its parts as they are (RFC 6532).
        return Address(username=local, domain=domain)
    except (ValueError, IndexError):
        raise NoAddressError from None
    except Exception as error:  # of a header's parser, which has errors of its own
        raise NoAddressError from error


def sender_of(settings: EmailSettings) -> Address:
    """Return whom mails are from: MAIL_FROM, or what can be made of where they are sent by."""
    if settings.mail_from is not None:
        given = parse_mailbox(settings.mail_from)
        return given if given.display_name else Address(settings.app_name, addr_spec=given.addr_spec)
    server = None if settings.mail_url is None else MailServer.parse(settings.mail_url.get_secret_value())
    for spec in _likely_senders(server, settings.effective_public_url):
        try:
            address = parse_mailbox(spec)
        except ValueError:
            continue
        return Address(settings.app_name, addr_spec=address.addr_spec)
    return Address(settings.app_name, addr_spec="no-reply@localhost")


def _likely_senders(server: MailServer | None, public_url: str | None) -> Iterator[str]:
    if server is not None and server.user is not None:
        yield server.user
    if public_url is not None:
        yield f"no-reply@{public_url.partition('://')[2].partition(':')[0]}"


def grouped(code: str) -> str:
    """Return a code in groups that are easy to read: eight digits as 1234 5678, six as 123 456."""
    size = 3 if len(code) % 3 == 0 else 4
    return " ".join(code[begin : begin + size] for begin in range(0, len(code), size))


def place(address: object, user_agent: object) -> str | None:
    """Return where something was asked for, in words that nobody else chose.

    Whoever asks for a mail to somebody else sends the user agent: of it the names that are known are told.
    """
    from gatepost.http.pages.user_agents import device_of

    device = device_of(str(user_agent) if user_agent else None)
    known = [each for each in (device.browser, device.system) if each and _PLAIN_NAME.fullmatch(each)]
    return ", ".join([*known, *([str(address)] if address else [])]) or None
