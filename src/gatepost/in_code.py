"""What an application does in its own code: `auth.users`, `auth.sessions`, `auth.events`.

All of it is on the audit trail, as done by the application. With `conn`, a connection of asyncpg's to the
same database, it is part of the caller's transaction: what fails is undone, and the transaction can go on.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from gatepost.db.pool import OptionalConnection
from gatepost.errors import NotFound
from gatepost.gate import Gate
from gatepost.models import (
    AppAction,
    AuditEvent,
    Client,
    EventFilter,
    Proof,
    Session,
    SessionRow,
    SignedIn,
    User,
    UserId,
)
from gatepost.models.bounds import ACTION_MAX, USER_AGENT_MAX
from gatepost.services.acts import Program
from gatepost.store import users as store
from gatepost.texts import Text

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When an impersonated user has authenticated: it makes no session fresh."""

APPLICATION = Program.APPLICATION
NOBODY = Client()
"""Who is at the other end where the application does not say."""

_OWN_ACTION = re.compile(r"app(\.[a-z][a-z0-9_]*)+")
_METHOD = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_METHODS_MAX = 20
_SESSION_IDS = 2**62
_DETAIL_MAX = 64 * 1024
_DEPTH_MAX = 32
"""Levels of a detail: what reads it again, page or program, may have room for a few hundred."""
_LISTED_MAX = 10_000
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""In JSON; PostgreSQL stores none."""


class Users:
    """The users of a Gatepost: `auth.users`.

    Each function takes `client`, from whom a request came (`auth.client_of(request.scope)`), for the trail.
    One that no row can have, by its address or its length, is a `ValueError`.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def create(
        self,
        *,
        email: str,
        name: str,
        password: str | None = None,
        is_admin: bool = False,
        fields: BaseModel | None = None,
        client: Client = NOBODY,
        conn: OptionalConnection = None,
    ) -> User:
        """Add a user, and run the hooks of `on_register`; without a password, nobody signs in with one.

        `fields` is what hooks are given of the model in `Gatepost(registration=…)`.

        Raises:
            TypeError: the fields are not of this model.
            ValidationFailed: a field does not fit; of the password alone, also as `password_too_common`.
            EmailTaken: the e-mail exists already.
            Conflict, RejectedByDatabase: the database's own rules stand against it.
        """
        model = self._gate.own_fields.model
        if fields is not None and (model is None or not isinstance(fields, model)):
            raise TypeError("fields is of another type than Gatepost(registration=…) has")
        with self._gate.joining(conn):
            return await self._gate.administration.create(
                email=email,
                name=name,
                password=password,
                is_admin=is_admin,
                fields=fields,
                client=_known(client),
                by=APPLICATION,
            )

    async def get(self, user_id: UserId, *, conn: OptionalConnection = None) -> User:
        """Return the user with this id.

        Raises:
            NotFound: there is none.
        """
        with self._gate.joining(conn):
            return await self._gate.administration.get(_id(self._gate, user_id))

    async def find(self, email: str, *, conn: OptionalConnection = None) -> User | None:
        """Return the user with this e-mail, in whatever spelling; None where there is none."""
        with self._gate.joining(conn):
            try:
                return await self._gate.administration.find(email)
            except NotFound:
                return None

    async def update(
        self,
        user_id: UserId,
        *,
        name: str | None = None,
        email: str | None = None,
        client: Client = NOBODY,
        conn: OptionalConnection = None,
    ) -> User:
        """Give a user another name, another e-mail (the hooks of `on_email_change` run) or both.

        Their sessions go on. `auth.sessions.end_all` ends them, as a change by the user themselves does.

        Raises:
            NotFound: there is no such user.
            ValidationFailed: a field does not fit.
            EmailTaken, Conflict, RejectedByDatabase: as `create`.
        """
        with self._gate.joining(conn):
            user = await self._gate.administration.get(_id(self._gate, user_id))
            return await self._gate.administration.update(
                user, name=name, email=email, client=_known(client), by=APPLICATION
            )

    async def set_password(
        self, user_id: UserId, password: str, *, client: Client = NOBODY, conn: OptionalConnection = None
    ) -> None:
        """Give a user another password, and end every session of theirs.

        Raises:
            NotFound: there is no such user.
            ValidationFailed: nobody may have this password.
        """
        with self._gate.joining(conn):
            user = await self._gate.administration.get(_id(self._gate, user_id))
            await self._gate.administration.set_password(
                user, password, client=_known(client), by=APPLICATION
            )

    async def disable(
        self, user_id: UserId, *, client: Client = NOBODY, conn: OptionalConnection = None
    ) -> bool:
        """Keep a user out, and end every session of theirs; return whether that changed anything.

        Raises:
            NotFound: there is no such user.
        """
        return await self._set_active(user_id, conn, client, is_active=False)

    async def enable(
        self, user_id: UserId, *, client: Client = NOBODY, conn: OptionalConnection = None
    ) -> bool:
        """Let a disabled user in again; return whether that changed anything.

        Raises:
            NotFound: there is no such user.
        """
        return await self._set_active(user_id, conn, client, is_active=True)

    async def delete(
        self, user_id: UserId, *, client: Client = NOBODY, conn: OptionalConnection = None
    ) -> None:
        """Delete a user and what the trail tells of the person; the hooks of `on_delete` run first.

        Raises:
            NotFound: there is no such user.
            AccountInUse: rows of the application's own refer to them.
        """
        with self._gate.joining(conn):
            user = await self._gate.administration.get(_id(self._gate, user_id))
            await self._gate.administration.delete(user, client=_known(client), by=APPLICATION)

    async def _set_active(
        self, user_id: UserId, conn: OptionalConnection, client: Client, *, is_active: bool
    ) -> bool:
        with self._gate.joining(conn):
            user = await self._gate.administration.get(_id(self._gate, user_id))
            return await self._gate.administration.set_active(
                user, is_active=is_active, client=_known(client), by=APPLICATION
            )


