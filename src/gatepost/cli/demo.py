"""`gatepost demo`: a scratch database with invented users."""

import asyncio
import secrets
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepost.cli.serve import check_servable, serve_with
from gatepost.errors import DemoRefused
from gatepost.feature import schemas_of
from gatepost.models import UserIdType
from gatepost.terminal.connection import configured_dsn, location
from gatepost.terminal.options import AsJson
from gatepost.terminal.output import Output, program, progress_bar
from gatepost.terminal.running import in_use, load_settings

if TYPE_CHECKING:
    from gatepost.demo.numbering import Invented
    from gatepost.settings import Settings

PASSWORD = "onlyademonstration"  # noqa: S105 - of invented users
"""What every user of a demo signs in with."""

_SUFFIX = "-demo"
"""What the directory of a demo's embedded database is called, behind GATEPOST_HOME."""


def demo(
    *,
    users: Annotated[int, typer.Option(min=20, max=10_000, help="Number of users.")] = 200,
    events: Annotated[
        int, typer.Option(min=1_000, max=5_000_000, help="Number of events, over thirty days.")
    ] = 40_000,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Random seed; the same seed gives the same data  [default: any]")
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Then serve it, until Ctrl-C.")] = False,
    host: Annotated[str | None, typer.Option(help="Address to listen on, with --serve")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port, with --serve")] = None,
    as_json: AsJson = False,
) -> None:
    """Fill a scratch database with invented users, sessions and thirty days of events.

    Without DATABASE_URL, the demo has its own embedded database next to GATEPOST_HOME. A database in
    DATABASE_URL must be empty, hold a demo, or not exist yet. Another run replaces the demo.
    """
    from gatepost.demo.history import EVENTS_A_USER

    out = Output(as_json=as_json)
    if events < users * EVENTS_A_USER:
        least = users * EVENTS_A_USER
        raise typer.BadParameter(f"{users} users need at least {least} events: raise --events")
    settings = _demo_settings(host=host, port=port)
    if serve:
        check_servable(settings)  # before filling, which takes a while
    seed = secrets.randbelow(2**32) if seed is None else seed
    with configured_dsn(settings) as dsn:
        invented, was_demo = asyncio.run(make_demo(settings, dsn, out, seed=seed, users=users, events=events))
    _report(out, settings, invented, seed=seed, was_demo=was_demo, served=serve)
    if serve:
        serve_with(settings, out)


def _demo_settings(**overrides: object) -> "Settings":
    """Return the settings with a home that no real database has.

    Raises:
        DemoRefused: they are production's.
    """
    settings = load_settings(**overrides)
    if settings.environment == "production":
        raise DemoRefused("A demo has users with a well-known password: ENVIRONMENT must not be production")
    if settings.database_url is not None or settings.gatepost_home.name.endswith(_SUFFIX):
        return settings
    home = Path(f"{settings.gatepost_home}{_SUFFIX}")
    return load_settings(**overrides, gatepost_home=home)


async def make_demo(
    settings: "Settings", dsn: str, out: Output, *, seed: int, users: int, events: int
) -> "tuple[Invented, bool]":
    """Fill a database with what is invented; return that, and whether there was a demo before.

    Raises:
        DemoRefused: it holds what is no demo's; nothing was changed.
    """
    from gatepost.db import migrate
    from gatepost.db.patience import patiently
    from gatepost.demo.filling import fill, make_anew
    from gatepost.demo.history import invent
    from gatepost.security.passwords import Password
    from gatepost.services.hashing import hasher_of
    from gatepost.services.lifetimes import Lifetimes

    await patiently(
        lambda: migrate.ensure_database(dsn), seconds=settings.database_start_seconds, on_wait=out.waiting
    )
    ids = UserIdType(settings.user_id_type)
    was_demo = await make_anew(dsn, ids, features=schemas_of(in_use.get()), schema=settings.database_schema)
    invented = invent(
        seed=seed,
        now=datetime.now(UTC),
        users=users,
        events=events,
        lifetimes=Lifetimes.of(settings),
        ids=ids,
    )
    hashed = hasher_of(settings).hash(Password.read(PASSWORD))
    with progress_bar() as bar:
        task = bar.add_task("Generating the demo", total=invented.rows)
        await fill(dsn, invented, hashed_password=hashed, progress=lambda rows: bar.advance(task, rows))
    return invented, was_demo


def _report(
    out: Output, settings: "Settings", invented: "Invented", *, seed: int, was_demo: bool, served: bool
) -> None:
    """Say what was made, how to serve it and as whom to sign in."""
    from gatepost.demo.people import ADMIN, USER

    where = location(settings)
    live = sum(session.ended_at is None for session in invented.sessions)
    command = f"{program()} serve"
    if settings.database_url is None:
        command = f"GATEPOST_HOME={shlex.quote(str(settings.gatepost_home))} {command}"
    data: dict[str, Any] = {
        "database": where,
        "made_anew": was_demo,
        "seed": seed,
        "users": len(invented.users),
        "sessions": len(invented.sessions),
        "live_sessions": live,
        "events": len(invented.events),
        "admin": ADMIN[0],
        "user": USER[0],
        "password": PASSWORD,
        "serve": command,
    }
    if out.as_json:
        # On one line before the server's own, so that programs may read them one by one.
        out.document(data, indent=None if served else 2)
        return
    verb = "Recreated the demo" if was_demo else "Created a demo"
    out.line(
        f"{verb} ({where}): {data['users']:,} users, {data['sessions']:,} sessions, {live:,} of them live,"
        f" and {data['events']:,} events. Seed {seed}."
    )
    out.line(f"  Administrator  {ADMIN[0]}")
    out.line(f"  User           {USER[0]}")
    out.line(f"  Password       {PASSWORD} (for everyone)")
    if not served:
        out.line(f"Next: {command}", style="dim")
