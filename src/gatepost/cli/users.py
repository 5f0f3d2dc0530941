"""`gatepost users`: make users and change what they are."""

import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepost.errors import ValidationFailed
from gatepost.models import Client, Lack, User, utc_text
from gatepost.terminal.options import (
    AsJson,
    Limit,
    PasswordStdin,
    UserArgument,
    Yes,
    asked,
    asked_password,
    confirm,
)
from gatepost.terminal.output import Output, program
from gatepost.terminal.running import act_on, application, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatepost.gate import Gate
    from gatepost.services.directory import UserPage

app = typer.Typer(name="users", help="Create and manage users.", no_args_is_help=True)


class Role(StrEnum):
    """What users may be."""

    ADMIN = "admin"
    USER = "user"


class Status(StrEnum):
    """How users may be."""

    ACTIVE = "active"
    DISABLED = "disabled"


_COLUMNS = {
    "id": "Id",
    "email": "E-mail",
    "name": "Name",
    "is_admin": "Admin",
    "is_active": "Active",
    "created_at": "Created",
}


def user_data(user: User) -> dict[str, Any]:
    """Return a user as JSON shows one."""
    return {key: getattr(user, key) for key in _COLUMNS}


def described(user: User) -> str:
    """Return a user in a sentence."""
    return f"{user.email} (id {user.id})"


@app.command(epilog="Example: gatepost users create --email ada@example.com --name Ada --admin")
def create(
    *,
    email: Annotated[str | None, typer.Option(help="Asked for if omitted.")] = None,
    name: Annotated[str | None, typer.Option(help="Asked for if omitted.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Make the user an administrator.")] = False,
    field: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="A field that the application of --app asks for; repeatable."
        ),
    ] = None,
    password_stdin: PasswordStdin = False,
    as_json: AsJson = False,
) -> None:
    """Create a user. The password is asked for twice, or read by --password-stdin."""
    out = Output(as_json=as_json)
    email = asked(email, "E-mail", "--email")
    name = asked(name, "Name", "--name")
    password = asked_password(stdin=password_stdin)

    given = dict(_parted(each) for each in field or ())

    async def work(gate: "Gate") -> User:
        fields, problems = gate.own_fields.read(given) if given else (None, {})
        if problems:
            raise ValidationFailed(problems)
        return await gate.administration.create(
            email=email, name=name, password=password, is_admin=admin, client=Client(), fields=fields
        )

    user = run(out, "users create", work, about={"email": email})
    kind = "administrator" if admin else "user"
    out.done(
        {"user": user_data(user)},
        f"Created the {kind} {described(user)}.",
        then="they sign in with this password",
    )


def _parted(field: str) -> tuple[str, str]:
    name, equals, value = field.partition("=")
    if not equals:
        raise typer.BadParameter(f"--field is NAME=VALUE, such as company=Acme, not {name}")
    if application.get() is None:
        raise typer.BadParameter(
            "--field is for an application's own: gatepost --app MODULE:NAME users create"
        )
    return name, value


@app.command("list", epilog="Example: gatepost users list --limit 50 --after 100")
def list_users(
    *,
    limit: Limit = 100,
    after: Annotated[str | None, typer.Option(metavar="ID", help="Only users with a higher ID.")] = None,
    search: Annotated[
        str | None, typer.Option(help="Only users whose e-mail or name starts with this, or has it inside.")
    ] = None,
    role: Annotated[Role | None, typer.Option(help="Only these.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only these.")] = None,
    lacks: Annotated[
        Lack | None, typer.Option(help="Only users without a second factor, or who never signed in.")
    ] = None,
    cursor: Annotated[str | None, typer.Option(help="Cursor of the previous page of a search.")] = None,
    as_json: AsJson = False,
) -> None:
    """List users by ID; a search lists matches by e-mail first, then by name."""
    out = Output(as_json=as_json)
    given = {"--search": search, "--role": role, "--status": status, "--lacks": lacks, "--cursor": cursor}
    if any(value is not None for value in given.values()):
        if after:
            raise typer.BadParameter("--after can't be combined with a search; use --cursor")
        _search(out, given, limit)
        return

    async def work(gate: "Gate") -> list[User]:
        start = None if after is None else gate.user_ids.parse(after)
        if after is not None and start is None:
            raise ValidationFailed({"--after": "Enter the ID of a user"})
        return await gate.administration.page(after=start, limit=limit + 1)

    found = run(out, "users list", work)
    rows = [user_data(user) for user in found[:limit]]
    more = rows[-1]["id"] if len(found) > limit else None
    out.table(
        {"users": rows, "next_after": more},
        rows,
        _COLUMNS,
        empty="No users.",
        then=f"{program()} users list --after {more}" if more else None,
    )