class UserSessions:
    """The sessions of a Gatepost: `auth.sessions`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def start(
        self,
        user_id: UserId,
        *,
        methods: Sequence[str] = (),
        by: Session | None = None,
        client: Client = NOBODY,
        remember: bool = False,
        conn: OptionalConnection = None,
    ) -> SignedIn:
        """Start a session for a user whom the application has recognised by itself.

        Nothing else is asked of them, no second factor either.

        Args:
            user_id: who it is.
            methods: how they were recognised, by the names of RFC 8176 such as `otp`, `sms` or `mfa`; with
                `mfa` the session has AAL 2.
            by: the session of somebody who is to have this one in the place of the user: an impersonation.
                It ends with theirs, is never fresh, can't confirm a password, and its user sees it. `methods`
                may be left out, and the hooks of `on_sign_in` and `on_sign_out` don't run.
            client: who has the session.
            remember: it lives until the end of the sign-in (`SESSION_MAX_MINUTES`).
            conn: a connection whose transaction it is a part of.

        Returns:
            The session and its token, which is shown this once.

        Raises:
            NotFound: there is no such user, or they are disabled.
            ImpersonationRefused: the user is an administrator, or who asks themselves, or `by` is an
                impersonation already; the trail has `access.denied`.
            SessionRevoked: `by` is over.
            AdminRequired: its user has lost the rights of an administrator; likewise on the trail.
            ValueError: the methods are no names, or there are none or too many.
            Exception: what a hook of `on_sign_in` raised; the trail has `login.failed`.
        """
        proven, known = _methods(methods if methods or by is None else ("impersonation",)), _known(client)
        with self._gate.joining(conn):
            user = await self._gate.administration.get(_id(self._gate, user_id))
            async with (
                self._gate.sign_ins.noting(known, user_id=user.id, email=user.email),
                self._gate.session_tokens.noting(known, user_id=user.id, by=by),
                self._gate.database.transaction() as own,
            ):
                _, stamp = await store.hash_of(own, user.id)
                if stamp is None:
                    raise NotFound(Text("error.not_found.user"))
                at = self._gate.clock() if by is None else NEVER
                proof = Proof(user_id=user.id, methods=proven, stamp=stamp, at=at)
                sessions = self._gate.session_tokens
                signed_in = (
                    await sessions.start(own, proof, client=known, remembered=remember)
                    if by is None
                    else await sessions.impersonate(own, proof, by, client=known, remembered=remember)
                )
                if signed_in is None:
                    raise NotFound(Text("error.not_found.user"))
                if by is None:
                    await self._gate.sign_ins.welcome(own, signed_in.session, known)
                return signed_in

    async def list(
        self, user_id: UserId, *, limit: int = 100, conn: OptionalConnection = None
    ) -> Sequence[SessionRow]:
        """Return the live sessions of a user, the one used last first.

        Raises:
            NotFound: nobody can have this id.
            ValueError: the limit is not between 1 and 10,000.
        """
        _check_limit(limit)
        with self._gate.joining(conn):
            user_id = _id(self._gate, user_id)
            return [each.row for each in await self._gate.session_tokens.active(user_id, limit=limit)]

    async def end(self, session_id: int, *, client: Client = NOBODY, conn: OptionalConnection = None) -> None:
        """End a session, or whatever it was refreshed to since.

        Raises:
            NotFound: there is no such session, or it has ended.
        """
        if not 0 < session_id < _SESSION_IDS:
            raise NotFound(Text("error.not_found.session"))
        with self._gate.joining(conn):
            await self._gate.oversight.end(session_id, client=_known(client), by=APPLICATION)

    async def end_all(
        self, user_id: UserId, *, client: Client = NOBODY, conn: OptionalConnection = None
    ) -> int:
        """End every session of a user; return how many were live.

        Raises:
            NotFound: there is no such user.
        """
        with self._gate.joining(conn):
            user = await self._gate.administration.get(_id(self._gate, user_id))
            return await self._gate.administration.end_sessions(user, client=_known(client), by=APPLICATION)


class Events:
    """The audit trail of a Gatepost: `auth.events`."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def record(
        self,
        action: str,
        *,
        user_id: UserId | None = None,
        session_id: int | None = None,
        detail: Mapping[str, Any] | None = None,
        client: Client = NOBODY,
        conn: OptionalConnection = None,
    ) -> None:
        """Put what happened in the application on the trail, where nobody changes it any more.

        Args:
            action: a name of the application's own below `app.`, such as `app.invoice_sent`.
            user_id: whom it is about.
            session_id: in which session.
            detail: what else is worth knowing; JSON, and no secrets.
            client: who asked for it.
            conn: a connection whose transaction it is a part of.

        Raises:
            NotFound: nobody can have this id.
            ValueError: the name is not one below `app.`, the detail is no JSON, too long or too deep, or no
                session can have this id.
            TypeError: the detail holds what JSON has no form for.
        """
        if len(action) > ACTION_MAX or not _OWN_ACTION.fullmatch(action):
            raise ValueError(f"{action[:ACTION_MAX]!r} is not a name below app., such as app.invoice_sent")
        if session_id is not None and not 0 < session_id < _SESSION_IDS:
            raise ValueError("No session can have this id")
        _check_detail(detail or {})
        with self._gate.joining(conn):
            user_id = None if user_id is None else _id(self._gate, user_id)
            await self._gate.audit.record(
                AppAction(action),
                client=_known(client),
                user_id=user_id,
                session_id=session_id,
                detail=detail,
            )

    async def list(
        self,
        *,
        user_id: UserId | None = None,
        action: str | None = None,
        limit: int = 100,
        conn: OptionalConnection = None,
    ) -> Sequence[AuditEvent]:
        """Return events, the newest first: of a user, of an action, of all below one that ends with a dot.

        Raises:
            NotFound: nobody can have this id.
            ValueError: the limit is not between 1 and 10,000.
        """
        _check_limit(limit)
        with self._gate.joining(conn):
            user_id = None if user_id is None else _id(self._gate, user_id)
            wanted = EventFilter(user_id=user_id, action=action)
            page = await self._gate.trail.page(wanted, before=None, limit=limit)
            found = [seen.event for seen in page.events]
            while page.before is not None and len(found) < limit:
                page = await self._gate.trail.page(wanted, before=page.before, limit=limit - len(found))
                found += [seen.event for seen in page.events]
            return found


