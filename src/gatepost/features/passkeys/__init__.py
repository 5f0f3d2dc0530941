"""Passkeys: keys that an authenticator holds for this site and uses after a touch, a PIN or biometrics."""

from pathlib import Path
from typing import TYPE_CHECKING

from gatepost.db.feature import Schema, Table
from gatepost.feature import Feature
from gatepost.features.passkeys.actions import PasskeyAction
from gatepost.features.passkeys.errors import UnknownPasskey

if TYPE_CHECKING:
    from gatepost.db.pool import Connection
    from gatepost.doctor.check import Check
    from gatepost.gate import Gate
    from gatepost.http.api.feature import Api
    from gatepost.http.pages.feature import Pages
    from gatepost.services.feature import Wired
    from gatepost.settings import Settings

FOLDER = Path(__file__).parent


def _settings() -> "type[Settings]":
    from gatepost.features.passkeys.settings import PasskeySettings

    return PasskeySettings


def _wire(gate: "Gate") -> "Wired":
    from gatepost.features.passkeys.wiring import wire

    return wire(gate)


def _api() -> "Api":
    from gatepost.features.passkeys.api import public, router
    from gatepost.features.passkeys.related_origins import ROUTES
    from gatepost.http.api.feature import Api

    return Api(closed=(router,), public=(public,), well_known=ROUTES)


def _pages() -> "Pages":
    from gatepost.features.passkeys.pages import PAGES

    return PAGES


async def _examine(settings: "Settings") -> "list[Check]":
    from gatepost.features.passkeys.checks import examine

    return await examine(settings)


async def _checks(conn: "Connection", settings: "Settings") -> "list[Check]":
    from gatepost.features.passkeys.checks import checks

    return await checks(conn, settings)


PASSKEYS = Feature(
    name="passkeys",
    locale=FOLDER / "locale",
    settings=_settings,
    asvs=FOLDER / "asvs.toml",
    actions=PasskeyAction,
    errors=(UnknownPasskey,),
    schema=Schema(
        feature="passkeys",
        folder=FOLDER / "schema",
        tables=(
            Table(
                name="auth_passkeys",
                columns=(
                    "id",
                    "user_id",
                    "credential_id",
                    "public_key",
                    "user_handle",
                    "sign_count",
                    "aaguid",
                    "name",
                    "transports",
                    "is_backup_eligible",
                    "is_backed_up",
                    "verifies_user",
                    "created_at",
                    "last_used_at",
                    "last_used_from",
                    "rp_id",
                ),
                insert=(
                    "user_id",
                    "credential_id",
                    "public_key",
                    "user_handle",
                    "sign_count",
                    "aaguid",
                    "name",
                    "transports",
                    "is_backup_eligible",
                    "is_backed_up",
                    "verifies_user",
                    "created_at",
                    "rp_id",
                ),
                update=(
                    "sign_count",
                    "name",
                    "is_backed_up",
                    "verifies_user",
                    "last_used_at",
                    "last_used_from",
                ),
                deletes=True,
            ),
        ),
        indexes=("auth_passkeys_credential_id_idx", "auth_passkeys_user_id_idx"),
    ),
    wire=_wire,
    api=_api,
    pages=_pages,
    checks=_checks,
    examine=_examine,
)
