"""The pages of mail, and what is said of it."""

from pathlib import Path

from gatepost.features.email import (
    admin_reset_pages,
    email_pages,
    mail_sign_in_pages,
    password_pages,
    sign_up_pages,
    verification_pages,
)
from gatepost.features.email.inbox import INBOX_PAGES
from gatepost.features.email.letters import TEMPLATES
from gatepost.features.email.mail_sign_ins import MailSignIns
from gatepost.features.email.outbox import Outbox
from gatepost.features.email.passwords import ForgottenPasswords
from gatepost.http.pages.feature import Alert, Pages
from gatepost.http.pages.links import Link
from gatepost.http.pages.sentences import Words
from gatepost.http.pages.visit import Visit
from gatepost.services.overview import Overview
from gatepost.texts import Text


async def alerts(visit: Visit, _: Overview) -> list[Alert]:
    """Say that mails failed of late, or wait after a try in vain."""
    outbox = visit.gate.service(Outbox)
    counts = await outbox.count()
    said = []
    if counts.failed:
        said.append(Text("admin.mail.failed", count=counts.failed))
    if counts.late:
        said.append(Text("admin.mail.late", count=counts.late))
    if not said:
        return []
    return [
        Alert(
            kind="warn",
            title=Text("admin.mail.title"),
            texts=tuple(said),
            link=visit.language.say(Text("admin.mail.show")),
            path="/admin/events?action=mail.failed",
        )
    ]


FORGOT = Link(
    place="sign_in",
    path=password_pages.FORGOT,
    text=Text("forgot.title"),
    shown=lambda gate: gate.service(ForgottenPasswords).is_on,
)

BY_MAIL = Link(
    place="sign_in",
    path=mail_sign_in_pages.ASK,
    text=Text("mail_sign_in.title"),
    shown=lambda gate: gate.service(MailSignIns).is_on,
)

UP_BY_MAIL = Link(
    place="sign_up",
    path=mail_sign_in_pages.ASK,
    text=Text("mail_sign_up.link"),
    shown=lambda gate: gate.service(MailSignIns).is_on and gate.service(MailSignIns).signs_up,
)

PAGES = Pages(
    pages=(
        *password_pages.PAGES,
        *admin_reset_pages.PAGES,
        *email_pages.PAGES,
        *verification_pages.PAGES,
        *sign_up_pages.PAGES,
        *mail_sign_in_pages.PAGES,
        *INBOX_PAGES,
    ),
    alerts=alerts,
    links=(FORGOT, BY_MAIL, UP_BY_MAIL, admin_reset_pages.LINK),
    sign_up_sent=sign_up_pages.sent,
    callout=verification_pages.callout,
    templates=Path(__file__).parent / "templates",
    other_templates=TEMPLATES,
    scripts=Path(__file__).parent / "assets",
    notices={
        "password_reset": lambda _: Text("flash.password_reset"),
        "email_confirmed": lambda _: Text("flash.email_confirmed"),
        "address_verified": lambda _: Text("flash.email_verified"),
        "address_verified_anew": lambda _: Text("flash.email_verified_anew"),
        "reset_sent": lambda _: Text("flash.reset_sent"),
        "verification_sent": lambda _: Text("flash.verification_sent"),
        "email_undone": lambda _: Text("flash.email_undone"),
    },
    sentences={
        "email.change_requested": Words("plain"),
        "email.change_undone": Words("warn"),
        "email.sign_up_requested": Words("plain"),
        "email.verified": Words("good"),
        "login.mail_requested": Words("plain"),
        "mail.failed": Words("bad"),
        "mail.link_refused": Words("warn"),
        "password.forgotten": Words("plain"),
        "password.reset": Words("warn"),
        "password.reset_sent": Words("warn", has_actor=True),
    },
)
"""The pages of mail."""
