"""How mails read: all in every language, nothing that a stranger chose, and the owner's own templates."""

import base64
import re
from email import message_from_bytes, policy
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import MakeSettings, register
from tests.features.email.conftest import ADA, Post, Postman, part
from tests.walking import walked

from gatepost.errors import SettingsError
from gatepost.features import FEATURES
from gatepost.features.email.checks import checks
from gatepost.features.email.letters import Letters, NoAddressError, place, sender_of
from gatepost.features.email.mails import Mail
from gatepost.features.email.samples import sample
from gatepost.features.email.settings import EmailSettings
from gatepost.gate import Gate
from gatepost.texts import LANGUAGES


@cache  # templates are compiled once
def letters(**settings: Any) -> Letters:
    given = {
        "mail_from": "no-reply@acme.example",
        "app_name": "Acme",
        "public_url": "https://auth.acme.example",
    }
    return Letters(EmailSettings(_env_file=None, **(given | settings)))


class Tags(HTMLParser):
    """What an HTML part loads or links to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize(
    ("email", "mailed"),
    [
        ("ada@b\u00fccher.example", "ada@xn--bcher-kva.example"),
        ("ada@stra\u00dfe.local", "ada@xn--strae-oqa.local"),
        ("j\u00fcrgen@b\u00fccher.example", "j\u00fcrgen@xn--bcher-kva.example"),
        ("ada@localhost", "ada@localhost"),
    ],
)
def test_a_domain_in_any_script_is_written_so_that_every_mail_server_takes_it(
    email: str, mailed: str
) -> None:
    message, secrets = sample(Mail.TEST, recipient=email)
    written = letters().write(message, secrets)
    assert written["To"].addresses[0].addr_spec == mailed


@pytest.mark.parametrize(
    "email",
    [
        "nobody",
        "a@b@c",
        "=?utf-8?q?b=40evil.com=2c?=@example.com",
        "j\u00fcrgen@\u00fc..example",
        "\u00fc\r\nBcc: a@b",
    ],
)
def test_what_is_no_address_gets_no_mail(email: str) -> None:
    message, secrets = sample(Mail.TEST, recipient=email)
    with pytest.raises(NoAddressError):
        letters().write(message, secrets)


@walked("language", LANGUAGES)
@walked("mail", Mail)
def test_every_mail_reads_in_every_language(mail: Mail, language: str) -> None:
    message, secrets = sample(mail, language=language.replace("_", "-"))
    subject, text, html = letters().render(message, secrets)
    assert subject
    assert "Acme" in subject
    assert "%(" not in subject + text + html
    assert not re.search(r"(?<![\w-])mail\.[a-z_]+", subject + text)
    assert html.count("<h1") == 1
    tag = language.replace("_", "-")
    assert f'<html lang="{tag}" dir="{"rtl" if language == "ar" else "ltr"}">' in html
    if "url" in secrets:
        assert secrets["url"] in text
        assert html.count(secrets["url"]) == 3
    if "code" in secrets:
        assert "4821 3609" in text
        assert "4821 3609" in html
    assert len(html.encode()) < 20_000
    assert language == "en" or text != letters().render(*sample(mail))[1]


@walked("mail", Mail)
def test_a_mail_loads_nothing_and_runs_nothing(mail: Mail) -> None:
    tags = Tags(letters().render(*sample(mail))[2]).tags
    assert not {"img", "script", "link", "iframe", "object", "form"} & {tag for tag, _ in tags}
    assert not any(name.startswith("on") or name == "src" for _, given in tags for name in given)
    assert not any("url(" in (given.get("style") or "") for _, given in tags)


def test_the_code_is_the_first_of_the_subject() -> None:
    assert letters().render(*sample(Mail.SIGN_IN))[0] == "4821 3609 is your code for Acme"


def test_a_mail_is_a_text_and_an_html_part_that_every_server_takes() -> None:
    written = letters(app_name="Ærø & Söhne").write(*sample(Mail.PASSWORD_CHANGED, language="ja"))
    raw = written.as_bytes()
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) < 998
    read = message_from_bytes(raw, policy=policy.default)
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]
    assert read["From"] == "Ærø & Söhne <no-reply@acme.example>"
    assert read["Auto-Submitted"] == "auto-generated"
    assert "Ærø & Söhne" in read["Subject"]
    assert "Ærø &amp; Söhne" in part(read, "html")


def test_what_a_user_is_called_is_escaped() -> None:
    message, secrets = sample(Mail.PASSWORD_CHANGED)
    evil = msgspec.structs.replace(message, name='<a href="https://evil.example">\r\nBcc: x@y.z')
    subject, text, html = letters().render(evil, secrets)
    assert "evil" not in subject
    assert "https://evil.example" in text
    assert not any("evil" in (given.get("href") or "") for _, given in Tags(html).tags)


async def test_a_name_stands_only_in_mails_to_its_own_proven_address(
    client: Any, post: Post, postman: Postman, db: Any
) -> None:
    user = (await register(client, ADA, name="Visit evil.example"))["user"]["id"]
    await post.put(user_id=user)
    await post.send()
    await db.execute("UPDATE users SET email_verified_at = now()")
    await post.put(user_id=user)
    await post.put(user_id=user, recipient="elsewhere@example.com")
    await post.send()
    named = {to: "Visit evil" in mail.as_string() for to, mail in postman.taken[1:]}
    assert "Visit evil" not in postman.taken[0][1].as_string()
    assert named == {ADA: True, "elsewhere@example.com": False}


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/150.0.0.0 Safari/537.36",
            "Chrome, Linux, 192.0.2.1",
        ),
        ("You won! Go to evil.example", "192.0.2.1"),
        (None, "192.0.2.1"),
    ],
)
def test_a_stranger_chooses_no_words_of_where_it_was_asked_for(user_agent: str | None, expected: str) -> None:
    assert place("192.0.2.1", user_agent) == expected


def test_an_owner_replaces_a_template_and_builds_on_ours(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "password_changed.txt").write_text(
        '{% extends "gatepost/mail/password_changed.txt" %}'
        "{% block subject %}Ours: {{ app_name }}{% endblock %}"
    )
    subject, text, _ = letters(templates_dir=tmp_path).render(*sample(Mail.PASSWORD_CHANGED))
    assert subject == "Ours: Acme"
    assert "The password of your account at Acme was changed" in text


def test_the_colours_are_the_owners_in_both_schemes() -> None:
    html = letters(accent_color="#bb2200", accent_color_dark="#ff8866").render(*sample(Mail.SIGN_IN))[2]
    assert "background:#bb2200;color:#ffffff" in html
    assert "background:#ff8866!important;color:#000000!important" in html
    light = letters(appearance="light").render(*sample(Mail.SIGN_IN))[2]
    assert "prefers-color-scheme" not in light


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"mail_from": "Team <a@b.example>"}, "Team <a@b.example>"),
        ({"mail_from": "a@b.example"}, "Acme <a@b.example>"),
        ({"mail_url": "smtps://x%40b.example:secret@h"}, "Acme <x@b.example>"),
        ({"public_url": "https://auth.acme.example:8443"}, "Acme <no-reply@auth.acme.example>"),
        (
            {"environment": "production", "secret_key": "k3Jd9wLq0sVx7Zt2Bn5Mh8Yc1Rf4Pg6UaEo"},
            "Acme <no-reply@localhost>",
        ),
    ],
)
def test_mails_are_from_somebody(settings: dict[str, Any], expected: str) -> None:
    assert str(sender_of(EmailSettings(_env_file=None, app_name="Acme", **settings))) == expected


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("sign_in.txt", "{% if %}", "sign_in.txt can't be used"),
        (
            "sign_in.html",
            "{{ nobody_knows_this }}",
            "sign_in can't be used: 'nobody_knows_this' is undefined",
        ),
    ],
)
def test_a_broken_template_is_told_before_it_is_needed(
    tmp_path: Path, name: str, content: str, told: str
) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / name).write_text(content)
    with pytest.raises(SettingsError, match=f"TEMPLATES_DIR: mail/{told}"):
        letters(templates_dir=tmp_path).check_templates()


def test_a_directory_of_templates_that_is_none_is_told() -> None:
    with pytest.raises(SettingsError, match=r"TEMPLATES_DIR: .* is not a directory"):
        letters(templates_dir=Path(__file__)).check_templates()


async def test_a_broken_template_is_told_at_the_start(make_settings: MakeSettings, tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "sign_in.txt").write_text("{{ nobody_knows_this }}")
    settings = make_settings(mail_url="smtp://127.0.0.1:9?tls=off", templates_dir=tmp_path)
    gate = Gate(settings, features=FEATURES)
    with pytest.raises(SettingsError, match="mail/sign_in can't be used"):
        await gate.open()
    assert not gate.is_open
    assert [each.name for each in await checks(settings) if each.status == "wrong"] == ["mail", "mails"]


PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def test_the_logo_comes_with_the_mail_and_without_pictures_there_is_the_name(tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    logo.write_bytes(PIXEL)
    written = letters(app_logo=logo).write(*sample(Mail.SIGN_IN))
    mail = message_from_bytes(bytes(written), policy=policy.default)
    (picture,) = [each for each in mail.walk() if each.get_content_type() == "image/png"]
    assert picture.get_content() == PIXEL
    assert f'src="cid:{picture["content-id"].strip("<>")}"' in part(mail, "html")
    assert ">Acme" in re.sub(r"<img[^>]*> ", "", part(mail, "html"))
    alone = letters(app_logo=logo, app_name_shown=False).render(*sample(Mail.SIGN_IN))[2]
    assert 'alt="Acme"' in alone
    assert 'src="data:image/png;base64,' in alone, "who only looks sees it as well"
    assert "<img" not in letters().render(*sample(Mail.SIGN_IN))[2]


def test_a_logo_that_mail_programs_do_not_show_is_left_out(tmp_path: Path) -> None:
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg/>")
    assert "<img" not in letters(app_logo=logo).render(*sample(Mail.SIGN_IN))[2]
    (tmp_path / "logo.png").write_bytes(PIXEL)
    beside = letters(app_logo=logo, app_name="Beside")
    assert not beside.lacks_logo
    assert "<img" in beside.render(*sample(Mail.SIGN_IN))[2], "the PNG of the same name is shown"
