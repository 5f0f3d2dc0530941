"""Workers on one database, asked from code that does not await, and with next to nothing in between."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from starlette.types import ASGIApp
from tests.conftest import SECRET_KEY, AsApp, bearer, ids_as_json, scratch_database, serving, settings_for
from tests.features.email.mailbox import MAIL_ON
from tests.properties.model.factors import World
from tests.properties.model.sessions import ABSOLUTE, FRESH, GRACE, HISTORY, KEYS, LIFETIME
from tests.properties.model.users import GUESSES, Caller

from gatepost.app import create_app
from gatepost.features import FEATURES
from gatepost.features.email import link_store
from gatepost.features.email.links import MailLinks
from gatepost.library import Gatepost
from gatepost.settings.feature import settings_of
from gatepost.settings.rates import Rate

T = TypeVar("T")

COOKIE = "__Host-gatepost"
PLENTY = "100000 then 100000/second"
STRICT = 2
"""The worker that has everybody invited, verified and a second factor set up."""
MAIL = MAIL_ON | {
    "public_url": "https://gatepost.test",
    "email_verification": "optional",
    "email_sign_in": "both",
    "passwordless_sign_up": "on",
}
UNLIMITED = [
    name
    for name, setting in settings_of(FEATURES).model_fields.items()
    if isinstance(setting.default, Rate) and name != "throttle_login_account"
]


@dataclass(frozen=True)
class Answer:
    """What a request was answered with."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)["data"]

    @property
    def code(self) -> str | None:
        """The code of the error, None for a success."""
        return None if self.status < 400 else str(json.loads(self.body)["error"]["code"])

    @property
    def error(self) -> Any:
        return json.loads(self.body)["error"]

    @property
    def token(self) -> str:
        """The token that it hands out, in the body or in a cookie; empty where it hands out none."""
        cookies = "; ".join(value for name, value in self.headers if name == "set-cookie")
        jar: SimpleCookie = SimpleCookie(cookies)
        return str((self.data or {}).get("token") or (jar[COOKIE].value if COOKIE in jar else ""))


async def ask(
    app: ASGIApp, method: str, path: str, by: Caller, headers: Mapping[str, str], body: object = None
) -> Answer:
    """Send one request, as an ASGI server would."""
    sent: list[Any] = []
    given = [(b"host", b"gatepost.test"), (b"user-agent", by.agent.encode())]
    content = b""
    if body is not None:
        content = json.dumps(body).encode()
        given += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    given += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    unread = [content]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": given,
        "client": (by.place, 50_000),
        "server": ("gatepost.test", 443),
    }

    async def receive() -> Any:
        if not unread:
            await asyncio.Event().wait()  # the caller does not hang up
        return {"type": "http.request", "body": unread.pop(), "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    answered = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in sent[0]["headers"]]
    return Answer(sent[0]["status"], answered, b"".join(each.get("body", b"") for each in sent[1:]))


class Workers:
    """Two workers alike under each key that there is, and a stricter one; only those of one key are asked."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.run: Callable[[Awaitable[Any]], Any] = lambda awaitable: runner.run(_await(awaitable))
        self.now: datetime = World.now
        self._stack = AsyncExitStack()
        self._keys = [f"{number} {SECRET_KEY}" for number in range(KEYS)]
        self._apps: list[list[Any]] = []
        self._key = 0

    async def open(self, server_dsn: str, template: str, as_app: AsApp, home: Path) -> None:
        dsn = await self._stack.enter_async_context(scratch_database(server_dsn, template))
        make_settings = partial(
            settings_for,
            as_app(dsn),
            home,
            session_expire_minutes=int(LIFETIME.total_seconds() // 60),
            session_max_minutes=int(ABSOLUTE.total_seconds() // 60),
            fresh_session_minutes=int(FRESH.total_seconds() // 60),
            refresh_grace_seconds=int(GRACE.total_seconds()),
            session_history_days=HISTORY.days,
            database_pool_size=2,
            **MAIL,
            throttle_enabled=True,
            throttle_login_account=str(GUESSES),
            **dict.fromkeys(UNLIMITED, PLENTY),
        )
        for first in range(KEYS):
            keys = self._keys[first:] + self._keys[:first]
            in_turn = partial(make_settings, secret_key=keys[0], secret_key_fallbacks=keys[1:])
            strict: dict[str, Any] = {
                "email_verification": "required",
                "registration": "invite",
                "mfa_required": "all",
            }
            apps = [
                create_app(each, clock=lambda: self.now) for each in (in_turn(), in_turn(), in_turn(**strict))
            ]
            for app in apps:
                await self._stack.enter_async_context(serving(app))
            self._apps.append(apps)
        self.db = await asyncpg.connect(dsn, server_settings={"timezone": "UTC"})
        await ids_as_json(self.db)
        self._stack.push_async_callback(self.db.close)

    async def close(self) -> None:
        await self._stack.aclose()

    async def begin_again(self) -> None:
        """Forget everything."""
        await self.write_behind()
        self._key = 0
        tables = "users, user_sessions, auth_links, auth_failures, auth_throttles, auth_email_links"
        await self.db.execute(f"TRUNCATE {tables} CASCADE")

    def gate(self, worker: int = 0) -> Gatepost:
        gatepost = self._apps[self._key][worker].state.gatepost
        assert isinstance(gatepost, Gatepost)
        return gatepost

    async def reveal(self, link_id: int) -> tuple[str, str]:
        """Return the URL and the code of a mail as its sender is told, each empty where it has none."""
        async with self.gate().database.connection() as conn:
            told = await self.gate().service(MailLinks).reveal(conn, link_id) or {}
        assert told.get("url", "").startswith("https://gatepost.test/auth/") or not told
        return told.get("url", ""), told.get("code", "")

    async def link_statuses(self) -> dict[int, str]:
        """Return how each link stands that there is."""
        return {row["id"]: row["status"] for row in await self.db.fetch(link_store._LINKS, self.now)}

    async def write_behind(self) -> None:
        for worker in range(len(self._apps[self._key])):
            await self.gate(worker).session_tokens._touches.flush()

    async def rotate(self) -> None:
        """Go on with workers that have another newest key, the others behind it."""
        await self.write_behind()
        self._key = (self._key + 1) % KEYS

    async def call(
        self, worker: int, method: str, path: str, by: Caller, token: str | None = None, body: object = None
    ) -> Answer:
        headers = {} if token is None else bearer(token)
        return await ask(self._apps[self._key][worker], method, f"/api/auth/{path}", by, headers, body)

    async def by_cookie(
        self,
        worker: int,
        method: str,
        path: str,
        by: Caller,
        token: str,
        body: object = None,
        site: str = "same-origin",
    ) -> Answer:
        """Ask as a browser does."""
        headers = {"Cookie": f"{COOKIE}={token}", "Sec-Fetch-Site": site}
        return await ask(self._apps[self._key][worker], method, f"/api/auth/{path}", by, headers, body)


async def _await(awaitable: Awaitable[T]) -> T:
    return await awaitable
