"""What `gatepost doctor` finds of mail."""

from datetime import timedelta

from gatepost.db.pool import Connection
from gatepost.doctor.check import Check, ok, warning, wrong
from gatepost.errors import SettingsError
from gatepost.features.email import outbox_store, sending_store
from gatepost.features.email.address import MailServer
from gatepost.features.email.letters import Letters, sender_of
from gatepost.features.email.settings import EmailSettings
from gatepost.features.email.transport import NotSentError
from gatepost.settings import Settings
from gatepost.terminal.output import program
from gatepost.terminal.running import application

UNSENT = timedelta(minutes=5)
"""How long a mail may be due: a server that runs takes it in seconds."""


async def checks(settings: Settings) -> list[Check]:
    """Look whether mail can be sent: the server is greeted and signed in to, and nothing is sent."""
    if not isinstance(settings, EmailSettings):
        return []
    gate = application.get()
    if gate is not None and gate.mailer is not None:
        return [
            ok("mail", "sent by the application's @auth.send_mail"),
            *_logo(settings),
            *_templates(settings),
        ]
    if settings.mail_url is None:
        return [_without(settings), *_templates(settings)]
    return [await _server(settings), *_sender(settings), *_logo(settings), *_templates(settings)]


def _templates(settings: EmailSettings) -> list[Check]:
    letters = Letters(settings)
    if not letters.replaced:
        return []
    try:
        letters.check_templates()
    except SettingsError as error:
        return [
            wrong("mails", "; ".join(error.problems), "Correct it and see it: gatepost mail preview mails")
        ]
    return [ok("mails", f"TEMPLATES_DIR replaces {', '.join(letters.replaced)}")]


def _logo(settings: EmailSettings) -> list[Check]:
    logo = settings.app_logo
    if logo is None or not Letters(settings).lacks_logo:
        return []
    said = f"mails leave {logo.name} out: most mail programs don't show {logo.suffix[1:].upper()}"
    return [warning("mail logo", said, f"Put {logo.with_suffix('.png').name} beside it")]


async def outbox(conn: Connection) -> list[Check]:
    """Look whether mails wait that should be out, or failed of late; say nothing where none did."""
    counts = await outbox_store.count(conn, at=None)
    due = await sending_store.next_due(conn, at=None)
    found = []
    if due is not None and due < -UNSENT:
        said = f"{counts.queued} mails wait, and no server sends them"
        found.append(warning("outbox", said, "Start a server that has the same MAIL_URL"))
    elif counts.late:
        said = f"{counts.late} mails wait for another try"
        found.append(warning("outbox", said, f"See why: {program()} mail list --state queued"))
    if counts.failed:
        said = f"{counts.failed} mails failed on the last day"
        found.append(warning("failed mails", said, f"See why: {program()} mail list --state failed"))
    return found


def _without(settings: EmailSettings) -> Check:
    if settings.environment == "development":
        return ok("mail", "nothing is sent in development: mails are shown at /auth/dev/mail")
    if settings.environment == "test":
        return ok("mail", "off, as MAIL_URL is not set")
    return warning(
        "mail",
        "off: MAIL_URL is not set, so that nobody can reset a password or prove an address",
        f"Set MAIL_URL and try it with {program()} mail test you@example.com;"
        " for an application that sends by @auth.send_mail, ask with --app",
    )


async def _server(settings: EmailSettings) -> Check:
    from gatepost.features.email.smtp import smtp_of

    url = "" if settings.mail_url is None else settings.mail_url.get_secret_value()
    server = MailServer.parse(url)
    where = f"{server.host}:{server.port}"
    how = {"tls": "TLS", "starttls": "STARTTLS", "none": "no encryption"}[server.security]
    try:
        await smtp_of(settings, name=sender_of(settings).domain).look()
    except NotSentError as error:
        return wrong(
            "mail", f"the mail server at {where} can't be used: {error.why}", "Check MAIL_URL and the server"
        )
    said = f"{where} answers, {how}" + ("" if server.user is None else ", signed in")
    if server.security == "none" and not server.is_here:
        return warning("mail", said, "Passwords and links travel in the clear: use smtps:// or STARTTLS")
    return ok("mail", said)


def _sender(settings: EmailSettings) -> list[Check]:
    sender = sender_of(settings)
    if settings.mail_from is not None:
        return [ok("sender", f"mails are from {sender.addr_spec}")]
    return [
        warning(
            "sender",
            f"MAIL_FROM is not set: mails are from {sender.addr_spec}",
            "Set MAIL_FROM to an address of a domain whose SPF and DKIM records allow this mail server",
        )
    ]
