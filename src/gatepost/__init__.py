"""Authentication in your own PostgreSQL.

from gatepost import CurrentSession, Gatepost

What stands in `__all__` is the public API, together with the modules `gatepost.errors` and
`gatepost.testing`; everything else may change with any release. Names are loaded when they are first used:
importing the package alone takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatepost.app import create_app
    from gatepost.asgi import AuthMiddleware
    from gatepost.errors import (
        AdminRequired,
        AuthenticationError,
        GatepostError,
        SetupError,
        Unavailable,
        ValidationFailed,
    )
    from gatepost.http.dependencies import AdminSession, CurrentSession, FreshSession, VerifiedSession
    from gatepost.http.own_pages import OptionalSession, PageSession
    from gatepost.library import Gatepost
    from gatepost.models import (
        AuditAction,
        AuditEvent,
        Client,
        NewUser,
        Session,
        SessionRow,
        SignedIn,
        User,
        UserId,
    )
    from gatepost.settings import Settings

    __version__: str

__all__ = [
    "AdminRequired",
    "AdminSession",
    "AuditAction",
    "AuditEvent",
    "AuthMiddleware",
    "AuthenticationError",
    "Client",
    "CurrentSession",
    "FreshSession",
    "Gatepost",
    "GatepostError",
    "NewUser",
    "OptionalSession",
    "PageSession",
    "Session",
    "SessionRow",
    "Settings",
    "SetupError",
    "SignedIn",
    "Unavailable",
    "User",
    "UserId",
    "ValidationFailed",
    "VerifiedSession",
    "__version__",
    "create_app",
]

if not TYPE_CHECKING:  # a type checker would take `__getattr__` for every name there could be
    _HOMES = {
        "gatepost.app": ("create_app",),
        "gatepost.errors": (
            "AdminRequired",
            "AuthenticationError",
            "GatepostError",
            "SetupError",
            "Unavailable",
            "ValidationFailed",
        ),
        "gatepost.asgi": ("AuthMiddleware",),
        "gatepost.http.dependencies": ("AdminSession", "CurrentSession", "FreshSession", "VerifiedSession"),
        "gatepost.http.own_pages": ("OptionalSession", "PageSession"),
        "gatepost.library": ("Gatepost",),
        "gatepost.models": (
            "AuditAction",
            "AuditEvent",
            "Client",
            "NewUser",
            "Session",
            "SessionRow",
            "SignedIn",
            "User",
            "UserId",
        ),
    }
    _HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version

            value: object = version("gatepost")
        elif name == "Settings":
            from gatepost.features import FEATURES
            from gatepost.settings.feature import settings_of

            value = settings_of(FEATURES)
        elif name in _HOME_OF:
            value = getattr(import_module(_HOME_OF[name]), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
