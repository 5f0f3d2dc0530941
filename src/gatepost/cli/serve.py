"""`gatepost serve`: the server, ready to answer, with its database."""

import asyncio
import importlib.util
import json
import multiprocessing
import signal
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepost.cli.listening import CannotListen, Listening, check_certificate, find_address
from gatepost.cli.migrate import bring_up
from gatepost.cli.pages import look_at_pages
from gatepost.cli.psql import ProgramMissing
from gatepost.terminal.connection import configured_dsn, location
from gatepost.terminal.options import AsJson
from gatepost.terminal.output import Output, program
from gatepost.terminal.running import application, in_use, load_settings

if TYPE_CHECKING:
    from granian.server.common import AbstractServer

    from gatepost.feature import Announced
    from gatepost.settings import Settings

PACKAGE = Path(__file__).resolve().parent.parent
"""What `--reload` watches."""

DRAIN_SECONDS = 15
"""How long requests that are under way may take to end when the server is told to stop."""


SILENT_SECONDS = 30
"""How long a connection may take to send the head of a request, its first or another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is known of the database once it was looked at.

    Attributes:
        version: PostgreSQL's.
        has_admin: an administrator exists.
        announced: what features have to say.
    """

    version: str
    has_admin: bool
    announced: "Sequence[Announced]"


def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on  [default: HOST, localhost]")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="0 picks a free one  [default: PORT, 8000]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Worker processes  [default: WORKERS, 1]")
    ] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Restart when Gatepost's code changes.")] = False,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate chain (PEM)  [default: TLS_CERT]", show_default=False)
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="Its private key (PEM)  [default: TLS_KEY]", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start the server. Without DATABASE_URL it runs an embedded PostgreSQL for as long as it is up.

    In development, the database in DATABASE_URL is migrated first; in production, run `gatepost migrate`.
    Ctrl-C finishes the requests in progress and stops everything.
    """
    out = Output(as_json=as_json)
    if application.get() is not None:
        raise typer.BadParameter("serve runs Gatepost alone: start your application with its own server")
    options = {"host": host, "port": port, "workers": workers, "tls_cert": tls_cert, "tls_key": tls_key}
    settings = load_settings(**options)
    if reload and importlib.util.find_spec("watchfiles") is None:
        raise ProgramMissing("--reload needs watchfiles: pip install watchfiles")
    if reload:
        # A fork would inherit the modules that are to be loaded anew.
        multiprocessing.set_start_method("spawn", force=True)
    serve_with(settings, out, options, reload=reload)


def serve_with(
    settings: "Settings", out: Output, options: Mapping[str, object] | None = None, *, reload: bool = False
) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        settings: how to work.
        out: where to tell of it.
        options: what of the settings was given by hand, and stays when `reload` has the others read again.
        reload: start again when the code changes.

    Raises:
        CannotListen: the address can't be had, or the certificate does not work.
        SetupError: the database can't be had.
    """
    from gatepost.cli.worker import Announcement, load

    # Before there is a server that handles it, SIGTERM is to leave no less tidily than Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        listening = check_servable(settings)
        # With the port that was found: links and cookies tell where this is by it.
        found_port = {"port": listening.port}
        settings = settings.model_copy(update=found_port)
        dsn = _open_database(settings, stack)
        root = (settings.public_url or listening.url) + settings.root_path
        found = asyncio.run(_look(settings, dsn, out, root))
        announcement = Announcement(
            text=announced(settings, listening, found, as_json=out.as_json),
            address=listening.address,
            port=listening.port,
            turn=multiprocessing.get_context().Semaphore(1),
        )
        server = make_server(settings, listening, reload=reload)
        again = {**(options or {}), **found_port} if reload else settings
        server.serve(target_loader=partial(load, again, announcement, in_use.get()), wrap_loader=False)
    if not out.as_json:
        out.note("Stopped.")


def check_servable(settings: "Settings") -> Listening:
    """See that the settings can be served with, and return the address to listen at.

    Raises:
        CannotListen: the address can't be had, or a file of TLS can't be read.
        SettingsError: the logo or a template can't be used.
    """
    check_certificate(settings.tls_cert, settings.tls_key)
    listening = find_address(settings.host, settings.port, tls=settings.tls_cert is not None)
    # Here and not in every worker, so that it is told once and in one line.
    look_at_pages(settings)
    return listening


