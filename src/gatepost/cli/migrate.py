"""`gatepost migrate`: bring the database to the newest schema."""

import asyncio
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from gatepost.doctor import effects
from gatepost.errors import DatabaseUnfit
from gatepost.feature import schemas_of
from gatepost.models import UserIdType
from gatepost.terminal.connection import configured_dsn, connected, location
from gatepost.terminal.options import AsJson
from gatepost.terminal.output import Output, program
from gatepost.terminal.running import application, in_use, load_settings

if TYPE_CHECKING:
    from gatepost.db.migrate import Migrated
    from gatepost.settings import Settings


def migrate(
    *,
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL without touching a database.")] = False,
    grants: Annotated[
        str | None,
        typer.Option(
            "--grants",
            metavar="ROLE",
            help="Print the minimum rights that ROLE needs to run the server, without touching a database.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create or update the tables. A database that doesn't exist is created, if the role may do that."""
    out = Output(as_json=as_json)
    if sql and grants is not None:
        raise typer.BadParameter("Use either --sql or --grants")
    if sql:
        print_sql(out, load_settings())
        return
    if grants is not None:
        print_grants(out, load_settings(), grants)
        return
    settings = load_settings()
    with configured_dsn(settings) as dsn:
        created, migrated = asyncio.run(bring_up(settings, dsn, out))
    report(out, settings, created=created, migrated=migrated)


async def bring_up(settings: "Settings", dsn: str, out: Output) -> "tuple[bool, Migrated]":
    """Create the database where there is none and migrate it; say whether it was created, and what was done.

    Raises:
        SetupError: as `gatepost.db.migrate` does.
    """
    from gatepost.db import migrate as schema
    from gatepost.db.patience import patiently
    from gatepost.services import emails

    patience = settings.database_start_seconds
    created = await patiently(lambda: schema.ensure_database(dsn), seconds=patience, on_wait=out.waiting)
    ids, features = UserIdType(settings.user_id_type), schemas_of(in_use.get())
    migrated = await schema.migrate(dsn, ids, features=features, schema=settings.database_schema)
    found: list[str] = []
    with suppress(DatabaseUnfit):  # a role that may not look is told by doctor
        async with connected(dsn) as conn:
            if migrated.applied:
                await emails.settle(conn)
            found = await effects.adopted(conn, is_new=bool(migrated.applied))
            found += await effects.found_by_features(conn, settings, in_use.get())
    warnings = [each for each in migrated.warnings if not _is_about(each, _filled_columns())]
    return created, replace(migrated, warnings=(*warnings, *found))


def _filled_columns() -> list[str]:
    """Return the columns of `users` that hooks of the application fill; none where it is not known."""
    gate = application.get()
    return [] if gate is None else gate.hooks.columns


def _is_about(warning: str, columns: list[str]) -> bool:
    return warning.startswith(
        tuple(f"users.{name} is NOT NULL" for column in columns for name in (column, f'"{column}"'))
    )


def report(out: Output, settings: "Settings", *, created: bool, migrated: "Migrated") -> None:
    """Say what was done, and what the owner of an adopted table should know."""
    for warning in migrated.warnings:
        out.warn(warning)
    where = location(settings)
    text = f"Created the database {where}. " if created else ""
    if not migrated.applied:
        text += f"Nothing to do: the database ({where}) is at version {migrated.after}."
    elif migrated.before is None:
        text += f"Created the schema, version {migrated.after} ({where})."
    elif migrated.before == migrated.after:
        text += f"Migrated the tables of features: {', '.join(migrated.applied)} ({where})."
    else:
        text += f"Migrated from version {migrated.before} to {migrated.after} ({where})."
    out.done(
        {
            "database": where,
            "created": created,
            "before": migrated.before,
            "after": migrated.after,
            "applied": list(migrated.applied),
            "warnings": list(migrated.warnings),
        },
        text,
        then="start your application"
        if application.get()
        else f"{program()} serve, or start your application",
    )


def print_sql(out: Output, settings: "Settings") -> None:
    """Print the whole schema as SQL, with users' ids of the type USER_ID_TYPE."""
    from gatepost.db import migrate as schema

    ids, features = UserIdType(settings.user_id_type), schemas_of(in_use.get())
    _print(out, schema.render_sql(ids, features=features, schema=settings.database_schema))


def print_grants(out: Output, settings: "Settings", role: str) -> None:
    """Print the rights of the role that the server signs in as.

    Raises:
        ValidationFailed: that is no role's name.
    """
    from gatepost.db.grants import render_grants

    schemas, schema = schemas_of(in_use.get()), settings.database_schema
    _print(out, render_grants(role, schemas, schema=schema, own_columns=_filled_columns()))
    if not out.as_json:
        out.note(
            "Next: have the owner of the tables run this with psql -v ON_ERROR_STOP=1, set DATABASE_URL to"
            f" sign in as {role}, and check its rights with {program()} doctor"
        )


def _print(out: Output, text: str) -> None:
    if out.as_json:
        out.document({"sql": text})
    else:
        sys.stdout.write(text.rstrip("\n") + "\n")
