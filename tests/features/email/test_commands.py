"""`gatepost mail`, and what `doctor` says of mail."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Command, Database
from tests.features.email.conftest import ADA, Postman

from gatepost.features import FEATURES
from gatepost.features.email.mails import Mail
from gatepost.features.email.outbox import Draft, Outbox
from gatepost.gate import Gate
from gatepost.settings.feature import settings_of


@pytest.fixture
async def mail_url(postman: Postman, monkeypatch: pytest.MonkeyPatch, port: int) -> str:
    """What the environment says of the mail server of the test."""
    url = f"smtp://127.0.0.1:{port}?tls=off"
    monkeypatch.setenv("MAIL_URL", url)
    monkeypatch.setenv("MAIL_FROM", "no-reply@acme.example")
    return url


async def check(gatepost: Command, name: str) -> dict[str, Any]:
    """Return what `doctor` says of something."""
    found: list[dict[str, Any]] = (await gatepost("doctor", "--json")).json["checks"]
    return {each["name"]: each for each in found}.get(name, {})


@pytest.mark.usefixtures("mail_url")
async def test_a_test_mail_is_sent_at_once_in_the_language_that_is_asked_for(
    gatepost: Command, postman: Postman, db: Database
) -> None:
    sent = await gatepost("mail", "test", ADA, "--language", "de")
    assert sent.code == 0, sent
    assert sent.out.startswith(f"The mail server took the mail to {ADA}.\n")
    ((recipient, mail),) = postman.taken
    assert (recipient, mail["Subject"]) == (ADA, "Test-E-Mail von Gatepost")
    assert await db.fetchval("SELECT count(*) FROM auth_messages") == 0


@pytest.mark.usefixtures("mail_url")
async def test_a_test_mail_that_is_refused_says_why(gatepost: Command, postman: Postman) -> None:
    postman.at_rcpt = lambda _: "550 5.1.1 unknown"
    refused = await gatepost("mail", "test", ADA, "--json")
    assert refused.failed("mail_not_sent") == "The mail was not sent: 550 5.1.1"
    wrong = await gatepost("mail", "test", "nobody", "--json")
    assert wrong.failed("validation_failed")


async def test_without_a_mail_server_nothing_is_sent_and_that_is_said(gatepost: Command) -> None:
    off = await gatepost("mail", "test", ADA, "--json")
    assert off.failed("mail_off") == "MAIL_URL is not set, and without one no mail is sent"


@pytest.mark.usefixtures("mail_url")
async def test_mails_are_listed_and_made_due(gatepost: Command, db: Database) -> None:
    assert (await gatepost("mail", "list")).out == "No mails.\n"
    gate = Gate(settings_of(FEATURES).load(env_file=None), features=FEATURES)
    await gate.open(background=False)
    for _ in range(3):
        draft = Draft(mail=Mail.TEST, recipient=ADA, lifetime=timedelta(hours=1))
        async with gate.database.transaction() as conn:
            await gate.service(Outbox).put(conn, draft)
    await gate.close()
    await db.execute("UPDATE auth_messages SET due_at = now() - interval '6 minutes'")
    assert (await check(gatepost, "outbox"))["found"] == "3 mails wait, and no server sends them"
    await db.execute("UPDATE auth_messages SET due_at = now() + interval '1 hour', error = '450'")
    assert (await check(gatepost, "outbox"))["found"] == "3 mails wait for another try"
    page = (await gatepost("mail", "list", "--limit", "2", "--json")).json
    assert [(each["id"], each["state"], each["recipient"]) for each in page["mails"]] == [
        (3, "queued", ADA),
        (2, "queued", ADA),
    ]
    assert (page["next_before"], page["queued"], page["late"], page["failed"]) == (2, 3, 3, 0)
    assert (await gatepost("mail", "list", "--state", "failed", "--json")).json["mails"] == []
    assert (await gatepost("mail", "retry", "2")).out.startswith("1 mail is due now;")
    assert (await gatepost("mail", "retry", "--json")).json == {"mails": 3}
    assert (await gatepost("mail", "retry", "9", "--json")).failed("not_found")
    await db.execute(
        "UPDATE auth_messages SET state = 'failed', done_at = now(), recipient = NULL, data = NULL"
    )
    assert (await check(gatepost, "failed mails"))["found"] == "3 mails failed on the last day"


async def test_an_address_that_bounced_gets_no_notices_until_that_is_taken_back(
    gatepost: Command, db: Database
) -> None:
    typed = ("--email", ADA, "--name", "Ada", "--password-stdin")
    await gatepost("users", "create", *typed, stdin="a-long-password")
    noted = await gatepost("mail", "bounced", ADA.upper(), "--json")
    assert noted.json == {"email": ADA, "undeliverable": True}
    assert [tuple(row) for row in await db.fetch("SELECT address, error FROM auth_undeliverable")] == [
        (ADA, "bounced")
    ]
    event = await db.fetchrow("SELECT user_id, detail FROM auth_events WHERE action = 'mail.failed'")
    assert event is not None
    assert event["user_id"] == await db.fetchval("SELECT id FROM users")
    assert "No notices go to" in (await gatepost("mail", "bounced", ADA)).out
    assert (await gatepost("mail", "bounced", ADA, "--undo")).code == 0
    assert await db.fetchval("SELECT count(*) FROM auth_undeliverable") == 0
    assert (await gatepost("mail", "bounced", "nobody")).code != 0


async def test_every_mail_is_written_to_be_looked_at(
    gatepost: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mails"
    written = (await gatepost("mail", "preview", str(folder), "--language", "fr", "--json")).json
    assert sorted(Path(each).name for each in written["files"]) == sorted(
        f"{mail}.{kind}" for mail in Mail for kind in ("html", "txt")
    )
    assert "nouveau mot de passe" in (folder / "password_reset.txt").read_text("utf-8")
    assert '<html lang="fr"' in (folder / "password_reset.html").read_text("utf-8")
    for unknown in ("xx", "../de", ""):
        refused = await gatepost("mail", "preview", str(folder), "--language", unknown)
        assert (refused.code, "there are en, de, es, " in " ".join(refused.err.split())) == (2, True), unknown
    monkeypatch.setenv("TEMPLATES_DIR", str(tmp_path / "nowhere"))
    assert "is not a directory" in (await gatepost("mail", "preview", str(folder), "--json")).out


@pytest.mark.usefixtures("mail_url")
async def test_doctor_greets_the_mail_server_and_sends_nothing(
    gatepost: Command, postman: Postman, port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "logo.svg").write_text("<svg/>")
    monkeypatch.setenv("APP_LOGO", str(tmp_path / "logo.svg"))
    found = await check(gatepost, "mail logo")
    assert (found["status"], found["advice"]) == ("warning", "Put logo.png beside it")
    found = await check(gatepost, "mail")
    assert (found["status"], found["found"]) == ("ok", f"127.0.0.1:{port} answers, no encryption")
    assert (await check(gatepost, "sender"))["found"] == "mails are from no-reply@acme.example"
    monkeypatch.delenv("MAIL_FROM")
    assert (await check(gatepost, "sender"))["status"] == "warning"
    monkeypatch.setenv("MAIL_URL", f"smtp://127.0.0.1:{port}")
    found = await check(gatepost, "mail")
    assert (found["status"], found["found"]) == (
        "wrong",
        f"the mail server at 127.0.0.1:{port} can't be used: the server has no STARTTLS",
    )
    elsewhere = f"0.0.0.0:{port}"  # the same server, by an address that is not loopback's
    monkeypatch.setenv("MAIL_URL", f"smtp://{elsewhere}?tls=off&allow_plaintext=1")
    found = await check(gatepost, "mail")
    assert (found["status"], found["found"]) == ("warning", f"{elsewhere} answers, no encryption")
    assert postman.taken == []


async def test_doctor_says_that_mail_is_off(gatepost: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await check(gatepost, "mail"))["found"] == "off, as MAIL_URL is not set"
    monkeypatch.setenv("ENVIRONMENT", "development")
    assert "/auth/dev/mail" in (await check(gatepost, "mail"))["found"]
    monkeypatch.setenv("ENVIRONMENT", "production")
    monkeypatch.setenv("BCRYPT_ROUNDS", "10")
    assert (await check(gatepost, "mail"))["status"] == "warning"
