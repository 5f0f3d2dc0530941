"""A mail server in the loop of the test, that answers as it is told, and the parts that send to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.conftest import MakeSettings, MovableClock

from gatepost.db.pool import Connection
from gatepost.features import FEATURES
from gatepost.features.email.delivery import Delivery
from gatepost.features.email.mails import Mail
from gatepost.features.email.outbox import Draft, Outbox
from gatepost.features.email.sender import Sender
from gatepost.gate import Gate

ADA = "ada@example.com"
USER, PASSWORD = "mailer@example.com", "a-password-for-mail"


@dataclass
class Postman:
    """Takes mails, and answers as a test tells.

    Attributes:
        taken: the mails that were taken, by their recipient.
        at_rcpt, at_data: what is done with a recipient or a mail before it is taken: it returns a reply that
            refuses it, or None.
        signed_in: names that signed in.
    """

    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    at_rcpt: Callable[[str], str | None] = lambda _: None
    at_data: Callable[[SMTP, str], Awaitable[str | None]] | None = None
    signed_in: list[str] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - its name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if (refused := self.at_rcpt(address)) is not None:
            return refused
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - its name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        (recipient,) = envelope.rcpt_tos
        if self.at_data is not None and (refused := await self.at_data(server, recipient)) is not None:
            return refused
        content = envelope.content
        assert isinstance(content, bytes)
        self.taken.append((recipient, message_from_bytes(content, policy=policy.default)))
        return "250 2.0.0 OK"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        if (data.login.decode(), data.password.decode()) != (USER, PASSWORD):
            return AuthResult(success=False, handled=False)
        self.signed_in.append(data.login.decode())
        return AuthResult(success=True)


@asynccontextmanager
async def mail_server(
    postman: Postman,
    *,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    auth: bool = False,
) -> AsyncIterator[int]:
    """Serve on a free port of this machine, and return it."""
    loop = asyncio.get_running_loop()

    def made() -> SMTP:
        return SMTP(
            postman,
            hostname="mail.test",
            loop=loop,
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=postman.authenticate if auth else None,
            auth_required=auth,
            auth_require_tls=starttls is not None,
        )

    server = await loop.create_server(made, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def hang_up(server: SMTP) -> None:
    """Cut the connection off."""
    assert isinstance(server.transport, asyncio.Transport)
    server.transport.abort()


def part(mail: EmailMessage, kind: str) -> str:
    """Return one of its parts, `plain` or `html`."""
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content())


@pytest.fixture
def postman() -> Postman:
    return Postman()


@pytest.fixture
async def port(postman: Postman) -> AsyncIterator[int]:
    """Of a mail server without any encryption."""
    async with mail_server(postman) as port:
        yield port


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of `localhost` that nobody signed, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("certificate") / "mail.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return file


@pytest.fixture
def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


# --- What sends ---


@dataclass
class Links:
    """Secrets of links: each number has one until it is spent.

    Attributes:
        spent_ids: links whose secret is not needed any more.
        over: links that are over.
    """

    spent_ids: list[int] = field(default_factory=list)
    over: set[int] = field(default_factory=set)

    async def reveal(self, conn: Connection, link_id: int) -> Mapping[str, str] | None:
        if link_id in self.over:
            return None
        return {"url": f"https://auth.example.com/auth/reset?token=secret-of-{link_id}", "code": "12345678"}

    async def spent(self, conn: Connection, link_id: int) -> None:
        self.spent_ids.append(link_id)


@dataclass
class Post:
    """An open Gate whose mails go to a mail server of the test.

    Attributes:
        gate: the Gate; nothing is sent in the background.
        links: whose secrets are in its mails.
        clock: its time.
    """

    gate: Gate
    links: Links
    clock: MovableClock

    @property
    def outbox(self) -> Outbox:
        return self.gate.service(Outbox)

    def sender(self) -> Sender:
        """Return one more that sends, over a connection of its own."""
        delivery = Delivery(self.gate.service(Delivery).settings, self.gate.mailer)
        assert delivery.transport is not None
        return Sender(
            self.gate.database,
            transport=delivery.transport,
            letters=delivery.letters,
            secrets=self.links,
            clock=self.clock,
            seconds=delivery.settings.mail_timeout_seconds,
            chance=lambda: 0.0,
        )

    async def put(
        self, mail: Mail = Mail.PASSWORD_CHANGED, *, supersede: bool = False, **given: Any
    ) -> int | None:
        """Write a mail down in a transaction of its own."""
        values: dict[str, Any] = {"recipient": ADA, "lifetime": timedelta(days=1)}
        draft = Draft(mail=mail, **(values | given))
        async with self.gate.database.transaction() as conn:
            return await self.outbox.put(conn, draft, supersede=supersede)

    async def send(self) -> int:
        """Send what is due, and return how many were taken."""
        sender = self.sender()
        total = 0
        while taken := await sender.step():
            total += taken
        return total


OpenPost = Callable[..., Any]


@pytest.fixture
async def open_post(make_settings: MakeSettings, clock: MovableClock) -> AsyncIterator[OpenPost]:
    """Open a Gate whose mails go to a URL."""
    async with AsyncExitStack() as stack:

        async def opened(mail_url: str | None, **overrides: Any) -> Post:
            settings = make_settings(mail_url=mail_url, mail_from="Acme <no-reply@acme.example>", **overrides)
            gate = Gate(settings, clock=clock, features=FEATURES)
            await gate.open(background=False)
            stack.push_async_callback(gate.close)
            return Post(gate=gate, links=Links(), clock=clock)

        yield opened


@pytest.fixture
async def post(open_post: OpenPost, port: int) -> Post:
    """One that sends to `postman`."""
    opened: Post = await open_post(f"smtp://127.0.0.1:{port}?tls=off", mail_timeout_seconds=5)
    return opened


@pytest.fixture
def resting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have servers send nothing, so that what waits stays to be read."""
    monkeypatch.setattr(Sender, "start", lambda _: None)