def _id(gate: Gate, given: UserId) -> UserId:
    """Return an id as the database has it.

    Raises:
        NotFound: nobody can have it.
    """
    found = gate.user_ids.of_code(given)
    if found is None:
        raise NotFound(Text("error.not_found.user"))
    return found


def _known(client: Client) -> Client:
    """Return a client in the spelling that rows have; the application may have made it of anything.

    Raises:
        ValueError: the address is none, or the user agent too long.
    """
    known = Client.of(client.ip_address, client.user_agent)
    if client.ip_address and known.ip_address is None:
        raise ValueError("client: ip_address is no IP address; see auth.client_of")
    if client.user_agent is not None and len(client.user_agent) > USER_AGENT_MAX:
        raise ValueError(f"client: user_agent has {USER_AGENT_MAX} characters at most; Client.of cuts it")
    return known


def _check_limit(limit: int) -> None:
    """See that it is one.

    Raises:
        ValueError: it is none.
    """
    if not 0 < limit <= _LISTED_MAX:
        raise ValueError(f"limit is a number from 1 to {_LISTED_MAX}")


def _methods(given: Sequence[str]) -> tuple[str, ...]:
    """Return the names of methods; a text alone would be taken for its letters.

    Raises:
        ValueError: they are none.
    """
    names = () if isinstance(given, str) else tuple(given)
    if not 0 < len(names) <= _METHODS_MAX or not all(_METHOD.fullmatch(name) for name in names):
        raise ValueError(f"methods is a list of 1 to {_METHODS_MAX} names of RFC 8176, such as ['sms']")
    return names


def _check_detail(detail: Mapping[str, Any]) -> None:
    """See that the trail can hold it: what the database says where it can't would quote it.

    Raises:
        ValueError, TypeError: it can't.
    """
    if _is_deeper(detail, _DEPTH_MAX):
        raise ValueError(f"The detail of an event has {_DEPTH_MAX} levels at the most")
    text = json.dumps(dict(detail), allow_nan=False, ensure_ascii=False)
    if _NUL.search(text) or any("\ud800" <= each <= "\udfff" for each in text):
        raise ValueError("The detail of an event holds a character that PostgreSQL has no place for")
    if len(text) > _DETAIL_MAX:
        raise ValueError(f"The detail of an event has {_DETAIL_MAX} characters of JSON at the most")


def _is_deeper(value: object, levels: int) -> bool:
    """Say whether something holds other things on more levels."""
    if isinstance(value, Mapping):
        return levels == 0 or any(_is_deeper(each, levels - 1) for each in value.values())
    if isinstance(value, list | tuple):
        return levels == 0 or any(_is_deeper(each, levels - 1) for each in value)
    return False
