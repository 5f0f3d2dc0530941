"""The application as the settings have it now, on a database of invented people alone."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

from starlette.types import ASGIApp

from gatepost.app import create_app
from gatepost.demo.people import GUESSER
from gatepost.http.pages.admin.user import ASKED
from gatepost.library import Gatepost
from gatepost.models import UserId
from gatepost.preview.own_pages import own_pages
from gatepost.preview.places import Place, pages_of, places
from gatepost.preview.visitors import Visitors
from gatepost.settings import Settings

if TYPE_CHECKING:
    from gatepost.feature import Feature

LASTING = int(timedelta(days=365).total_seconds() / 60)
"""Minutes that the visitors' sessions live."""


def staged(settings: Settings, *, home: Path, port: int) -> Settings:
    """Return settings that look the same and lead nowhere: no database, key or address of the owner's.

    Args:
        settings: the owner's.
        home: of the embedded database that holds the invented people.
        port: of loopback, where the preview listens.
    """
    theirs = type(settings).model_fields
    ours = (
        *("database_url", "database_schema", "user_id_type", "secret_key", "secret_key_fallbacks"),
        *("environment", "debug", "public_url", "root_path", "cookie_domain", "tls_cert", "tls_key"),
        *("host", "workers", "breached_passwords", "bcrypt_rounds", "password_hash", "mail_url"),
    )
    return settings.model_copy(
        update={name: theirs[name].get_default() for name in ours if name in theirs}
        | {
            "gatepost_home": home,
            "port": port,
            "pages": True,
            "throttle_enabled": False,
            "cleanup_interval_seconds": 0,
            "session_expire_minutes": LASTING,
            "session_max_minutes": LASTING,
            "session_idle_minutes": 0,
            "fresh_session_minutes": 1_440,
            "admin_fresh_minutes": 720,
            "log_level": "warning",
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Pages that look as the settings have it, until a file is another one.

    Attributes:
        app: serves them.
        auth: behind it.
        visitors: who look at them.
        places: what there is to be looked at.
    """

    app: ASGIApp
    auth: Gatepost
    visitors: Visitors
    places: Sequence[Place]
    _opened: AsyncExitStack

    @classmethod
    async def open(cls, settings: Settings, features: "tuple[Feature, ...]", *, attacked: UserId) -> Self:
        """Make the application and have the visitors arrive.

        Args:
            settings: as `staged` returns them.
            features: what stands on the kernel.
            attacked: the user whose password is being guessed.

        Raises:
            SettingsError: a picture, the theme or a template can't be used.
        """
        app = create_app(settings, features=(*features, own_pages(settings, features)))
        auth: Gatepost = app.state.gatepost
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(auth.lifespan(app))
            pages = pages_of(auth.features)
            return cls(
                app=app,
                auth=auth,
                visitors=await Visitors.arrive(auth, pages),
                places=places(pages, _examples(auth, attacked)),
                _opened=stack.pop_all(),
            )

    async def close(self) -> None:
        """End it."""
        await self._opened.aclose()


def _examples(auth: Gatepost, attacked: UserId) -> Mapping[str, Sequence[str]]:
    """Return paths of pages that take parameters, with values that are there."""
    gives_none = auth.administration.gives_no_passwords
    verbs = [verb for verb in ASKED if not (gives_none and verb == "temporary_password")]
    return {
        "/admin/users/{id}": [f"/admin/users/{attacked}"],
        "/admin/users/{id}/{verb}": [f"/admin/users/{attacked}/{verb}" for verb in verbs],
        "/admin/users/{id}/mail/reset": [f"/admin/users/{attacked}/mail/reset"],
        "/admin/addresses/{address:path}": [f"/admin/addresses/{GUESSER.ip_address}"],
    }
