"""Mail: an outbox in the database, ways to send what stands there, and how the mails read."""

from pathlib import Path
from typing import TYPE_CHECKING

from gatepost.db.feature import Schema, Table
from gatepost.feature import Announced, Feature
from gatepost.features.email.actions import EmailAction
from gatepost.features.email.errors import InvalidLink, NotMailable

if TYPE_CHECKING:
    from gatepost.db.pool import Connection
    from gatepost.doctor.check import Check
    from gatepost.gate import Gate
    from gatepost.http.api.feature import Api
    from gatepost.http.pages.feature import Pages
    from gatepost.services.feature import Wired
    from gatepost.settings import Settings
    from gatepost.terminal.feature import Command

FOLDER = Path(__file__).parent


def _settings() -> "type[Settings]":
    from gatepost.features.email.settings import EmailSettings

    return EmailSettings


def _wire(gate: "Gate") -> "Wired":
    from gatepost.features.email.wiring import wire

    return wire(gate)


def _api() -> "Api":
    from gatepost.features.email.api import admin, public, router
    from gatepost.http.api.feature import Api

    return Api(closed=(router, admin), public=(public,))


def _pages() -> "Pages":
    from gatepost.features.email.pages import PAGES

    return PAGES


def _commands() -> "tuple[Command, ...]":
    from gatepost.features.email.cli import COMMANDS

    return COMMANDS


async def _examine(settings: "Settings") -> "list[Check]":
    from gatepost.features.email.checks import checks

    return await checks(settings)


async def _checks(conn: "Connection", _: "Settings") -> "list[Check]":
    from gatepost.features.email.checks import outbox

    return await outbox(conn)


async def _announce(gate: "Gate", root: str) -> Announced:
    from gatepost.features.email.delivery import Delivery
    from gatepost.features.email.transport import Inbox

    if not isinstance(gate.service(Delivery).transport, Inbox) or not gate.settings.pages:
        return Announced(data={"mail_url": None})
    url = f"{root}/auth/dev/mail"
    return Announced(lines={"Mail": f"{url} shows what would be sent"}, data={"mail_url": url})


MESSAGES = Table(
    name="auth_messages",
    columns=(
        "id",
        "template",
        "language",
        "user_id",
        "recipient",
        "link_id",
        "data",
        "dedupe_key",
        "created_at",
        "due_at",
        "expires_at",
        "attempts",
        "lease",
        "leased_until",
        "state",
        "done_at",
        "error",
    ),
    insert=(
        "template",
        "language",
        "user_id",
        "recipient",
        "link_id",
        "data",
        "dedupe_key",
        "created_at",
        "due_at",
        "expires_at",
    ),
    update=(
        "recipient",
        "data",
        "due_at",
        "attempts",
        "lease",
        "leased_until",
        "state",
        "done_at",
        "error",
    ),
    deletes=True,
)

UNDELIVERABLE = Table(
    name="auth_undeliverable",
    columns=("address", "refused_at", "error"),
    insert=("address", "refused_at", "error"),
    update=("refused_at", "error"),
    deletes=True,
)

LINKS = Table(
    name="auth_email_links",
    columns=(
        "id",
        "purpose",
        "user_id",
        "email",
        "digest",
        "nonce",
        "code_digest",
        "code_expires_at",
        "tries",
        "stamp",
        "detail",
        "created_at",
        "expires_at",
        "used_at",
        "revoked_at",
        "ip_address",
        "user_agent",
        "browser",
    ),
    insert=(
        "purpose",
        "user_id",
        "email",
        "digest",
        "nonce",
        "code_digest",
        "code_expires_at",
        "stamp",
        "detail",
        "created_at",
        "expires_at",
        "ip_address",
        "user_agent",
        "browser",
    ),
    update=("nonce", "tries", "used_at", "revoked_at"),
    deletes=True,
)

EMAIL = Feature(
    name="email",
    locale=FOLDER / "locale",
    settings=_settings,
    schema=Schema(
        feature="email",
        folder=FOLDER / "schema",
        tables=(MESSAGES, UNDELIVERABLE, LINKS),
        indexes=(
            "auth_messages_due_idx",
            "auth_messages_dedupe_idx",
            "auth_messages_done_idx",
            "auth_messages_user_id_idx",
            "auth_email_links_email_idx",
            "auth_email_links_user_id_idx",
            "auth_email_links_expires_at_idx",
        ),
    ),
    asvs=FOLDER / "asvs.toml",
    errors=(InvalidLink, NotMailable),
    actions=EmailAction,
    wire=_wire,
    api=_api,
    pages=_pages,
    commands=_commands,
    examine=_examine,
    checks=_checks,
    announce=_announce,
)
