"""Everything that a server does to its tables, done once to a user who is made for it, and undone."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

from asyncpg import PostgresError

from gatepost.db.pool import Connection
from gatepost.db.rejections import Rejection, is_rejection
from gatepost.errors import AccountInUse
from gatepost.models import (
    PASSWORD,
    AuditAction,
    Bucket,
    Client,
    EndReason,
    NewUser,
    Options,
    Proof,
    User,
    UserId,
)
from gatepost.security.links import StoredLink
from gatepost.security.tokens import StoredToken
from gatepost.settings.rates import Rate
from gatepost.store import (
    challenges,
    endings,
    events,
    failures,
    links,
    profiles,
    refreshes,
    sessions,
    throttles,
    users,
    uses,
)
from gatepost.store.challenges import Purpose

SPAN = timedelta(minutes=5)
"""How long what is made would live."""

_CLIENT = Client(ip_address="192.0.2.1", user_agent="gatepost doctor")  # of RFC 5737, for documentation
HOOK = "hook"
"""What stands in the place of an SQLSTATE where a hook raised something else."""

_HASH = "$2b$12$" + "." * 53


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """What a step ran into.

    Attributes:
        step: what was done, as the end of a sentence that begins with "could not".
        state: PostgreSQL's SQLSTATE, or `HOOK`; empty where nothing failed and a row that was written was not
            there.
        text: what PostgreSQL said.
        table, constraint: what it named; None where it named none.
        is_rejection: a constraint or a trigger had something against the values.
    """

    step: str
    state: str
    text: str
    table: str | None = None
    constraint: str | None = None
    is_rejection: bool = False


class _Hidden(Exception):
    """A row that was just written can't be read or written again."""


class _HookRaised(Exception):
    """A hook of the application raised what is no error of PostgreSQL's."""


OwnColumns: TypeAlias = Callable[[Connection, NewUser], Awaitable[Mapping[str, object]]]

Step: TypeAlias = Callable[[Connection, "Trial"], Awaitable[None]]


@dataclass(slots=True)
class Trial:
    """What the steps hand on to each other.

    Attributes:
        mark: random, so that what is made is nobody else's.
        own_columns: returns what the application puts into its own columns of a new user; None where
            nothing is put there.
        user: who was made.
        stamp: of their credentials.
    """

    mark: str
    own_columns: OwnColumns | None = None
    user: User | None = None
    stamp: UUID | None = None

    @property
    def proof(self) -> Proof:
        """That it is the user who was made."""
        if self.stamp is None:
            raise _Hidden
        return Proof(user_id=self.user_id, methods=(PASSWORD,), stamp=self.stamp, at=None)

    @property
    def user_id(self) -> UserId:
        """Whose rows are worked on."""
        if self.user is None:
            raise _Hidden
        return self.user.id

    def token(self, number: int) -> StoredToken:
        """Return what stands in the place of a token's digest."""
        return StoredToken(f"doctor{number:02}.{self.mark}")


async def rehearse(conn: Connection, *, own_columns: OwnColumns | None = None) -> Mishap | None:
    """Do what a server does, with its own statements, in a transaction that is rolled back.

    Numbers that sequences gave out stay used; nothing else is left behind.
    """
    trial = Trial(mark=os.urandom(16).hex(), own_columns=own_columns)
    async with _undone(conn):
        for step, act in STEPS.items():
            try:
                await act(conn, trial)
            except _Hidden:
                return Mishap(step=step, state="", text="a row that was just written is not to be seen")
            except _HookRaised as error:
                return Mishap(step=step, state=HOOK, text=f"a hook of @auth.on_insert raised {error}")
            except (Rejection, PostgresError, AccountInUse) as error:
                return _mishap(step, error)
    return None


def _mishap(step: str, found: Rejection | PostgresError | AccountInUse) -> Mishap:
    error = found if isinstance(found, PostgresError) else found.__cause__
    if not isinstance(error, PostgresError):
        raise found
    return Mishap(
        step=step,
        state=str(error.sqlstate or ""),
        text=str(error.args[0]),
        table=error.table_name,
        constraint=error.constraint_name,
        is_rejection=is_rejection(error),
    )


@asynccontextmanager
async def _undone(conn: Connection) -> AsyncIterator[None]:
    transaction = conn.transaction()
    await transaction.start()
    try:
        await conn.execute("SET LOCAL lock_timeout = '5s'")
        yield
    finally:
        await transaction.rollback()


async def _register(conn: Connection, trial: Trial) -> None:
    new = NewUser(email=f"doctor-{trial.mark[:12]}@example.com", name="Gatepost Doctor", is_admin=False)
    own = None if trial.own_columns is None else await _filled(trial.own_columns, conn, new)
    trial.user, trial.stamp = await users.insert(
        conn, email=new.email, name=new.name, hashed_password=_HASH, own=own, at=None
    )
    await events.insert(
        conn, AuditAction.USER_REGISTERED, client=_CLIENT, at=None, user_id=trial.user_id, detail={}
    )


