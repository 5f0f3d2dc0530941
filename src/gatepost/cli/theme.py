"""`gatepost theme`: how the pages look, and a preview of all of them."""

import asyncio
import json
import multiprocessing
import signal
import tempfile
from collections.abc import Awaitable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatepost.cli.demo import make_demo
from gatepost.cli.listening import LOCALHOST, Listening, find_address
from gatepost.cli.pages import look_at_pages
from gatepost.cli.serve import make_server
from gatepost.terminal.connection import configured_dsn
from gatepost.terminal.options import AsJson
from gatepost.terminal.output import Output, program
from gatepost.terminal.running import application, in_use, load_settings

if TYPE_CHECKING:
    from gatepost.cli.worker import Announcement, Application
    from gatepost.feature import Feature
    from gatepost.models import UserId
    from gatepost.settings import Settings

_SEED, _USERS, _EVENTS = 22, 60, 4_000
"""The invented people and what they did: enough for every page, and made in a moment."""


def theme(
    *,
    serve: Annotated[
        bool, typer.Option("--serve", help="Preview all pages, and reload them when a file changes.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port on localhost, with --serve; 0 picks a free one")
    ] = 8001,
    as_json: AsJson = False,
) -> None:
    """Show what your pages look like: the settings, and with --serve all pages side by side.

    The preview has an embedded database of its own with invented people, which goes with it. Yours is not
    opened.
    """
    out = Output(as_json=as_json)
    settings = load_settings()
    replaced = look_at_pages(settings)
    if not serve:
        _report(out, settings, replaced)
        return
    _serve(out, settings, port)


def _report(out: Output, settings: "Settings", replaced: list[str]) -> None:
    """Say which of the settings of looks are set, and which templates are the owner's."""
    from gatepost.settings.looks import Looks

    chosen = {
        name.upper(): value if isinstance(value := getattr(settings, name), bool | int) else str(value)
        for name in Looks.model_fields
        if name in settings.model_fields_set
    }
    out.table(
        {"settings": chosen, "templates": replaced},
        [
            *({"name": name, "value": value} for name, value in chosen.items()),
            *({"name": "Template", "value": name} for name in replaced),
        ],
        {"name": "Setting", "value": "Value"},
        empty="Your pages look as Gatepost's do.",
        then=f"{program()} theme --serve",
    )


def _serve(out: Output, settings: "Settings", port: int) -> None:
    from gatepost.cli.worker import Announcement
    from gatepost.preview.stage import staged

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        listening = find_address(LOCALHOST, port, tls=False)
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gatepost-theme-")))
        ours = staged(settings, home=home, port=listening.port)
        dsn = stack.enter_context(configured_dsn(ours))
        made = make_demo(ours, dsn, out, seed=_SEED, users=_USERS, events=_EVENTS)
        invented, _ = asyncio.run(made)
        attacked = max(invented.failures, key=lambda each: each.failures).user_id
        announcement = Announcement(
            text=_announced(settings, listening, as_json=out.as_json),
            address=listening.address,
            port=listening.port,
            turn=multiprocessing.get_context().Semaphore(1),
        )
        loader = partial(_load, _given(), ours, attacked, announcement, in_use.get())
        make_server(ours, listening).serve(target_loader=loader, wrap_loader=False)
    if not out.as_json:
        out.note("Stopped.")


def _given() -> Mapping[str, object]:
    """Return the settings that an application gives in its code, which stay when files change."""
    gate = application.get()
    if gate is None:
        return {}
    return {name: getattr(gate.settings, name) for name in gate.settings.model_fields_set}


def _announced(settings: "Settings", listening: Listening, *, as_json: bool) -> str:
    files = [".env", *map(str, settings.files.values())]
    if as_json:
        return json.dumps({"url": listening.url, "watched": files})
    lines = {"Pages": listening.url, "Watching": ", ".join(files)}
    told = (f"  {name:12} {value}" for name, value in lines.items())
    return "\n".join(["The preview is ready. Press Ctrl-C to stop.", *told])


def _load(
    given: Mapping[str, object],
    ours: "Settings",
    attacked: "UserId",
    announcement: "Announcement",
    features: "tuple[Feature, ...]",
) -> "Application":
    """Return the preview, in a process of its own.

    Args:
        given: what stays when the settings are read again.
        ours: where the invented people are, and the port.
        attacked: one of them, whose password is being guessed.
        announcement: what to print when requests are served.
        features: what stands on the kernel.
    """
    from gatepost.cli.worker import Worker, begin
    from gatepost.preview.application import Preview
    from gatepost.preview.stage import Stage, staged
    from gatepost.settings.feature import settings_of

    begin(ours)
    kind = settings_of(features)

    def stage(settings: "Settings") -> "Awaitable[Stage]":
        here = staged(settings, home=ours.gatepost_home, port=ours.port)
        return Stage.open(here, features, attacked=attacked)

    return Worker(Preview(read=lambda: kind.load(".env", **given), stage=stage), announcement)
