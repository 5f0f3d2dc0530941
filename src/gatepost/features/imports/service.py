"""Imports: users of another system's tables, with their ids, their hashes and their live tokens."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence, Set
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gatepost.db.faults import translating
from gatepost.db.pool import Connection, Database
from gatepost.errors import InvalidSession, RejectedByDatabase, ValidationFailed
from gatepost.features.imports import foreign, store
from gatepost.features.imports.actions import ImportAction
from gatepost.features.imports.plan import Admins, Conflict, Imported, Plan, Problem, nothing_fills
from gatepost.features.imports.sources import FLAG_TYPES, FLAGS, Person
from gatepost.models import PASSWORD, Client, NewUser, UserId, UserIdType, as_json
from gatepost.security import hashes
from gatepost.security.emails import canonical_email, canonical_name, email_key
from gatepost.security.tokens import TokenCodec
from gatepost.services.audit import BY_COMMAND
from gatepost.services.clock import Clock
from gatepost.services.hooks import USERS_COLUMNS, Hooks
from gatepost.services.lifetimes import Lifetimes
from gatepost.services.steps import Steps
from gatepost.store import events as event_store
from gatepost.store import users as user_store

BATCH = 500
"""Users of one transaction."""

_PREFIX = re.compile(r"[$]?[A-Za-z0-9_-]{1,24}[$:]|\{[A-Za-z0-9_-]{1,24}\}")
"""How a hash of an unknown kind begins; the rest of it is nobody's business."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    """A user who has an id and an e-mail here."""

    id: UserId
    email: str
    person: Person


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """Where the other system is."""

    conn: Connection
    users: foreign.Table
    tokens: foreign.Table | None
    providers: foreign.Table | None


