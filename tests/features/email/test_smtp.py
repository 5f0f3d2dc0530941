"""The way to a mail server: TLS as the URL has it, signing in, and what is said where it fails."""

import ssl
from pathlib import Path

import pytest
from tests.features.email.conftest import ADA, PASSWORD, USER, Postman, mail_server

from gatepost.features.email.address import MailServer
from gatepost.features.email.letters import Letters
from gatepost.features.email.mails import Mail
from gatepost.features.email.samples import sample
from gatepost.features.email.settings import EmailSettings
from gatepost.features.email.smtp import Smtp
from gatepost.features.email.transport import NotSentError


def to(url: str) -> Smtp:
    return Smtp(MailServer.parse(url), seconds=5, name="acme.example")


async def send(transport: Smtp) -> None:
    letters = Letters(EmailSettings(_env_file=None, mail_from="no-reply@acme.example"))
    try:
        await transport.send(letters.write(*sample(Mail.TEST, recipient=ADA)))
    finally:
        await transport.close()


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


@pytest.mark.usefixtures("trusted")
async def test_tls_from_the_first_byte(postman: Postman, server_context: ssl.SSLContext) -> None:
    async with mail_server(postman, tls=server_context) as port:
        await send(to(f"smtps://localhost:{port}"))
    assert len(postman.taken) == 1


@pytest.mark.usefixtures("trusted")
async def test_starttls_and_signing_in(postman: Postman, server_context: ssl.SSLContext) -> None:
    async with mail_server(postman, starttls=server_context, auth=True) as port:
        await send(to(f"smtp://{USER.replace('@', '%40')}:{PASSWORD}@localhost:{port}"))
        await to(f"smtp://{USER.replace('@', '%40')}:{PASSWORD}@localhost:{port}").look()
    assert len(postman.taken) == 1
    assert postman.signed_in == [USER, USER]


@pytest.mark.usefixtures("trusted")
async def test_a_wrong_password_says_so(postman: Postman, server_context: ssl.SSLContext) -> None:
    async with mail_server(postman, starttls=server_context, auth=True) as port:
        with pytest.raises(NotSentError, match=r"^535 signing in was refused$"):
            await to(f"smtp://{USER.replace('@', '%40')}:wrong@localhost:{port}").look()


async def test_a_server_without_starttls_is_refused(postman: Postman, port: int) -> None:
    with pytest.raises(NotSentError, match=r"^the server has no STARTTLS$"):
        await send(to(f"smtp://127.0.0.1:{port}"))
    assert postman.taken == []


async def test_a_server_that_takes_no_sign_in_in_the_clear_says_so(
    postman: Postman, server_context: ssl.SSLContext
) -> None:
    async with mail_server(postman, starttls=server_context, auth=True) as port:
        with pytest.raises(NotSentError, match=r"^the server takes no sign-in this way$"):
            await to(f"smtp://{USER.replace('@', '%40')}:{PASSWORD}@127.0.0.1:{port}?tls=off").look()


async def test_a_server_that_nobody_vouches_for_is_refused(
    postman: Postman, server_context: ssl.SSLContext
) -> None:
    async with mail_server(postman, tls=server_context) as port:
        with pytest.raises(NotSentError, match=r"^the certificate is not valid: self-signed certificate"):
            await send(to(f"smtps://localhost:{port}"))
    async with mail_server(postman, starttls=server_context) as port:
        with pytest.raises(NotSentError, match=r"^the certificate is not valid: self-signed certificate"):
            await send(to(f"smtp://localhost:{port}"))
    assert postman.taken == []


async def test_nobody_there_says_so() -> None:
    with pytest.raises(NotSentError, match=r"refused|connect call failed"):
        await send(to("smtp://127.0.0.1:1?tls=off"))


async def test_mails_go_over_one_connection(postman: Postman, port: int) -> None:
    transport = to(f"smtp://127.0.0.1:{port}?tls=off")
    letters = Letters(EmailSettings(_env_file=None))
    await transport.send(letters.write(*sample(Mail.TEST, recipient=ADA)))
    client = transport._client
    await transport.send(letters.write(*sample(Mail.SIGN_IN, recipient=ADA)))
    assert transport._client is client
    await transport.close()
    assert len(postman.taken) == 2
