"""`gatepost mail`: what waits and what failed, another try, bounces, resets, a test, and how mails look."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gatepost.models import Client
from gatepost.terminal.feature import Command
from gatepost.terminal.options import AsJson, Limit, UserArgument
from gatepost.terminal.output import Output, program
from gatepost.terminal.running import act_on, load_settings, run

if TYPE_CHECKING:
    from gatepost.features.email.outbox_store import Counts, Row
    from gatepost.gate import Gate
    from gatepost.models import User

State = Literal["queued", "sent", "failed", "expired", "superseded"]

_COLUMNS = {
    "id": "Id",
    "template": "Mail",
    "state": "State",
    "user_id": "User",
    "recipient": "To",
    "attempts": "Tries",
    "created_at": "Written at",
    "due_at": "Due at",
    "error": "Error",
}


def _known(language: str | None) -> str | None:
    from gatepost.http.pages.language import find_language
    from gatepost.texts import LANGUAGES

    if language is not None and find_language(language) is None:
        known = ", ".join(each.replace("_", "-") for each in LANGUAGES)
        raise typer.BadParameter(
            f"no mail is written in {language!r}; there are {known}, with regions such as de-CH"
        )
    return language


Language = Annotated[str | None, typer.Option(callback=_known, help="Language of mails, such as de.")]


def _data(row: "Row") -> dict[str, Any]:
    return {key: getattr(row, key) for key in (*_COLUMNS, "expires_at", "done_at")}


def list_mail(
    *,
    state: Annotated[State | None, typer.Option(help="Only mails in this state.")] = None,
    limit: Limit = 100,
    before: Annotated[int | None, typer.Option(min=1, help="Only mails with a lower ID.")] = None,
    as_json: AsJson = False,
) -> None:
    """List mails, newest first. Once a mail is done with, its recipient is forgotten."""
    out = Output(as_json=as_json)

    from gatepost.features.email.outbox import Outbox

    async def work(gate: "Gate") -> "tuple[list[Row], Counts]":
        outbox = gate.service(Outbox)
        return await outbox.page(state=state, before=before, limit=limit + 1), await outbox.count()

    found, counts = run(out, "mail list", work)
    rows = [_data(row) for row in found[:limit]]
    more = rows[-1]["id"] if len(found) > limit else None
    out.table(
        {
            "mails": rows,
            "next_before": more,
            "queued": counts.queued,
            "late": counts.late,
            "failed": counts.failed,
        },
        rows,
        _COLUMNS,
        empty="No mails.",
        then=f"{program()} mail list --before {more}" if more else None,
    )


def retry_mail(
    mail: Annotated[
        int | None, typer.Argument(metavar="ID", min=1, help="ID of a queued mail. Without it, all of them.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Have queued mails tried now, instead of when they are due."""
    out = Output(as_json=as_json)

    from gatepost.errors import NotFound
    from gatepost.features.email.outbox import Outbox

    async def work(gate: "Gate") -> int:
        found = await gate.service(Outbox).retry(mail)
        if mail is not None and not found:
            raise NotFound(f"No queued mail has the ID {mail}")
        return found

    found = run(out, "mail retry", work)
    out.done(
        {"mails": found},
        f"{found} {'mail is' if found == 1 else 'mails are'} due now; a running server sends them.",
        then=f"{program()} mail list",
    )


def note_bounce(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="Where a mail could not be delivered to.")
    ],
    *,
    undo: Annotated[bool, typer.Option("--undo", help="Mail reaches it after all.")] = False,
    as_json: AsJson = False,
) -> None:
    """Note that a mail came back: its address gets no notices until it is verified again."""
    out = Output(as_json=as_json)

    from gatepost.features.email.outbox import Outbox

    async def work(gate: "Gate") -> str:
        outbox = gate.service(Outbox)
        return await (outbox.delivers(address) if undo else outbox.bounced(address))

    email = run(out, "mail bounced", work)
    said = (
        f"Notices go to {email} again." if undo else f"No notices go to {email} until it is verified again."
    )
    undone = f"{program()} mail bounced {email} --undo takes it back"
    out.done({"email": email, "undeliverable": not undo}, said, then=None if undo else undone)


