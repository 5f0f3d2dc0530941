"""`gatepost import fastapi-users` and `gatepost import django`."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from gatepost.features.imports.plan import Admins, Conflict, Imported, Plan, Problem, nothing_fills
from gatepost.features.imports.sources import DJANGO, FASTAPI_USERS
from gatepost.terminal.feature import Command
from gatepost.terminal.options import AsJson
from gatepost.terminal.output import Output, program, progress_bar
from gatepost.terminal.running import run

if TYPE_CHECKING:
    from gatepost.gate import Gate

SHOWN = 20
"""Conflicts that are listed as text; JSON has all."""

_PROBLEMS = {
    Problem.NO_EMAIL: "has no e-mail",
    Problem.INVALID_EMAIL: "invalid e-mail",
    Problem.SAME_EMAIL: "another user has this e-mail, upper and lower case aside",
    Problem.EMAIL_TAKEN: "a Gatepost user with another ID has this e-mail",
    Problem.ID_TAKEN: "a Gatepost user with another e-mail has this ID",
    Problem.ID_UNFIT: "the ID does not fit into Gatepost's column",
}

_TOKENS = {
    "present": "already there",
    "expired": "expired",
    "unfit": "of a form that can't be kept",
    "left": "left out",
}

FromDatabase: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="URL",
        envvar="IMPORT_FROM",
        help="The database to read  [default: the one of DATABASE_URL]",
        show_default=False,
    ),
]
OwnEmails: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--email", metavar="ID=ADDRESS", help="Import this user with this e-mail. May be given several times."
    ),
]
DryRun: TypeAlias = Annotated[bool, typer.Option("--dry-run", help="Count everything and write nothing.")]


def import_fastapi_users(
    *,
    database: FromDatabase = None,
    table: Annotated[str, typer.Option(help="Table of users.")] = FASTAPI_USERS.table,
    admins: Annotated[
        Admins, typer.Option(help="Who becomes an administrator: superusers, or none.")
    ] = Admins.SUPERUSERS,
    lifetime_seconds: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=100 * 366 * 24 * 3600,
            help="lifetime_seconds of your DatabaseStrategy (0 for None): live access tokens keep working."
            "  [default: no tokens are imported]",
            show_default=False,
        ),
    ] = None,
    email: OwnEmails = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Import users and live access tokens of fastapi-users. Running it again continues where it stopped."""
    if admins is Admins.STAFF:
        raise typer.BadParameter("fastapi-users knows no staff: use superusers or none")
    plan = Plan(
        source=FASTAPI_USERS,
        dsn=_dsn(database),
        table=table,
        admins=admins,
        emails=_emails(email),
        lifetime=None if lifetime_seconds is None else timedelta(seconds=lifetime_seconds),
    )
    _import(plan, Output(as_json=as_json), dry_run=dry_run)


def import_django(
    *,
    database: FromDatabase = None,
    table: Annotated[str, typer.Option(help="Table of users.")] = DJANGO.table,
    admins: Annotated[
        Admins,
        typer.Option(help="Who becomes an administrator: superusers, staff (superusers too), or none."),
    ] = Admins.SUPERUSERS,
    missing_email_domain: Annotated[
        str | None,
        typer.Option(
            metavar="DOMAIN", help="Users without an e-mail sign in as username@DOMAIN.", show_default=False
        ),
    ] = None,
    email: OwnEmails = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Import users of Django's auth. Running it again continues where it stopped."""
    plan = Plan(
        source=DJANGO,
        dsn=_dsn(database),
        table=table,
        admins=admins,
        emails=_emails(email),
        domain=missing_email_domain,
    )
    _import(plan, Output(as_json=as_json), dry_run=dry_run)


def _dsn(url: str | None) -> str | None:
    """Return a URL as libpq has it, of one that names a driver of SQLAlchemy's."""
    if url is None:
        return None
    scheme, colon, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}{colon}{rest}"


def _emails(given: Sequence[str] | None) -> Mapping[str, str]:
    emails = {}
    for each in given or ():
        user, equals, address = each.partition("=")
        if not (user and equals and address):
            raise typer.BadParameter("--email takes ID=ADDRESS, such as 17=ada@example.com")
        emails[user] = address
    return emails


