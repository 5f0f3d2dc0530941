"""Hooks: looked at when they are given, and named when they take too long."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, serving
from tests.http.conftest import logged

from gatepost import Gatepost
from gatepost.errors import HookFailed, HookTimeout
from gatepost.gate import Gate
from gatepost.models import Client
from gatepost.services.hooks import ARGUMENTS, Hooks, Moment


async def good(conn: Any, *more: Any) -> None: ...


async def with_more(extra: int, conn: Any, *more: Any, flag: bool = True) -> None: ...


def sync(conn: Any, *more: Any) -> None: ...


async def too_few(conn: Any) -> None: ...


async def too_many(conn: Any, user: Any, request: Any, other: Any) -> None: ...


class Callable:
    async def __call__(self, conn: Any, *more: Any) -> None: ...


class Sync:
    def __call__(self, conn: Any, *more: Any) -> None: ...


@pytest.mark.parametrize("hook", [good, partial(with_more, 1), Callable(), Callable().__call__])
@pytest.mark.parametrize("moment", Moment)
def test_what_can_be_called_is_taken(moment: Moment, hook: Any) -> None:
    Hooks().add(moment, hook, columns=["notes"])


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        (sync, "sync must be `async def`"),
        (Sync(), "Sync must be `async def`"),
        (too_few, r"too_few is called with \(connection, .*\): too many positional arguments"),
        (too_many, r"too_many is called with \(connection, .*\): missing a required argument: '"),
    ],
)
def test_what_can_not_be_called_is_refused_when_it_is_given(
    make_settings: MakeSettings, hook: Any, told: str
) -> None:
    auth = Gatepost(make_settings())
    for moment in ARGUMENTS:
        decorator = getattr(auth, moment)
        if moment in {Moment.EXPORT, Moment.INSERT}:
            decorator = decorator("notes")
        with pytest.raises(TypeError, match=f"@auth.{moment}: .*{told}"):
            decorator(hook)


def test_a_part_of_the_export_is_added_by_one_hook() -> None:
    hooks = Hooks()
    hooks.add(Moment.EXPORT, good, part="notes")
    hooks.add(Moment.EXPORT, good, part="drafts")
    with pytest.raises(ValueError, match="another hook adds 'notes' already"):
        hooks.add(Moment.EXPORT, good, part="notes")


BODY: dict[str, Any] = {"email": "user@example.com", "name": "Ada", "password": PASSWORD}


async def attempt(auth: Gatepost) -> httpx.Response:
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    async with serving(app) as client:
        return await client.post("/api/auth/register", json=BODY)


async def test_one_that_is_too_slow_is_named_with_its_deadline_and_undone(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture, db: Any
) -> None:
    auth = Gatepost(make_settings(hook_timeout_seconds=0.2))

    @auth.on_register
    async def slow(conn: Any, user: Any) -> None:
        await conn.execute("SELECT pg_sleep(60)")

    answer = await attempt(auth)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    (line,) = logged(caplog, "a hook took longer than HOOK_TIMEOUT_SECONDS")
    assert (line["hook"].rpartition(".")[2], line["moment"]) == ("slow", "on_register")
    assert line["deadline_seconds"] == 0.2
    assert logged(caplog, "database unavailable") == []
    assert await db.fetchval("SELECT count(*) FROM users") == 0
    told = await db.fetchval("SELECT detail ->> 'reason' FROM auth_events WHERE action LIKE 'user.%'")
    assert told == "hook_timeout"


async def test_one_has_a_deadline_of_its_own_beside_the_requests(
    make_settings: MakeSettings, db: Any
) -> None:
    auth = Gatepost(make_settings(database_timeout_seconds=1, hook_timeout_seconds=60))

    @auth.on_register
    async def takes_its_time(conn: Any, user: Any) -> None:
        await conn.execute("SELECT pg_sleep(1.5)")

    assert (await attempt(auth)).status_code == 201
    assert await db.fetchval("SELECT count(*) FROM users") == 1


@pytest.mark.parametrize("fault", [TimeoutError("of another server"), ConnectionRefusedError()])
async def test_what_else_is_away_is_not_taken_for_the_database(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture, db: Any, fault: OSError
) -> None:
    auth = Gatepost(make_settings())

    @auth.on_register
    async def calls_elsewhere(conn: Any, user: Any) -> None:
        raise fault

    answer = await attempt(auth)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert logged(caplog, "database unavailable") == []
    assert f"@auth.on_register: {calls_elsewhere.__qualname__} raised {type(fault).__name__}" in caplog.text
    assert await db.fetchval("SELECT count(*) FROM users") == 0


async def commits(conn: Any, *_: Any) -> None:
    await conn.execute("COMMIT")


async def rolls_back(conn: Any, *_: Any) -> None:
    await conn.execute("ROLLBACK")


async def passes_over_a_fault(conn: Any, *_: Any) -> None:
    with suppress(asyncpg.PostgresError):
        await conn.execute("SELECT 1 / 0")


async def leaves_a_statement(conn: Any, *_: Any) -> None:
    running = asyncio.create_task(conn.execute("SELECT pg_sleep(60)"))
    running.add_done_callback(lambda task: task.cancelled() or task.exception())
    await asyncio.sleep(0)


async def is_cancelled_within(conn: Any, *_: Any) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    "hook", [commits, rolls_back, passes_over_a_fault, leaves_a_statement, is_cancelled_within]
)
@pytest.mark.parametrize("moment", [Moment.REGISTER, Moment.SIGN_IN])
async def test_one_that_leaves_no_transaction_to_go_on_with_is_named(
    make_settings: MakeSettings, caplog: pytest.LogCaptureFixture, db: Any, hook: Any, moment: Moment
) -> None:
    auth = Gatepost(make_settings(database_pool_size=2))
    auth.hooks.add(moment, hook)
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    async with serving(app) as client:
        answer = await client.post("/api/auth/register", json=BODY)
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
        assert f"HookFailed: @auth.{moment}: {hook.__qualname__} " in caplog.text
        assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == (
            1 if hook is commits and moment is Moment.SIGN_IN else 0
        )
        wrong = await client.post("/api/auth/login", json={"email": "nobody@example.com", "password": "x"})
        assert wrong.status_code == 401, "its connection is nobody else's"


@pytest.mark.parametrize("hook", [passes_over_a_fault, is_cancelled_within])
async def test_nothing_that_a_hook_passes_over_keeps_anybody_signed_in(
    make_settings: MakeSettings, db: Any, hook: Any
) -> None:
    auth = Gatepost(make_settings())
    auth.on_sign_out(hook)
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    async with serving(app) as client:
        token = (await client.post("/api/auth/register", json=BODY)).json()["data"]["token"]
        headers = {"Authorization": f"Bearer {token}"}
        assert (await client.post("/api/auth/logout", headers=headers)).status_code == 200
    assert await db.fetchval("SELECT is_active FROM user_sessions") is False


async def test_no_session_is_told_of_that_a_hook_undid(make_settings: MakeSettings, db: Any) -> None:
    auth = Gatepost(make_settings())
    auth.on_sign_in(passes_over_a_fault)
    async with auth:
        user = await auth.users.create(email="user@example.com", name="Ada")
        with pytest.raises(HookFailed, match="passes_over_a_fault"):
            await auth.sessions.start(user.id, methods=["sms"])
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 0
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'login.failed'") == 1


async def test_nobody_is_told_that_they_are_signed_out_where_a_hook_undid_it(
    make_settings: MakeSettings, db: Any
) -> None:
    auth = Gatepost(make_settings())

    @auth.on_sign_out
    async def undoes_it(conn: Any, user: Any, session_id: int | None) -> None:
        await conn.execute("ROLLBACK")

    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    async with serving(app) as client:
        token = (await client.post("/api/auth/register", json=BODY)).json()["data"]["token"]
        headers = {"Authorization": f"Bearer {token}"}
        assert (await client.post("/api/auth/logout", headers=headers)).status_code == 500
    assert await db.fetchval("SELECT is_active FROM user_sessions")


async def test_the_error_names_it_where_no_request_asks(make_settings: MakeSettings, db: Any) -> None:
    async with Gate(make_settings(hook_timeout_seconds=0.1)) as gate:

        async def slow(conn: Any, user: Any) -> None:
            await conn.execute("SELECT pg_sleep(60)")

        gate.hooks.add(Moment.REGISTER, slow)
        with pytest.raises(
            HookTimeout, match=r"@auth.on_register: .*slow took longer than HOOK_TIMEOUT"
        ) as error:
            await gate.administration.create(**BODY, is_admin=False, client=Client())
        assert str(error.value).endswith("HOOK_TIMEOUT_SECONDS (0.1)")
        assert "slow" not in error.value.message
    assert await db.fetchval("SELECT count(*) FROM users") == 0