def _search(out: Output, given: "Mapping[str, str | None]", limit: int) -> None:
    role, status, lacks, cursor = (given[name] for name in ("--role", "--status", "--lacks", "--cursor"))

    async def work(gate: "Gate") -> "UserPage":
        from gatepost.services.directory import UserCursor, UserFilter

        return await gate.administration.search(
            UserFilter(
                text=given["--search"] or "",
                is_admin=None if role is None else role == Role.ADMIN,
                is_active=None if status is None else status == Status.ACTIVE,
                lacks=None if lacks is None else Lack(lacks),
            ),
            after=None if cursor is None else UserCursor.parse(cursor),
            limit=limit,
        )

    found = run(out, "users list", work)
    rows = [user_data(user) for user in found.users]
    more = None if found.next_cursor is None else str(found.next_cursor)
    again = [f"{name} {shlex.quote(value)}" for name, value in given.items() if value and name != "--cursor"]
    out.table(
        {"users": rows, "next_cursor": more},
        rows,
        _COLUMNS,
        empty="No matching users.",
        then=" ".join([program(), "users list", *again, "--cursor", more]) if more else None,
    )


@app.command(epilog="Example: gatepost users show ada@example.com")
def show(user: UserArgument, *, as_json: AsJson = False) -> None:
    """Show one user, with the number of live sessions."""
    out = Output(as_json=as_json)
    found, sessions = act_on(
        out, "users show", user, lambda gate, one: gate.session_tokens.count_active(one.id)
    )
    data = user_data(found) | {"active_sessions": sessions}
    out.table(
        {"user": data},
        [data],
        _COLUMNS | {"active_sessions": "Sessions"},
        empty="",
        then=f"{program()} sessions list {found.email}" if sessions else None,
    )


@app.command(epilog="Example: gatepost users promote ada@example.com")
def promote(user: UserArgument, *, as_json: AsJson = False) -> None:
    """Make a user an administrator, with effect from their next request."""
    _set_admin("promote", user, is_admin=True, as_json=as_json)


@app.command(epilog="Example: gatepost users demote ada@example.com")
def demote(user: UserArgument, *, as_json: AsJson = False) -> None:
    """Remove administrator rights, with effect from the next request."""
    _set_admin("demote", user, is_admin=False, as_json=as_json)


@app.command(epilog="Example: gatepost users disable ada@example.com")
def disable(user: UserArgument, *, as_json: AsJson = False) -> None:
    """Disable a user: ends all their sessions and refuses further sign-ins."""
    _set_active("disable", user, is_active=False, as_json=as_json)


@app.command(epilog="Example: gatepost users enable ada@example.com")
def enable(user: UserArgument, *, as_json: AsJson = False) -> None:
    """Enable a disabled user again."""
    _set_active("enable", user, is_active=True, as_json=as_json)