def _import(plan: Plan, out: Output, *, dry_run: bool) -> None:
    from gatepost.features.imports.service import Imports

    async def work(gate: "Gate") -> Imported:
        with progress_bar() if not out.as_json else nullcontext() as bar:
            task = None if bar is None else bar.add_task("Users", total=None)

            def show(behind: int, users: int) -> None:
                if bar is not None and task is not None:
                    bar.update(task, completed=behind, total=users)

            return await gate.service(Imports).run(plan, dry_run=dry_run, on_batch=show)

    done = run(out, f"import {plan.source.name}", work, about={"source": plan.source.name})
    if out.as_json:
        out.document(_data(plan, done, dry_run=dry_run))
        return
    _tell(plan, out, done, dry_run=dry_run)


def _data(plan: Plan, done: Imported, *, dry_run: bool) -> dict[str, Any]:
    return {
        "source": plan.source.name,
        "dry_run": dry_run,
        "users": done.users,
        "imported": done.imported,
        "present": done.present,
        "admins": done.admins,
        "disabled": done.disabled,
        "without_password": done.passwordless,
        "hashes": dict(done.hashes),
        "unsupported": dict(done.unsupported),
        "damaged": dict(done.damaged),
        "conflicts": [
            {"id": each.id, "email": each.email, "problem": each.problem} for each in done.conflicts
        ],
        "tokens": dict(done.tokens),
        "providers": dict(done.providers),
        "unfilled": list(done.unfilled),
    }


def _tell(plan: Plan, out: Output, done: Imported, *, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    out.line(
        f"{plan.source.name}, table {plan.table}: {_counted(done.users, 'user')}; {done.imported} {would}"
        f"imported, {done.present} already there, {len(done.conflicts)} left out."
    )
    out.line(
        f"Of those imported: {_counted(done.admins, 'administrator')}, {done.disabled} disabled,"
        f" {done.passwordless} without a password."
    )
    if done.hashes:
        out.line(f"Hashes: {_listed(done.hashes)}.")
    _tell_of_tokens(plan, out, done, would)
    if done.providers:
        out.line(
            f"Identity providers: {_listed(done.providers)}. Gatepost does not support them yet: leave"
            " their table where it is."
        )
    if unreadable := {**done.unsupported, **{f"damaged {kind}": n for kind, n in done.damaged.items()}}:
        out.warn(
            f"These hashes can't be checked, so their users can't sign in by password: {_listed(unreadable)}."
            f" Give them one: {program()} users set-password USER --temporary"
        )
    for column in done.unfilled:
        out.warn(f"users.{column}: {nothing_fills(column)}")
    _tell_of_conflicts(out, done.conflicts)
    out.line(f"Next: {_next(plan, done, dry_run=dry_run)}", style="dim")


def _tell_of_tokens(plan: Plan, out: Output, done: Imported, would: str) -> None:
    if not done.tokens.total():
        return
    rest = "".join(f", {done.tokens[key]} {what}" for key, what in _TOKENS.items() if done.tokens[key])
    out.line(f"Access tokens: {done.tokens['imported']} {would}imported{rest}.")
    if plan.lifetime is None:
        out.warn(
            "Without --lifetime-seconds no access token is imported, and everyone has to sign in once more."
            " Give it the lifetime_seconds of your DatabaseStrategy"
        )


def _tell_of_conflicts(out: Output, conflicts: Sequence[Conflict]) -> None:
    if not conflicts:
        return
    out.warn(f"{_counted(len(conflicts), 'user')} left out. To import one: --email ID=ADDRESS")
    for each in conflicts[:SHOWN]:
        out.note(f"  {each.id}  {each.email or '-'}  {_PROBLEMS[each.problem]}")
    if len(conflicts) > SHOWN:
        out.note(f"  and {len(conflicts) - SHOWN} more; --json lists all")


def _next(plan: Plan, done: Imported, *, dry_run: bool) -> str:
    if dry_run:
        return "run it again without --dry-run"
    if not done.imported:
        return f"{program()} doctor"
    return f"{program()} users list, then change your code: docs/coming-from-{plan.source.name}.md"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _listed(numbers: Mapping[str, int]) -> str:
    """Return what there is of each, most first."""
    most = sorted(numbers.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{name} {number}" for name, number in most)


COMMANDS = (
    Command(
        group="import",
        group_help="Import users from another system.",
        name="fastapi-users",
        run=import_fastapi_users,
        example="gatepost import fastapi-users --from postgresql://localhost/shop --dry-run",
    ),
    Command(
        group="import",
        name="django",
        run=import_django,
        example="gatepost import django --from postgresql://localhost/site --dry-run",
    ),
)
