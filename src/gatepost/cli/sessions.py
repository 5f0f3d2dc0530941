"""`gatepost sessions`: see who is signed in, and end it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gatepost.cli.users import described
from gatepost.models import Client, SessionFilter, SessionRow
from gatepost.terminal.options import Address, AsJson, Limit, OlderThan, UnusedFor, UserArgument, Yes, confirm
from gatepost.terminal.output import Output, program, progress_bar
from gatepost.terminal.running import act_on, run

if TYPE_CHECKING:
    from gatepost.gate import Gate
    from gatepost.services.housekeeping import Cleaned

app = typer.Typer(name="sessions", help="List and end sessions.", no_args_is_help=True)

_COLUMNS = {
    "id": "Id",
    "session_token": "Token",
    "user_id": "User",
    "last_used_at": "Last used",
    "expires_at": "Expires",
    "ip_address": "Address",
    "user_agent": "User agent",
}


def _session_data(row: SessionRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "session_token": f"{row.token_hint}...",
        "user_id": row.user_id,
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
        "expires_at": row.expires_at,
        "ip_address": row.ip_address,
        "user_agent": row.user_agent,
    }


@app.command("list", epilog="Example: gatepost sessions list ada@example.com")
def list_sessions(
    user: Annotated[
        str | None, typer.Argument(metavar="[USER]", help="E-mail or ID  [default: everyone's]")
    ] = None,
    *,
    address: Address = None,
    older_than: OlderThan = None,
    unused_for: UnusedFor = None,
    limit: Limit = 100,
    before: Annotated[int | None, typer.Option(min=1, help="Only sessions with a lower ID.")] = None,
    as_json: AsJson = False,
) -> None:
    """List live sessions page by page, newest first: everyone's, one user's, or those of a filter."""
    out = Output(as_json=as_json)
    plain = address is None and older_than is None and unused_for is None

    async def work(gate: "Gate") -> list[SessionRow]:
        wanted = await _filter(gate, user, address, older_than, unused_for)
        page = await gate.oversight.page(wanted, before=before, limit=limit + 1)
        return [seen.row for seen in page]

    found = run(out, "sessions list", work, about=_about(user, address))
    listed = found[:limit]
    rows = [_session_data(row) for row in listed]
    more = listed[-1].id if len(found) > len(listed) else None
    out.table(
        {"sessions": rows, "next_before": more},
        rows,
        _COLUMNS,
        empty="No live sessions.",
        then=_after_list(rows, more, plain=plain and user is None),
    )


async def _filter(
    gate: "Gate", user: str | None, address: str | None, older_than: int | None, unused_for: int | None
) -> SessionFilter:
    """Return what the options ask for.

    Raises:
        NotFound: there is no such user.
    """
    user_id = None if user is None else (await gate.administration.find(user)).id
    return SessionFilter.by_age(
        gate.now(), user_id=user_id, address=address, older_than=older_than, unused_for=unused_for
    )


def _about(user: str | None, address: str | None) -> dict[str, Any]:
    return {name: value for name, value in (("user", user), ("address", address)) if value is not None}


def _after_list(rows: list[dict[str, Any]], more: int | None, *, plain: bool) -> str | None:
    if more is not None:
        return f"{program()} sessions list --before {more}" + ("" if plain else ", with the same options")
    return f"{program()} sessions revoke ID ends one" if rows else None


@app.command(epilog="Example: gatepost sessions revoke 42")
def revoke(
    session_id: Annotated[int, typer.Argument(metavar="ID", min=1, max=2**31 - 1, help="ID, as listed.")],
    *,
    as_json: AsJson = False,
) -> None:
    """End one sign-in: the session, or the one it was refreshed to."""
    out = Output(as_json=as_json)

    async def work(gate: "Gate") -> int:
        return await gate.oversight.end(session_id, client=Client())

    revoked = run(out, "sessions revoke", work, about={"wanted_session": session_id})
    out.done(
        {"session": session_id, "sessions_revoked": revoked},
        f"Ended session {session_id}. Its token no longer works.",
        then=f"{program()} events list",
    )


@app.command(epilog="Example: gatepost sessions revoke-all ada@example.com")
def revoke_all(user: UserArgument, *, as_json: AsJson = False) -> None:
    """End all sessions of a user."""
    out = Output(as_json=as_json)
    found, revoked = act_on(
        out,
        "sessions revoke-all",
        user,
        lambda gate, one: gate.administration.end_sessions(one, client=Client()),
    )
    out.done(
        {"user_id": found.id, "sessions_revoked": revoked},
        f"Ended {revoked} session{'' if revoked == 1 else 's'} of {described(found)}.",
        then=f"{program()} users disable {found.email} prevents them from signing in again",
    )


@app.command(epilog="Example: gatepost sessions revoke-matching --address 203.0.113.0/24")
def revoke_matching(
    *,
    user: Annotated[str | None, typer.Option(metavar="USER", help="Of this user (e-mail or ID).")] = None,
    address: Address = None,
    older_than: OlderThan = None,
    unused_for: UnusedFor = None,
    everybody: Annotated[bool, typer.Option("--everybody", help="All sessions.")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Count the sessions of a filter, ask for confirmation, and end all of them or none."""
    out = Output(as_json=as_json)
    if everybody == any(option is not None for option in (user, address, older_than, unused_for)):
        raise typer.BadParameter("Use --user, --address, --older-than or --unused-for, or else --everybody")
    about = _about(user, address)

    async def count(gate: "Gate") -> tuple[SessionFilter, int]:
        wanted = await _filter(gate, user, address, older_than, unused_for)
        return wanted, await gate.oversight.count(wanted)

    wanted, expected = run(out, "sessions revoke-matching", count, about=about)
    if expected:
        confirm(f"End {_sessions(expected)}?", yes=yes)

    async def work(gate: "Gate") -> int:
        return await gate.oversight.end_all(wanted, expected=expected, client=Client())

    revoked = run(out, "sessions revoke-matching", work, about=about)
    out.done({"sessions_revoked": revoked}, f"Ended {_sessions(revoked)}.", then=f"{program()} events list")


def _sessions(number: int) -> str:
    return f"{number} session{'' if number == 1 else 's'}"


@app.command(epilog="Example: gatepost sessions cleanup")
def cleanup(*, as_json: AsJson = False) -> None:
    """End expired sessions, and purge those that ended more than SESSION_HISTORY_DAYS ago."""
    out = Output(as_json=as_json)

    async def work(gate: "Gate") -> "Cleaned":
        expired = await gate.housekeeping.count_expired()
        with progress_bar() as bar:
            tasks = {
                "expired": bar.add_task("Ending expired sessions", total=expired),
                "purged": bar.add_task("Purging old sessions", total=None),
            }
            return await gate.housekeeping.run(
                client=Client(), progress=lambda what, rows: bar.advance(tasks[what], rows)
            )

    cleaned = run(out, "sessions cleanup", work)
    out.done(
        {"sessions_expired": cleaned.expired, "sessions_purged": cleaned.purged},
        f"Ended {cleaned.expired} expired sessions, purged {cleaned.purged} old ones.",
        then="nothing; the server does this every CLEANUP_INTERVAL_SECONDS",
    )
