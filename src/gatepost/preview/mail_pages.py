"""Pages that mails lead to, as the preview shows them: with links that nobody was sent."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from gatepost.demo.people import USER
from gatepost.http.pages.page import Page
from gatepost.http.pages.visit import Visit

LED_TO = {
    *("/forgot-password", "/reset-password", "/confirm-email", "/undo-email", "/verify-email"),
    *("/finish-sign-up", "/sign-in/email", "/sign-in/email/finish"),
}
"""Pages that show their own form only by a mailed link, or by a setting; the preview's stand in for them."""

_EMAIL, _ = USER
_WAIT = timedelta(seconds=42)
_SHOWN: dict[str, tuple[str, Mapping[str, Any]]] = {
    "forgot-password": ("forgot_password.html", {}),
    "reset-password": ("reset_password.html", {}),
    "reset-password-code": ("reset_by_code.html", {}),
    "verify-email": ("verify_email.html", {"is_own": True}),
    "verify-email-elsewhere": ("verify_email.html", {"is_own": False}),
    "verify-email-code": ("verify_by_code.html", {}),
    "confirm-email": ("confirm_email.html", {}),
    "undo-email": ("undo_email.html", {}),
    "sign-up-invited": ("sign_up.html", {"token": None, "inviter": "Ingrid Olsen", "asks_password": True}),
    "sign-up-sent": ("sign_up_sent.html", {}),
    "finish-sign-up": ("finish_sign_up.html", {"name": "", "is_elsewhere": False, "ways": ()}),
    "sign-in-email": ("mail_sign_in.html", {"signs_up": True}),
    "sign-in-sent": ("mail_sign_in_sent.html", {"has_code": True, "has_link": True, "signs_up": False}),
    "sign-in-link": ("mail_sign_in_finish.html", {"is_verified": True, "is_elsewhere": True}),
    "sign-up-link": ("mail_sign_up.html", {"code": None, "is_elsewhere": False}),
    "link-ended": ("mail_link_invalid.html", {"again": None}),
}
"""Name → the template, and what it is shown besides the address."""


def mail_pages() -> list[Page]:
    """Return each of them."""
    return [_page(name, template, shown) for name, (template, shown) in _SHOWN.items()]


def _page(name: str, template: str, shown: Mapping[str, Any]) -> Page:
    async def show(visit: Visit) -> Response:
        length, inputs = visit.gate.settings.password_min_length, visit.site.own_inputs
        # The mail has just been sent: another one is possible in a while.
        again: dict[str, Any] = {"again_at": visit.gate.now() + _WAIT, "again_in": int(_WAIT.total_seconds())}
        return visit.render(template, email=_EMAIL, min_length=length, inputs=inputs, **again, **shown)

    return Page(path=f"/preview/{name}", show=show)