class Imports:
    """Imports users.

    Args:
        database: where they go.
        tokens: makes the stored form of a token.
        clock: what time it is.
        lifetimes: how long sessions live.
        hooks: fill columns of the application's own (`on_insert`); no others are called.
        steps: what is due after a password.
    """

    def __init__(
        self,
        database: Database,
        *,
        tokens: TokenCodec,
        clock: Clock,
        lifetimes: Lifetimes,
        hooks: Hooks,
        steps: Steps,
    ) -> None:
        self._database = database
        self._hooks = hooks
        self._steps = steps
        self._tokens = tokens
        self._clock = clock
        self._absolute = lifetimes.absolute

    async def run(
        self, plan: Plan, *, dry_run: bool, on_batch: Callable[[int, int], None] | None = None
    ) -> Imported:
        """Import users, in batches of a transaction each; who is here already is passed over.

        Args:
            plan: what is to be imported.
            dry_run: look at everything and write nothing.
            on_batch: told how many users are behind, and how many there are.

        Raises:
            ValidationFailed: there is no such table, its ids don't fit those here, an e-mail is given for
                nobody, or nothing fills a column that must have a value.
            DatabaseUnreachable, DatabaseUnfit: the other database is away, or refuses to be read.
        """
        done = Imported()
        async with self._database.connection() as conn:
            done.unfilled = await store.unfilled(conn, [*USERS_COLUMNS, *self._hooks.columns])
        async with self._opened(plan) as tables:
            with translating():
                done.users = await foreign.count(tables.conn, tables.users)
                if tables.providers is not None:
                    column = plan.source.providers[1]
                    done.providers = await foreign.count_by(tables.conn, tables.providers, column)
            emails = await _gathered(plan, tables)
            if not dry_run:
                await self._reserve(tables)
            behind = 0
            async for page in _pages(plan, tables):
                with _explaining(done.unfilled):
                    await self._batch(plan, tables, page, emails, done, dry_run=dry_run)
                behind += len(page)
                if on_batch is not None:
                    on_batch(behind, done.users)
        return done

    async def _reserve(self, tables: _Tables) -> None:
        """Have nobody who registers meanwhile, or after an import that was ended, get an id of theirs."""
        most = self._database.user_ids.highest
        if most is None:
            return
        with translating():
            highest = await foreign.highest_id(tables.conn, tables.users, most=most)
        if highest is not None:
            async with self._database.connection() as conn:
                await store.raise_sequence(conn, highest)

    @asynccontextmanager
    async def _opened(self, plan: Plan) -> AsyncIterator[_Tables]:
        database = Database(plan.dsn or self._database.dsn, size=1, timeout=None, standby_ok=True)
        await database.open()
        try:
            # All that is read is of one moment, however long it takes.
            async with (
                database.connection() as conn,
                conn.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield await self._found(plan, conn)
        finally:
            await database.close()

    async def _found(self, plan: Plan, conn: Connection) -> _Tables:
        schema, _, name = plan.table.rpartition(".")
        with translating():
            users = await foreign.find_table(conn, name, schema or None)
            if users is None:
                raise ValidationFailed({"--table": f"There is no table {plan.table} in that database"})
            tokens = (
                await foreign.find_table(conn, plan.source.tokens, users.schema)
                if plan.source.tokens
                else None
            )
            providers = await foreign.find_table(conn, plan.source.providers[0], users.schema)
        if missing := plan.source.columns - users.columns:
            raise ValidationFailed(
                {"--table": f"{plan.table} is no table of {plan.source.name}: it has no {min(missing)}"}
            )
        for name in sorted(FLAGS & users.columns):
            if users.types[name] not in FLAG_TYPES:
                raise ValidationFailed(
                    {"--table": f"{name} of {plan.table} is {users.types[name]}: make it boolean first"}
                )
        theirs, ours = foreign.ID_TYPES.get(users.id_type or ""), self._database.user_ids
        if theirs is None or (theirs.highest is None) != (ours.highest is None) or _is_uuid(theirs, ours):
            raise ValidationFailed(
                {
                    "--table": f"The IDs of {plan.table} are {users.id_type}, those of Gatepost's users"
                    f" {ours}. Set USER_ID_TYPE before gatepost migrate makes the tables"
                }
            )
        return _Tables(conn=conn, users=users, tokens=tokens, providers=providers)

    async def _batch(
        self,
        plan: Plan,
        tables: _Tables,
        people: Sequence[Person],
        emails: Counter[str],
        done: Imported,
        *,
        dry_run: bool,
    ) -> None:
        arrivals = [
            arrival for person in people if (arrival := self._arrival(plan, person, emails, done.conflicts))
        ]
        tokens: list[foreign.Token] = []
        if tables.tokens is not None:
            ids = [str(person.id) for person in people]
            with translating():
                tokens = await foreign.tokens_of(tables.conn, tables.tokens, tables.users, ids)
        async with self._database.transaction() as conn:
            new, here = await self._split(conn, arrivals, done)
            batch = _judged(plan, new)
            known = {each.id for each in here.values()} - {each.id for each in new}
            sessions = await self._sessions(conn, plan, here, known, tokens, done)
            if not dry_run:
                await self._write(conn, plan, tables, batch, sessions)
        done.imported += batch.users
        done.admins += batch.admins
        done.disabled += batch.disabled
        done.passwordless += batch.passwordless
        done.hashes += batch.hashes
        done.unsupported += batch.unsupported
        done.damaged += batch.damaged
        done.tokens["imported"] += len(sessions)

    def _arrival(
        self, plan: Plan, person: Person, emails: Counter[str], conflicts: list[Conflict]
    ) -> _Arrival | None:
        """Return a user with the id and the e-mail that they have here; what stands against it is noted."""
        user_id = self._database.user_ids.of_json(person.id)
        email, problem = _email(plan, person)
        if user_id is None:
            problem = Problem.ID_UNFIT
        elif email is not None and emails[email] > 1:
            problem = Problem.SAME_EMAIL
        if problem is not None or user_id is None or email is None:
            conflicts.append(Conflict(id=person.id, email=person.email, problem=problem or Problem.NO_EMAIL))
            return None
        return _Arrival(id=user_id, email=email, person=person)

    async def _split(
        self, conn: Connection, arrivals: Sequence[_Arrival], done: Imported
    ) -> tuple[list[_Arrival], dict[str, _Arrival]]:
        """Return who is new, and all who will be here by their ids as text; others are conflicts."""
        held = await store.holders(conn, [each.id for each in arrivals], [each.email for each in arrivals])
        by_id, by_email = {each.id: each.key for each in held}, {each.key: each.id for each in held}
        new, here = [], {}
        for each in arrivals:
            if by_id.get(each.id) == each.email:
                done.present += 1
            elif each.id in by_id or each.email in by_email:
                problem = Problem.ID_TAKEN if each.id in by_id else Problem.EMAIL_TAKEN
                person = each.person
                done.conflicts.append(Conflict(id=person.id, email=person.email, problem=problem))
                continue
            else:
                new.append(each)
            here[str(each.person.id)] = each
        return new, here

    async def _sessions(
        self,
        conn: Connection,
        plan: Plan,
        here: Mapping[str, _Arrival],
        present: Set[UserId],
        tokens: Sequence[foreign.Token],
        done: Imported,
    ) -> list[dict[str, Any]]:
        """Return the rows of sessions that go on by the tokens of these users.

        A token stands for a password. Who was here before may have to prove more by now.
        """
        now = self._clock() or datetime.now(UTC)
        forms = {each.token: self._forms(each.token) for each in tokens}
        known = await store.known_tokens(conn, [form for each in forms.values() for form in each])
        rows = []
        for token in tokens:
            user = here.get(token.user_id)
            stored = forms[token.token]
            if user is None or not user.person.is_active or plan.lifetime is None:
                done.tokens["left"] += 1
                continue
            if not stored or token.created_at is None:
                done.tokens["unfit"] += 1
                continue
            began = min(token.created_at, now)
            end = began + plan.lifetime if plan.lifetime else now + self._absolute
            if known.intersection(stored):
                done.tokens["present"] += 1
            elif end <= now:
                done.tokens["expired"] += 1
            elif user.id in present and await self._steps.after(conn, user.id, PASSWORD) is not None:
                done.tokens["left"] += 1
            else:
                known.update(stored)
                rows.append(
                    {
                        "session_token": stored[0],
                        "user_id": as_json(user.id),
                        "created_at": began.isoformat(),
                        "expires_at": end.isoformat(),
                        "absolute_expires_at": max(end, began + self._absolute).isoformat(),
                    }
                )
        return rows

    def _forms(self, token: str) -> tuple[Any, ...]:
        try:
            return self._tokens.parse(token)
        except InvalidSession:
            return ()

    async def _write(
        self,
        conn: Connection,
        plan: Plan,
        tables: _Tables,
        batch: "_Batch",
        sessions: Sequence[dict[str, Any]],
    ) -> None:
        at = self._clock()
        if batch.rows:
            if batch.admins:
                await user_store.lock_admins(conn)
            if self._hooks.columns:
                rows = [{**row, "own": await self._own_columns(conn, row)} for row in batch.rows]
                await store.insert_users_with(conn, rows, at=at)
            else:
                await store.insert_users(conn, batch.rows, at=at)
        started = await store.insert_sessions(conn, sessions, at=at) if sessions else 0
        if batch.rows or started:
            detail = {
                **BY_COMMAND,
                "source": plan.source.name,
                "table": tables.users.name,
                "users": batch.users,
                "admins": batch.admins,
                "disabled": batch.disabled,
                "sessions": started,
                "hashes": dict(batch.hashes),
                "unsupported": dict(batch.unsupported),
                "damaged": dict(batch.damaged),
            }
            await event_store.insert(conn, ImportAction.IMPORTED, client=Client(), at=at, detail=detail)

    async def _own_columns(self, conn: Connection, row: Mapping[str, Any]) -> dict[str, object]:
        new = NewUser(email=row["email"], name=row["name"], is_admin=row["is_admin"], fields=None)
        return await self._hooks.own_columns(conn, new)


@dataclass(slots=True, kw_only=True)
class _Batch:
    """Rows of users, and what is to be said of them."""

    rows: list[dict[str, Any]] = field(default_factory=list, repr=False)
    admins: int = 0
    disabled: int = 0
    passwordless: int = 0
    hashes: Counter[str] = field(default_factory=Counter)
    unsupported: Counter[str] = field(default_factory=Counter)
    damaged: Counter[str] = field(default_factory=Counter)

    @property
    def users(self) -> int:
        return len(self.rows)


def _judged(plan: Plan, arrivals: Sequence[_Arrival]) -> _Batch:
    batch = _Batch()
    for each in arrivals:
        person = each.person
        is_admin = (plan.admins is not Admins.NONE and person.is_superuser) or (
            plan.admins is Admins.STAFF and person.is_staff
        )
        batch.admins += is_admin
        batch.disabled += not person.is_active
        _count_hash(batch, person.hashed_password)
        batch.rows.append(
            {
                "id": as_json(each.id),
                "email": each.email,
                "email_key": email_key(each.email),
                "name": _name(person, each.email),
                "hashed_password": person.hashed_password,
                "is_admin": is_admin,
                "is_active": person.is_active,
                "created_at": None if person.created_at is None else person.created_at.isoformat(),
                "email_verified_at": _verified_at(plan, person),
            }
        )
    return batch


def _verified_at(plan: Plan, person: Person) -> str | None:
    # When that was nobody knows; an e-mail that is given here was proven by nobody.
    is_theirs = person.is_verified and str(person.id) not in plan.emails
    return (person.created_at or datetime.now(UTC)).isoformat() if is_theirs else None


def _count_hash(batch: _Batch, stored: str | None) -> None:
    if stored is None:
        batch.passwordless += 1
        return
    try:
        hashes.read(stored)
    except hashes.UnsupportedHash:
        found = _PREFIX.match(stored)
        batch.unsupported[found[0] if found else "another form"] += 1
    except hashes.CorruptHash:
        batch.damaged[hashes.name_of(stored) or "another form"] += 1
    else:
        batch.hashes[hashes.name_of(stored) or "another form"] += 1


def _email(plan: Plan, person: Person) -> tuple[str | None, Problem | None]:
    """Return the e-mail that somebody has here, or why there is none."""
    text = plan.emails.get(str(person.id)) or (person.email or "").strip()
    if not text and plan.domain is not None and person.username:
        text = f"{person.username}@{plan.domain}"
    if not text:
        return None, Problem.NO_EMAIL
    try:
        return canonical_email(text), None
    except ValueError:
        return None, Problem.INVALID_EMAIL


@contextmanager
def _explaining(unfilled: Sequence[str]) -> Iterator[None]:
    """Say what to do about these columns where the database rejects a row that lacks them."""
    try:
        yield
    except RejectedByDatabase as error:
        if not unfilled:
            raise
        raise ValidationFailed({f"users.{name}": nothing_fills(name) for name in unfilled}) from error


async def _gathered(plan: Plan, tables: _Tables) -> Counter[str]:
    """Return how many users have each e-mail.

    Raises:
        ValidationFailed: an e-mail is given for nobody.
    """
    emails: Counter[str] = Counter()
    left = set(plan.emails)
    async for page in _pages(plan, tables):
        left.difference_update(str(person.id) for person in page)
        emails.update(email for person in page if (email := _email(plan, person)[0]) is not None)
    if left:
        raise ValidationFailed({"--email": f"No user has the ID {min(left)} in {plan.table}"})
    return emails


def _name(person: Person, email: str) -> str:
    for text in (*person.names, email.partition("@")[0]):
        try:
            return canonical_name(text)
        except ValueError:
            continue
    return email


def _is_uuid(theirs: UserIdType, ours: UserIdType) -> bool:
    return (theirs is UserIdType.UUID) != (ours is UserIdType.UUID)


async def _pages(plan: Plan, tables: _Tables) -> AsyncIterator[list[Person]]:
    after: str | None = None
    while True:
        with translating():
            rows = await foreign.page(tables.conn, tables.users, after=after, limit=BATCH)
        if not rows:
            return
        yield [plan.source.read(row) for row in rows]
        after = str(rows[-1]["id"])