@app.command(epilog="Example: pwgen 20 1 | gatepost users set-password ada@example.com --password-stdin")
def set_password(
    user: UserArgument,
    *,
    password_stdin: PasswordStdin = False,
    temporary: Annotated[
        bool,
        typer.Option("--temporary", help="Generate and print one that must be changed at the next sign-in."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Set a new password for a user, which ends all their sessions."""
    out = Output(as_json=as_json)
    if temporary:
        if password_stdin:
            raise typer.BadParameter(
                "Don't combine --temporary with --password-stdin: the password is generated"
            )
        _set_temporary_password(out, user)
        return
    password = asked_password(stdin=password_stdin)
    found, _ = act_on(
        out,
        "users set-password",
        user,
        lambda gate, one: gate.administration.set_password(one, password, client=Client()),
    )
    out.done(
        {"user": user_data(found)},
        f"{described(found)} has a new password, and all their sessions were ended.",
        then="they sign in with the new password",
    )


def _set_temporary_password(out: Output, user: str) -> None:
    found, made = act_on(
        out,
        "users set-password",
        user,
        lambda gate, one: gate.administration.set_temporary_password(one, client=Client()),
    )
    out.done(
        {"user": user_data(found), "password": made.password, "expires_at": made.expires_at},
        f"{described(found)} can sign in with {made.password} until {utc_text(made.expires_at)}, "
        "and every session of theirs is ended.",
        then="they sign in with it and then choose their own",
    )


@app.command(epilog="Example: gatepost users unlock ada@example.com")
def unlock(user: UserArgument, *, as_json: AsJson = False) -> None:
    """Unlock a user: reset consecutive failures, so that the password works from anywhere again."""
    out = Output(as_json=as_json)
    found, _ = act_on(
        out, "users unlock", user, lambda gate, one: gate.administration.unlock(one, client=Client())
    )
    out.done(
        {"user": user_data(found)},
        f"{described(found)} can sign in from anywhere again.",
        then=f"{program()} events list --user {found.id} shows the attempts",
    )


@app.command(
    "reset-factors", epilog="Example: gatepost users reset-factors ada@example.com --reason 'lost phone'"
)
def reset_factors(
    user: UserArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")],
    as_json: AsJson = False,
) -> None:
    """Remove the second factors of somebody who lost theirs. This ends all their sessions."""
    out = Output(as_json=as_json)

    async def work(gate: "Gate", one: User) -> "tuple[str, ...]":
        return await gate.factors.reset(one, reason=reason, client=Client())

    one, removed = act_on(out, "users reset-factors", user, work)
    out.done(
        {"user": user_data(one), "removed": list(removed)},
        f"Removed from {described(one)}: {', '.join(removed)}.",
        then="they sign in with their password alone",
    )


@app.command(epilog="Example: gatepost users delete ada@example.com --yes")
def delete(user: UserArgument, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Delete a user and all their sessions; the audit trail is kept, without their identity."""
    out = Output(as_json=as_json)
    confirm(f"Delete {user} and all their sessions?", yes=yes)

    async def erase(gate: "Gate", one: User) -> bool:
        await gate.administration.delete(one, client=Client())
        return await gate.administration.has_admin()

    found, has_admin = act_on(out, "users delete", user, erase)
    out.done(
        {"user": user_data(found), "deleted": True},
        f"Deleted {described(found)}.",
        then=f"{program()} events list --user {found.id} shows their activity",
    )
    _warn_of_no_admin(out, has_admin=has_admin)


def _set_admin(verb: str, user: str, *, is_admin: bool, as_json: bool) -> None:
    out = Output(as_json=as_json)

    async def work(gate: "Gate") -> tuple[User, bool, bool]:
        found = await gate.administration.find(user)
        changed = await gate.administration.set_admin(found, is_admin=is_admin, client=Client())
        return await gate.administration.find(str(found.id)), changed, await gate.administration.has_admin()

    found, changed, has_admin = run(out, f"users {verb}", work, about={"user": user})
    state = "an administrator" if is_admin else "not an administrator"
    text = f"{described(found)} is {state}" + (
        ", with effect from the next request." if changed else " already."
    )
    out.done(
        {"user": user_data(found), "changed": changed}, text, then=f"{program()} users show {found.email}"
    )
    _warn_of_no_admin(out, has_admin=has_admin)


def _set_active(verb: str, user: str, *, is_active: bool, as_json: bool) -> None:
    out = Output(as_json=as_json)

    async def work(gate: "Gate") -> tuple[User, bool, bool]:
        found = await gate.administration.find(user)
        changed = await gate.administration.set_active(found, is_active=is_active, client=Client())
        return await gate.administration.find(str(found.id)), changed, await gate.administration.has_admin()

    found, changed, has_admin = run(out, f"users {verb}", work, about={"user": user})
    done = "can sign in" if is_active else "is disabled, and all their sessions were ended"
    text = f"{described(found)} {done}." if changed else f"Nothing to change: {described(found)} {done}."
    out.done(
        {"user": user_data(found), "changed": changed}, text, then=f"{program()} users show {found.email}"
    )
    _warn_of_no_admin(out, has_admin=has_admin)


def _warn_of_no_admin(out: Output, *, has_admin: bool) -> None:
    if not has_admin:
        out.warn(f"No active administrator is left. To make one: {program()} users promote USER")