def _open_database(settings: "Settings", stack: ExitStack) -> str:
    """Have the database running until `stack` closes, and load the application in the meantime."""
    with ThreadPoolExecutor(1) as pool:
        dsn = pool.submit(stack.enter_context, configured_dsn(settings))
        # The workers are forks where the system has them: what is loaded now, they need not load.
        for module in ("gatepost.app", "gatepost.gate", "granian"):
            import_module(module)
        return dsn.result()


async def _look(settings: "Settings", dsn: str, out: Output, root: str) -> Found:
    """Bring the database up as far as it is the server's to do, and look at it.

    Args:
        settings: how to work.
        dsn: on which database.
        out: where to tell of it.
        root: what stands before every path of ours, for links.
    """
    from gatepost.gate import Gate
    from gatepost.store import health

    if settings.database_url is not None and settings.environment != "production":
        created, migrated = await bring_up(settings, dsn, out)
        for warning in migrated.warnings:
            out.warn(warning)
        if migrated.applied:
            made = "Created and migrated" if created else "Migrated"
            out.note(f"{made} {location(settings)} to version {migrated.after}.")
    gate = Gate(settings, features=in_use.get())
    await gate.open(background=False, on_wait=out.waiting)
    try:
        async with gate.database.connection() as conn:
            server = await health.server(conn)
        # Here and not in the workers, so that it is said once.
        announced = [await each.announce(gate, root) for each in gate.features if each.announce is not None]
        has_admin = await gate.administration.has_admin()
        return Found(version=server.version, has_admin=has_admin, announced=announced)
    finally:
        await gate.close()


def announced(settings: "Settings", listening: Listening, found: Found, *, as_json: bool) -> str:
    """Return what is said once requests are answered."""
    docs = None if settings.environment == "production" else f"{listening.url}/api/auth/docs"
    if as_json:
        return json.dumps(
            {
                "version": version("gatepost"),
                "url": listening.url,
                "database": location(settings),
                "postgresql": found.version,
                "docs": docs,
                "has_admin": found.has_admin,
                **{name: value for each in found.announced for name, value in each.data.items()},
            }
        )
    lines = {
        "Listening": listening.url + (" and every other address" if listening.everywhere else ""),
        "Database": f"PostgreSQL {found.version}, {location(settings)}",
    }
    if docs is not None:
        lines["API docs"] = docs
    if elsewhere := _elsewhere(settings, listening):
        lines["Other hosts"] = elsewhere
    if not found.has_admin:
        lines["First admin"] = f"{program()} users create --admin"
    for each in found.announced:
        lines |= each.lines
    told = (f"  {name:12} {value}" for name, value in lines.items())
    return "\n".join([f"Gatepost {version('gatepost')} is ready. Press Ctrl-C to stop.", *told])


def _elsewhere(settings: "Settings", listening: Listening) -> str | None:
    """Say what browsers on other machines need; None where nothing is missing."""
    if settings.public_url is not None or settings.environment == "production":
        return None
    if listening.everywhere:
        return "set PUBLIC_URL to the origin that browsers open, such as http://192.168.1.20:8000"
    if settings.effective_public_url is None:
        return f"signing in with a browser works after PUBLIC_URL={listening.url}"
    return None


def make_server(settings: "Settings", listening: Listening, *, reload: bool = False) -> "AbstractServer[Any]":
    """Return the server, which loads in its workers what it serves.

    Raises:
        CannotListen: the certificate does not work.
    """
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    from gatepost.log import configure, server_config

    configure(settings.effective_log_level, settings.effective_log_format)
    watched: dict[str, Any] = {
        "reload": reload,
        "reload_paths": [PACKAGE],
        "reload_ignore_worker_failure": reload,
    }
    try:
        server = Granian(
            "gatepost.app:create_app",
            address=listening.address,
            port=listening.port,
            interface=Interfaces.ASGI,
            workers=1 if reload else settings.workers,
            # Of HTTP/2 connections none that is silent is ever closed; a proxy speaks it to browsers.
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(header_read_timeout=SILENT_SECONDS * 1000),
            # There is none of ours: what a proxy copies of a handshake is a request like any other.
            websockets=False,
            log_level=LogLevels.warning,
            log_dictconfig=server_config(),
            ssl_cert=settings.tls_cert,
            ssl_key=settings.tls_key,
            respawn_failed_workers=not reload,
            workers_kill_timeout=DRAIN_SECONDS,
            **watched,
        )
    except ssl.SSLError as error:
        raise CannotListen(f"The certificate and key can't be used: {error.reason or error}") from error
    server.on_startup(_stop_on_hangup)
    return server


def _stop_on_hangup() -> None:
    # The server's own handler would start new workers when the terminal is closed, and run on unseen.
    signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