def send_test(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Where to.")],
    *,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    """Send a test mail now, past the queue, and say what came of it."""
    out = Output(as_json=as_json)

    from gatepost.errors import ValidationFailed
    from gatepost.features.email.delivery import Delivery
    from gatepost.features.email.errors import MailNotSent, MailOff
    from gatepost.features.email.letters import NoAddressError
    from gatepost.features.email.transport import Inbox, NotSentError

    async def work(gate: "Gate") -> str:
        delivery = gate.service(Delivery)
        if delivery.transport is None:
            raise MailOff("MAIL_URL is not set, and without one no mail is sent")
        try:
            await delivery.test(address, language)
        except NoAddressError:
            raise ValidationFailed({"address": f"{address} is not an address"}) from None
        except NotSentError as error:
            raise MailNotSent(f"The mail was not sent: {error.why}") from None
        if isinstance(delivery.transport, Inbox):
            return (
                f"Without MAIL_URL nothing is sent: the mail to {address} is in {delivery.transport.folder}."
            )
        return f"The mail server took the mail to {address}."

    said = run(out, "mail test", work)
    out.done({"address": address}, said, then=f"{program()} doctor")


def preview_mail(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Directory to write to; it is made.")],
    *,
    language: Language = None,
    as_json: AsJson = False,
) -> None:
    """Write every mail with invented data, as text and as HTML, to see how it looks."""
    out = Output(as_json=as_json)

    from gatepost.features.email.letters import Letters
    from gatepost.features.email.mails import Mail
    from gatepost.features.email.samples import sample
    from gatepost.features.email.settings import EmailSettings

    settings = load_settings()
    assert isinstance(settings, EmailSettings)  # noqa: S101 - the command is there with its settings
    letters = Letters(settings)
    letters.check_templates()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for mail in Mail:
        subject, text, html = letters.render(*sample(mail, language=language))
        for kind, content in (("txt", f"{subject}\n\n{text}"), ("html", html)):
            file = folder / f"{mail}.{kind}"
            file.write_text(content, encoding="utf-8")
            written.append(str(file))
    out.done(
        {"files": written}, f"Wrote {len(written)} files to {folder}.", then=f"open {folder}/sign_in.html"
    )


def reset_password(user: UserArgument, *, as_json: AsJson = False) -> None:
    """Mail a user a link to choose a new password. Nothing changes until they have chosen one."""
    out = Output(as_json=as_json)

    from gatepost.features.email.admin_resets import AdminResets
    from gatepost.features.email.errors import MailOff

    async def work(gate: "Gate", one: "User") -> None:
        resets = gate.service(AdminResets)
        if not resets.is_on:
            raise MailOff("MAIL_URL is not set, and without one no mail is sent")
        await resets.send(one, client=Client())

    found, _ = act_on(out, "mail reset", user, work)
    out.done(
        {"user": {"id": found.id, "email": found.email}},
        f"A link to choose a new password goes to {found.email}. It works for 24 hours.",
        then=f"a running server sends it; {program()} mail list shows whether it did",
    )


COMMANDS = (
    Command(
        group="mail",
        group_help="See what is mailed, and test it.",
        name="list",
        run=list_mail,
        example="gatepost mail list --state failed",
    ),
    Command(group="mail", name="retry", run=retry_mail, example="gatepost mail retry"),
    Command(group="mail", name="bounced", run=note_bounce, example="gatepost mail bounced ada@example.com"),
    Command(group="mail", name="reset", run=reset_password, example="gatepost mail reset ada@example.com"),
    Command(group="mail", name="test", run=send_test, example="gatepost mail test you@example.com"),
    Command(
        group="mail", name="preview", run=preview_mail, example="gatepost mail preview mails --language de"
    ),
)
