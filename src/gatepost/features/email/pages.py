"""What pages say of mail."""

from pathlib import Path

from gatepost.features.email.inbox import INBOX_PAGES
from gatepost.features.email.letters import TEMPLATES
from gatepost.features.email.outbox import Outbox
from gatepost.http.pages.feature import Alert, Pages
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


PAGES = Pages(
    pages=INBOX_PAGES,
    alerts=alerts,
    templates=Path(__file__).parent / "templates",
    other_templates=TEMPLATES,
    sentences={"mail.failed": Words("bad")},
)
"""The pages of mail."""