async def _filled(own_columns: OwnColumns, conn: Connection, new: NewUser) -> Mapping[str, object]:
    try:
        return await own_columns(conn, new)
    except PostgresError:
        raise
    except Exception as error:
        raise _HookRaised(f"{type(error).__name__}: {error}") from error


async def _check_constraints(conn: Connection, _: Trial) -> None:
    await conn.execute("SET CONSTRAINTS ALL IMMEDIATE")


async def _sign_in(conn: Connection, trial: Trial) -> None:
    if await users.find_credential(conn, f"doctor-{trial.mark[:12]}@example.com", at=None) is None:
        raise _Hidden
    started = await sessions.start(
        conn,
        trial.token(1),
        trial.proof,
        client=_CLIENT,
        remembered=False,
        at=None,
        lifetime=SPAN,
        absolute=SPAN,
    )
    _seen(started is not None)


async def _look_up(conn: Connection, trial: Trial) -> None:
    found = await sessions.lookup(
        conn,
        [trial.token(1)],
        at=None,
        touch_after=timedelta(0),
        idle=None,
        fresh=SPAN,
        lifetime=SPAN,
        grace=SPAN,
    )
    session = found[trial.token(1)].session if found else None
    _seen(session is not None)
    if session is not None:
        now = {session.id: uses.Use(at=session.created_at)}
        _seen(await uses.touch(conn, now, at=None) == 1)


async def _refresh(conn: Connection, trial: Trial) -> None:
    refreshed = await refreshes.refresh(
        conn,
        [trial.token(1)],
        trial.token(2),
        os.urandom(16),
        client=_CLIENT,
        at=None,
        lifetime=SPAN,
        grace=SPAN,
        idle=None,
        fresh=SPAN,
    )
    _seen(refreshed.claimed)


async def _throttle(conn: Connection, trial: Trial) -> None:
    rate = Rate(10, 1, "minute")
    await throttles.charge(
        conn,
        [throttles.Charge(bucket=Bucket.LOGIN_ADDRESS, key=trial.mark, rate=rate)],
        address=None,
        at=None,
    )
    await failures.record(
        conn,
        AuditAction.LOGIN_FAILED,
        client=_CLIENT,
        at=None,
        user_id=trial.user_id,
        session_id=None,
        detail={},
        counts=True,
    )
    await failures.clear(conn, trial.user_id)
    _seen(await throttles.clear(conn, [(Bucket.LOGIN_ADDRESS, trial.mark)]) == 1)


async def _link(conn: Connection, trial: Trial) -> None:
    made = await links.insert(conn, "rehearsal", StoredLink(trial.mark), lifetime=SPAN, at=None)
    _seen(await links.claim(conn, made.id, email="doctor@example.com", at=None))
    await links.use(conn, made.id, trial.user_id, at=None)


async def _wait_for_a_step(conn: Connection, trial: Trial) -> None:
    digest = StoredLink(f"challenge-{trial.mark}")
    await challenges.insert(
        conn, [digest], trial.proof, purpose=Purpose.SIGN_IN, by_cookie=False, lifetime=SPAN, at=None
    )
    await challenges.keep_state(conn, digest, Options(public={}))
    found = await challenges.find(
        conn, [digest], purpose=Purpose.SIGN_IN, by_cookie=False, take=True, at=None
    )
    if found is None or not found.is_good:
        raise _Hidden
    await challenges.put_back(conn, found, tries=1, at=None)


async def _change(conn: Connection, trial: Trial) -> None:
    renamed = await profiles.rename(
        conn, trial.user_id, "Gatepost Doctor II", session_id=0, client=_CLIENT, at=None
    )
    _seen(renamed is not None)
    changed = await users.change_password(conn, trial.proof, _HASH[:-1] + "a", at=None)
    _seen(changed is not None)


async def _end(conn: Connection, trial: Trial) -> None:
    ended = await endings.end_of_user(
        conn, trial.user_id, reason=EndReason.LOGOUT_ALL, client=_CLIENT, at=None
    )
    _seen(ended == 1)


async def _erase(conn: Connection, trial: Trial) -> None:
    _seen(await profiles.erase(conn, trial.user_id, session_id=None, at=None))
    _seen(await users.get(conn, trial.user_id) is None)


def _seen(there: bool) -> None:
    if not there:
        raise _Hidden


STEPS: dict[str, Step] = {
    "register a user": _register,
    "hold what is checked at the commit": _check_constraints,
    "start a session": _sign_in,
    "check a session": _look_up,
    "refresh a session": _refresh,
    "limit attempts": _throttle,
    "make and use a link": _link,
    "wait for one more step of a sign-in": _wait_for_a_step,
    "change a name and a password": _change,
    "end sessions": _end,
    "delete a user": _erase,
}
"""What is done, in this order."""
