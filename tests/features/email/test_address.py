"""MAIL_URL and addresses: what is read of them, and what is refused in which words."""

import re

import pytest
from tests.conftest import MakeSettings

from gatepost.errors import SettingsError
from gatepost.features.email.address import MailServer, parse_mailbox


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtps://smtp.example.com", ("smtp.example.com", 465, "tls", None, None)),
        ("smtp://smtp.example.com", ("smtp.example.com", 587, "starttls", None, None)),
        ("SMTP://u%40x:p%2Fw@smtp.example.com:2525", ("smtp.example.com", 2525, "starttls", "u@x", "p/w")),
        ("smtp://localhost:25?tls=off", ("localhost", 25, "none", None, None)),
        ("smtp://[::1]:25?tls=off", ("::1", 25, "none", None, None)),
        ("smtp://mail.internal?tls=off&allow_plaintext=1", ("mail.internal", 587, "none", None, None)),
    ],
)
def test_a_url_says_where_and_how(url: str, expected: tuple[object, ...]) -> None:
    read = MailServer.parse(url)
    assert (read.host, read.port, read.security, read.user, read.password) == expected
    assert "p/w" not in repr(read)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("smtp.example.com", "it is not a URL that begins with smtps:// or smtp://"),
        ("http://smtp.example.com", "it is not a URL that begins with smtps:// or smtp://"),
        ("smtp://", "it is not a URL that begins with smtps:// or smtp://"),
        ("smtp://host:99999", "its host:port part is invalid"),
        ("smtp://u:p@ss/word@host", "a special character in it is not percent-encoded"),
        ("smtp://user@host", "it needs both a user and a password"),
        ("smtp://u:p%0Aw@host", "its user or password contains a control character"),
        ("smtp://u:p%FFw@host", "its user or password is not percent-encoded UTF-8"),
        ("smtp://smtp..example.com", "its host:port part is invalid"),
        ("smtp://host\n", "it is not a URL|it contains a blank"),
        ("smtp://mail.internal?tls=off", "tls=off would send passwords and links in the clear"),
        ("smtps://localhost?tls=off", "smtps:// is TLS"),
        ("smtp://host?tls=on", "tls can only be off"),
        ("smtp://host?allow_plaintext=1", "allow_plaintext goes with tls=off"),
        ("smtp://host?starttls=no", "the parameter starttls is not known"),
    ],
)
def test_what_cannot_be_kept_is_refused(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        MailServer.parse(url)


def test_a_mistake_is_told_at_the_start_and_never_the_password(make_settings: MakeSettings) -> None:
    with pytest.raises(SettingsError) as raised:
        make_settings(mail_url="smtp://me:hunter22222@mail.internal?tls=off", mail_from="nobody")
    url, sender = sorted(raised.value.problems, reverse=True)
    assert re.match("MAIL_URL: tls=off would send .*; set a URL such as smtps://", url)
    assert sender.startswith("MAIL_FROM: 'nobody' is not a valid address; set an address such as")
    assert "hunter" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "name", "spec"),
    [
        ("no-reply@example.com", "", "no-reply@example.com"),
        ("Acme <no-reply@example.com>", "Acme", "no-reply@example.com"),
        ('"Acme, Inc." <no-reply@example.com>', "Acme, Inc.", "no-reply@example.com"),
    ],
)
def test_an_address_may_have_a_name(text: str, name: str, spec: str) -> None:
    read = parse_mailbox(text)
    assert (read.display_name, read.addr_spec) == (name, spec)


@pytest.mark.parametrize(
    "text", ["", "a@b@c", "a b@c.d", "Acme <a@b", "a@b>\r\nBcc: x@y.z", "<a@b> x", "Ac\nme <a@b.c>"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid address"):
        parse_mailbox(text)
