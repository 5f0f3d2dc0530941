"""Badges: a feature as a user of Gatepost would write one. Whoever has an account gives themselves some."""

from pathlib import Path
from typing import TYPE_CHECKING

from tests.features.badges.actions import BadgeAction
from tests.features.badges.errors import TooManyBadges

from gatepost.db.feature import Schema, Table
from gatepost.feature import Announced, Feature

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
    from tests.features.badges.settings import BadgeSettings

    return BadgeSettings


def _wire(gate: "Gate") -> "Wired":
    from tests.features.badges import store
    from tests.features.badges.service import Badges
    from tests.features.badges.settings import BadgeSettings
    from tests.features.badges.step import BadgeStep

    from gatepost.services.feature import Wired

    badges = Badges(gate.database, clock=gate.clock, most=gate.settings_as(BadgeSettings).badges_max)
    return Wired(
        services=(badges,),
        purges=(store.purge_faded,),
        erase=store.erase,
        export=store.export,
        step=BadgeStep(),
    )


def _api() -> "Api":
    from tests.features.badges.api import router

    from gatepost.http.api.feature import Api

    return Api(closed=(router,))


def _pages() -> "Pages":
    from tests.features.badges.pages import PAGES

    return PAGES


def _commands() -> "tuple[Command, ...]":
    from tests.features.badges.cli import COMMANDS

    return COMMANDS


async def _checks(conn: "Connection", _: "Settings") -> "list[Check]":
    from tests.features.badges import store

    from gatepost.doctor.check import ok

    return [ok("badges", f"{await store.count(conn)} were given")]


async def _announce(gate: "Gate", root: str) -> Announced:
    return Announced(lines={"Badges": f"{root}/auth/badges"}, data={"badges_url": f"{root}/auth/badges"})


BADGES = Feature(
    name="badges",
    locale=FOLDER / "locale",
    settings=_settings,
    schema=Schema(
        feature="badges",
        folder=FOLDER / "schema",
        tables=(
            Table(
                name="badges",
                columns=("id", "user_id", "name", "dedication", "given_at"),
                insert=("user_id", "name", "dedication", "given_at"),
                update=("dedication",),
                deletes=True,
            ),
        ),
        indexes=("badges_user_id_idx",),
    ),
    errors=(TooManyBadges,),
    actions=BadgeAction,
    wire=_wire,
    api=_api,
    pages=_pages,
    commands=_commands,
    checks=_checks,
    asvs=FOLDER / "asvs.toml",
    announce=_announce,
)
