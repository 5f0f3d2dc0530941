"""Authenticator apps: a code of six digits, another one every 30 seconds (RFC 6238)."""

from pathlib import Path
from typing import TYPE_CHECKING

from gatepost.db.feature import Schema, Table
from gatepost.feature import Feature

if TYPE_CHECKING:
    from gatepost.gate import Gate
    from gatepost.http.api.feature import Api
    from gatepost.http.pages.feature import Pages
    from gatepost.services.feature import Wired
    from gatepost.terminal.feature import Command

FOLDER = Path(__file__).parent


def _wire(gate: "Gate") -> "Wired":
    from gatepost.features.totp import store
    from gatepost.features.totp.factor import Totp
    from gatepost.features.totp.sealing import Sealer
    from gatepost.security.keys import KeyPurpose
    from gatepost.services.feature import Wired

    sealer = Sealer(gate.keys.keys(KeyPurpose.TOTP))
    totp = Totp(gate.database, sealer=sealer, issuer=gate.settings.app_name, clock=gate.clock)
    return Wired(services=(totp,), factor=totp, export=store.export, disown=store.disown)


def _api() -> "Api":
    from gatepost.features.totp.api import router
    from gatepost.http.api.feature import Api

    return Api(closed=(router,))


def _commands() -> "tuple[Command, ...]":
    from gatepost.features.totp.cli import COMMANDS

    return COMMANDS


def _pages() -> "Pages":
    from gatepost.features.totp.pages import PAGES

    return PAGES


TOTP = Feature(
    name="totp",
    locale=FOLDER / "locale",
    asvs=FOLDER / "asvs.toml",
    schema=Schema(
        feature="totp",
        folder=FOLDER / "schema",
        tables=(
            Table(
                name="auth_totp",
                columns=(
                    "user_id",
                    "secret",
                    "key_id",
                    "last_step",
                    "created_at",
                    "last_used_at",
                    "last_used_from",
                ),
                insert=("user_id", "secret", "key_id", "last_step", "created_at"),
                update=("secret", "key_id", "last_step", "created_at", "last_used_at", "last_used_from"),
                deletes=True,
            ),
        ),
    ),
    wire=_wire,
    api=_api,
    pages=_pages,
    commands=_commands,
)
