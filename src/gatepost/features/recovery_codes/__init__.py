"""Recovery codes: ten on paper, each of which signs in once where the second factor is lost."""

from pathlib import Path
from typing import TYPE_CHECKING

from gatepost.db.feature import Schema, Table
from gatepost.feature import Feature

if TYPE_CHECKING:
    from gatepost.gate import Gate
    from gatepost.http.api.feature import Api
    from gatepost.http.pages.feature import Pages
    from gatepost.services.feature import Wired

FOLDER = Path(__file__).parent


def _wire(gate: "Gate") -> "Wired":
    from gatepost.features.recovery_codes import store
    from gatepost.features.recovery_codes.way_back import RecoveryCodes
    from gatepost.security.keys import KeyPurpose
    from gatepost.services.feature import Wired

    codes = RecoveryCodes(gate.keys.keys(KeyPurpose.RECOVERY_CODE), clock=gate.clock)
    return Wired(services=(codes,), way_back=codes, export=store.export, disown=store.disown)


def _api() -> "Api":
    from gatepost.features.recovery_codes.api import router
    from gatepost.http.api.feature import Api

    return Api(closed=(router,))


def _pages() -> "Pages":
    from gatepost.features.recovery_codes.pages import PAGES

    return PAGES


RECOVERY_CODES = Feature(
    name="recovery_codes",
    locale=FOLDER / "locale",
    asvs=FOLDER / "asvs.toml",
    schema=Schema(
        feature="recovery_codes",
        folder=FOLDER / "schema",
        tables=(
            Table(
                name="auth_recovery_codes",
                columns=("digest", "user_id", "created_at", "used_at", "used_from"),
                insert=("digest", "user_id", "created_at"),
                update=("used_at", "used_from"),
                deletes=True,
            ),
        ),
        indexes=("auth_recovery_codes_user_id_idx",),
    ),
    wire=_wire,
    api=_api,
    pages=_pages,
)
