"""Invented data for every mail, by which it can be looked at."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from gatepost.features.email.mails import Mail
from gatepost.features.email.sending_store import Message
from gatepost.models import AuditAction

RECIPIENT = "ada@example.com"

_LINK = "https://auth.example.com/auth/{page}?token=a-sample-that-opens-nothing"
_CODE = "48213609"

_LINKS = MappingProxyType(
    {
        Mail.PASSWORD_RESET: ("reset-password", 30, 10),
        Mail.VERIFY_EMAIL: ("verify-email", 1440, 10),
        Mail.EMAIL_CHANGE: ("confirm-email", 1440, None),
        Mail.EMAIL_CHANGED: ("undo-email", 10080, None),
        Mail.SIGN_IN: ("sign-in/email/finish", 10, 10),
        Mail.SIGN_UP: ("sign-in/email/finish", 10, 10),
        Mail.INVITATION: ("sign-up", 10080, None),
    }
)
"""Mail → its page, and for how many minutes its link and its code work."""

_NAMELESS = {
    Mail.EMAIL_CHANGE,
    Mail.EMAIL_CHANGED,
    Mail.INVITATION,
    Mail.SIGN_IN,
    Mail.SIGN_UP,
    Mail.TEST,
    Mail.VERIFY_EMAIL,
}
"""Mails to addresses that are not, or not any more, the proven one of their user: no name is in them."""

_CHROME = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/150.0.0.0 Safari/537.36"


def sample(
    mail: Mail, *, recipient: str = RECIPIENT, language: str | None = None
) -> tuple[Message, Mapping[str, str]]:
    """Return a mail, and the secrets that it has in it; none of them works."""
    now = datetime.now(UTC).replace(microsecond=0)
    page, minutes, code_minutes = _LINKS.get(mail, (None, None, None))
    data = {
        "at": now.isoformat(),
        "address": "203.0.113.24",
        "user_agent": _CHROME,
        "minutes": minutes,
        "code_minutes": code_minutes,
        "what": AuditAction.FACTOR_ENROLLED.value,
    }
    secrets = {}
    if page is not None:
        secrets["url"] = _LINK.format(page=page)
    if code_minutes is not None:
        secrets["code"] = _CODE
    message = Message(
        id=1,
        template=mail,
        language=language,
        user_id=None,
        recipient=recipient,
        name=None if mail in _NAMELESS else "Ada Lovelace",
        link_id=None,
        data={"at": now.isoformat()} if mail is Mail.TEST else data,
        created_at=now,
        expires_at=now + timedelta(days=1),
        attempts=1,
    )
    return message, secrets
