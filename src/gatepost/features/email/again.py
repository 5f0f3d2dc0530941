"""When a page may have its mail sent once more, which is not at once."""

from typing import Any

from gatepost.features.email.limits import MailLimits
from gatepost.features.email.mails import Mail
from gatepost.http.pages.visit import Visit


async def waiting(visit: Visit, mail: Mail, email: str) -> dict[str, Any]:
    """Return what the macro `again` of templates takes: from when on, and in how many seconds that is."""
    at = None if not email else await visit.gate.service(MailLimits).again_at(email, what=mail)
    seconds = 0 if at is None else max(0, int((at - visit.gate.now()).total_seconds()) + 1)
    return {"again_at": at, "again_in": seconds}
