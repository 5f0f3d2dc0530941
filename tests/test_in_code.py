"""`auth.users`, `auth.sessions` and `auth.events`: what an application does in its own code."""

import asyncio
import inspect
import json
import math
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, SCHEMAS, MakeSettings, bearer, execute, login, serving, settings_for
from tests.http.conftest import Database, events
from tests.walking import walked

from gatepost import Gatepost, User
from gatepost.db import migrate
from gatepost.errors import EmailTaken, GatepostError, NotFound, RejectedByDatabase, ValidationFailed
from gatepost.in_code import Events, Users, UserSessions
from gatepost.models import Client

PERSON: dict[str, Any] = {"email": "ada@example.com", "name": "Ada"}
CLIENT = Client(ip_address="203.0.113.7", user_agent="shop")


@pytest.fixture
def auth(make_settings: MakeSettings) -> Gatepost:
    return Gatepost(make_settings())


@pytest.fixture
async def client(auth: Gatepost) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    async with serving(app) as client:
        yield client


async def test_before_it_is_open_an_error_says_how_to_open_it(auth: Gatepost) -> None:
    with pytest.raises(RuntimeError, match=r"use `async with auth.lifespan\(\):`"):
        await auth.users.find("ada@example.com")


async def test_a_user_is_made_found_changed_and_deleted(
    auth: Gatepost, client: httpx.AsyncClient, db: Database
) -> None:
    user = await auth.users.create(**PERSON, password=PASSWORD, client=CLIENT)
    assert await auth.users.get(user.id) == user
    assert await auth.users.find("ADA@example.com") == user
    assert await auth.users.find("nobody@example.com") is None
    token = (await login(client, "ada@example.com"))["token"]
    changed = await auth.users.update(user.id, name="Ada L.", email="Countess@example.com", client=CLIENT)
    assert (changed.name, changed.email) == ("Ada L.", "countess@example.com")
    assert await auth.users.get(user.id) == changed
    assert (await client.get("/api/auth/me", headers=bearer(token))).json()["data"]["user"][
        "name"
    ] == "Ada L."
    await auth.users.set_password(user.id, "another secure password")
    assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 401
    await login(client, "countess@example.com", "another secure password")
    assert [await auth.users.disable(user.id), await auth.users.disable(user.id)] == [True, False]
    assert await auth.sessions.list(user.id) == []
    assert await auth.users.enable(user.id)
    await auth.users.delete(user.id)
    with pytest.raises(NotFound):
        await auth.users.get(user.id)
    told = await events(
        db,
        "user.created",
        "user.renamed",
        "user.email_changed",
        "user.password_set",
        "user.disabled",
        "user.deleted",
    )
    assert [event["action"] for event in told] == [
        "user.created",
        "user.renamed",
        "user.email_changed",
        "user.password_set",
        "user.disabled",
        "user.disabled",
        "user.deleted",
    ]
    assert {event["detail"]["by"] for event in told} == {"application"}


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"email": "no address", "name": "Ada"}, ValidationFailed),
        ({"email": "new@example.com", "name": " "}, ValidationFailed),
        ({"email": "new@example.com", "name": "Ada", "password": "short"}, ValidationFailed),
        ({"email": "ADA@example.com", "name": "Another"}, EmailTaken),
    ],
)
async def test_what_does_not_fit_is_refused_as_over_the_api(
    auth: Gatepost,
    client: httpx.AsyncClient,
    db: Database,
    values: dict[str, str],
    error: type[GatepostError],
) -> None:
    await auth.users.create(**PERSON)
    with pytest.raises(error):
        await auth.users.create(**values)  # type: ignore[arg-type]  # texts, all of them
    assert await db.fetchval("SELECT count(*) FROM users") == 1


async def test_a_user_without_a_password_has_sessions(
    auth: Gatepost, client: httpx.AsyncClient, db: Database
) -> None:
    user = await auth.users.create(**PERSON)
    assert await db.fetchval("SELECT hashed_password FROM users") is None
    body = {"email": "ada@example.com", "password": PASSWORD}
    assert (await client.post("/api/auth/login", json=body)).status_code == 401
    signed_in = await auth.sessions.start(user.id, methods=["sms", "mfa"], client=CLIENT)
    me = (await client.get("/api/auth/me", headers=bearer(signed_in.token))).json()["data"]
    assert (me["session_info"]["methods"], me["session_info"]["aal"]) == (["sms", "mfa"], 2)
    (row,) = await auth.sessions.list(user.id)
    assert (row.id, row.ip_address) == (signed_in.session.id, "203.0.113.7")
    refreshed = await client.post("/api/auth/refresh", headers=bearer(signed_in.token))
    assert refreshed.status_code == 200
    await auth.sessions.end(signed_in.session.id)  # and what it was refreshed to
    assert await auth.sessions.list(user.id) == []
    with pytest.raises(NotFound):
        await auth.sessions.end(signed_in.session.id)
    for _ in range(3):
        await auth.sessions.start(user.id, methods=["sms"])
    assert await auth.sessions.end_all(user.id) == 3


async def test_who_is_disabled_or_gone_gets_no_session(auth: Gatepost, client: httpx.AsyncClient) -> None:
    user = await auth.users.create(**PERSON)
    await auth.users.disable(user.id)
    for user_id in (user.id, 4711):
        with pytest.raises(NotFound):
            await auth.sessions.start(user_id, methods=["sms"])


async def test_events_of_the_application_are_on_the_trail(auth: Gatepost, client: httpx.AsyncClient) -> None:
    user = await auth.users.create(**PERSON)
    for number in range(3):
        await auth.events.record(
            "app.invoice_sent", user_id=user.id, detail={"number": number}, client=CLIENT
        )
    found = await auth.events.list(action="app.", limit=2)
    assert [(event.action, event.detail) for event in found] == [
        ("app.invoice_sent", {"number": 2}),
        ("app.invoice_sent", {"number": 1}),
    ]
    assert len(await auth.events.list(user_id=user.id)) == 4


@pytest.mark.parametrize("action", ["login.failed", "app", "app.", "app.Invoice", "app.x y", "application.x"])
async def test_an_event_of_another_name_is_refused(
    auth: Gatepost, client: httpx.AsyncClient, action: str
) -> None:
    with pytest.raises(ValueError, match="not a name below app"):
        await auth.events.record(action)


@pytest.mark.parametrize(
    "more",
    [
        {"action": "app." + "x" * 61},
        {"detail": {"key": math.nan}},
        {"detail": {"key": "a\0b"}},
        {"detail": {"a\0b": 1}},
        {"detail": {"key": "\ud800"}},
        {"detail": {"key": "x" * 65_536}},
        {"detail": {"key": json.loads("[" * 900 + "]" * 900)}},
        {"detail": {"key": b"x"}},
        {"session_id": 2**70},
        {"user_id": 2**70},
    ],
    ids=["name", "nan", "nul", "nul-in-key", "surrogate", "long", "deep", "bytes", "session", "user"],
)
async def test_an_event_that_the_trail_can_not_hold_is_refused_and_not_quoted(
    auth: Gatepost, client: httpx.AsyncClient, more: dict[str, Any]
) -> None:
    about = {"action": "app.paid", "detail": {"card": "4111"}} | more
    with pytest.raises((ValueError, TypeError, NotFound)) as refused:
        await auth.events.record(**about)
    assert refused.value.__cause__ is None
    assert not isinstance(refused.value, RejectedByDatabase)
    assert len(str(refused.value)) < 200


async def test_an_event_holds_whatever_else_is_json(auth: Gatepost, client: httpx.AsyncClient) -> None:
    detail = {"path": r"C:\u0000", "name": "Zoë 😀", "list": [1, None, {"a": 1.5}], "long": "x" * 65_000}
    detail["deep"] = json.loads("[" * 31 + "]" * 31)
    await auth.events.record("app." + "x" * 60, detail=detail)
    (event,) = await auth.events.list(action="app.")
    assert event.detail == detail


def wrong_ids() -> list[Any]:
    """What is no id of a user's, whichever type ids have."""
    return [1.5, True, 2**70, "\0", "x" * 5000, b"1", None, "\ud800"]


@walked("wrong", wrong_ids(), ids=[repr(wrong)[:12] for wrong in wrong_ids()])
async def test_nobody_has_what_is_no_id(
    auth: Gatepost, client: httpx.AsyncClient, db: Database, wrong: Any
) -> None:
    await auth.users.create(**PERSON)
    for asked in (
        auth.users.get(wrong),
        auth.users.delete(wrong),
        auth.users.disable(wrong),
        auth.sessions.start(wrong, methods=["sms"]),
        auth.sessions.list(wrong),
        auth.sessions.end_all(wrong),
    ):
        with pytest.raises(NotFound, match="User not found"):
            await asked
    assert await db.fetchval("SELECT count(*) FROM users WHERE is_active") == 1
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 0


async def test_an_id_may_be_given_as_an_address_has_it(auth: Gatepost, client: httpx.AsyncClient) -> None:
    user = await auth.users.create(**PERSON)
    assert await auth.users.get(str(user.id)) == user


@walked("methods", ["mfa", [], ["s ms"], ["x" * 65], ["sms"] * 21, [""]])
async def test_methods_are_names(auth: Gatepost, client: httpx.AsyncClient, methods: Any) -> None:
    user = await auth.users.create(**PERSON)
    with pytest.raises(ValueError, match="RFC 8176"):
        await auth.sessions.start(user.id, methods=methods)


async def everything(auth: Gatepost, conn: Any) -> User:
    """Do one thing of each kind on a connection."""
    user = await auth.users.create(**PERSON, password=PASSWORD, conn=conn)
    await auth.users.update(user.id, name="Ada L.", conn=conn)
    signed_in = await auth.sessions.start(user.id, methods=["app"], conn=conn)
    await auth.events.record("app.checkout", user_id=user.id, session_id=signed_in.session.id, conn=conn)
    assert len(await auth.sessions.list(user.id, conn=conn)) == 1
    assert await auth.users.find("ada@example.com", conn=conn) is not None
    return user


@pytest.mark.parametrize("commits", [True, False])
async def test_all_of_it_is_part_of_a_callers_transaction(
    auth: Gatepost, client: httpx.AsyncClient, dsn: str, db: Database, commits: bool
) -> None:
    before = await db.fetchval("SELECT count(*) FROM auth_events")
    own = await asyncpg.connect(dsn)
    transaction = own.transaction()
    await transaction.start()
    await everything(auth, own)
    assert await db.fetchval("SELECT count(*) FROM users") == 0
    await (transaction.commit() if commits else transaction.rollback())
    await own.close()
    counted = await db.fetchrow(
        "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM user_sessions),"
        " (SELECT count(*) FROM auth_events)"
    )
    assert tuple(counted or ()) == ((1, 1, before + 4) if commits else (0, 0, before))


async def test_what_fails_is_undone_and_the_callers_transaction_goes_on(
    auth: Gatepost, client: httpx.AsyncClient, dsn: str, db: Database
) -> None:
    own = await asyncpg.connect(dsn)
    async with own.transaction():
        await auth.users.create(**PERSON, conn=own)
        with pytest.raises(EmailTaken):
            await auth.users.create(**PERSON, conn=own)
        with pytest.raises(NotFound):
            await auth.users.delete(4711, conn=own)
        await auth.events.record("app.went_on", conn=own)
        assert await auth.events.list(action="app.went_on", conn=own)
        assert await own.fetchval("SHOW plan_cache_mode") == "auto"
        assert await own.fetchval("SHOW max_parallel_workers_per_gather") != "0"
    await own.close()
    assert await db.fetchval("SELECT count(*) FROM users") == 1
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'app.went_on'") == 1


async def test_what_is_given_up_is_undone_and_the_callers_transaction_goes_on(
    auth: Gatepost, client: httpx.AsyncClient, dsn: str, db: Database
) -> None:
    begun = asyncio.Event()

    @auth.on_register
    async def ask_elsewhere(_conn: Any, _user: User) -> None:
        begun.set()
        await asyncio.Event().wait()

    own = await asyncpg.connect(dsn)
    async with own.transaction():
        asking = asyncio.create_task(auth.users.create(**PERSON, conn=own))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await auth.events.record("app.went_on", conn=own)
    await own.close()
    assert await db.fetchval("SELECT count(*) FROM users") == 0
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'app.went_on'") == 1


async def test_what_waited_too_long_is_undone_and_the_callers_transaction_goes_on(
    auth: Gatepost, client: httpx.AsyncClient, dsn: str, db: Database
) -> None:
    user = await auth.users.create(**PERSON)
    own = await asyncpg.connect(dsn)
    async with db.transaction(), own.transaction():
        await db.execute("SELECT FROM users FOR UPDATE")
        await own.execute("SET LOCAL lock_timeout = '1ms'")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await auth.users.update(user.id, name="Ada L.", conn=own)
        await auth.events.record("app.went_on", conn=own)
    await own.close()
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'app.went_on'") == 1


async def test_a_callers_connection_that_looks_elsewhere_is_led_to_the_tables_of_gatepost(
    empty_dsn: str, tmp_path: Path
) -> None:
    # As an application has them that began without Gatepost.
    await execute(empty_dsn, "CREATE TABLE users (id serial, email text, name text, hashed_password text)")
    settings = settings_for(empty_dsn, tmp_path, database_schema="auth")
    await migrate.migrate(settings.located(empty_dsn), schema="auth", features=SCHEMAS)
    auth = Gatepost(settings)
    own = await asyncpg.connect(empty_dsn)
    path = await own.fetchval("SHOW search_path")
    async with auth.lifespan():
        async with own.transaction():
            await everything(auth, own)
            with pytest.raises(EmailTaken):
                await auth.users.create(**PERSON, conn=own)
            assert await own.fetchval("SELECT count(*) FROM users") == 0
            assert await own.fetchval("SHOW search_path") == path
        assert await own.fetchval("SELECT count(*) FROM auth.users") == 1
        await auth.users.find("ada@example.com", conn=own)
    assert await own.fetchval("SHOW search_path") == path
    await own.close()


async def test_the_hooks_run_and_may_refuse(auth: Gatepost, client: httpx.AsyncClient, db: Database) -> None:
    ran: list[str] = []

    @auth.on_register
    async def registered(conn: Any, user: User) -> None:
        ran.append(f"register {user.email}")

    @auth.on_email_change
    async def moved(conn: Any, user: User) -> None:
        ran.append(f"move {user.email}")

    @auth.on_delete
    async def keep(conn: Any, user: User) -> None:
        ran.append(f"delete {user.email}")
        if user.name == "Ada":
            raise ValidationFailed({})

    user = await auth.users.create(**PERSON)
    await auth.users.update(user.id, email="new@example.com")
    with pytest.raises(ValidationFailed):
        await auth.users.delete(user.id)
    assert await db.fetchval("SELECT count(*) FROM users") == 1
    await auth.users.update(user.id, name="Other")
    await auth.users.delete(user.id)
    assert ran == [
        "register ada@example.com",
        "move new@example.com",
        "delete new@example.com",
        "delete new@example.com",
    ]


@pytest.mark.parametrize("limit", [0, -1, 10_001, 2**70])
async def test_a_limit_is_a_number_of_rows(auth: Gatepost, client: httpx.AsyncClient, limit: int) -> None:
    user = await auth.users.create(**PERSON)
    with pytest.raises(ValueError, match="limit is a number from 1 to 10000"):
        await auth.events.list(limit=limit)
    with pytest.raises(ValueError, match="limit is a number from 1 to 10000"):
        await auth.sessions.list(user.id, limit=limit)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (Client(ip_address="x" * 100), "no IP address"),
        (Client(ip_address="203.0.113.7:80"), "no IP address"),
        (Client(user_agent="x" * 513), "512 characters at most"),
    ],
)
async def test_a_client_that_no_row_can_have_is_refused_before_anything_is_done(
    auth: Gatepost, client: httpx.AsyncClient, db: Database, given: Client, told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        await auth.users.create(**PERSON, client=given)
    user = await auth.users.create(**PERSON)
    for call in (
        auth.users.update(user.id, name="Another", client=given),
        auth.users.delete(user.id, client=given),
        auth.sessions.start(user.id, methods=["sms"], client=given),
        auth.sessions.end_all(user.id, client=given),
        auth.events.record("app.seen", client=given),
    ):
        with pytest.raises(ValueError, match=told):
            await call
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action <> 'schema.migrated'") == 1


async def test_a_client_is_spelled_as_rows_have_it(
    auth: Gatepost, client: httpx.AsyncClient, db: Database
) -> None:
    user = await auth.users.create(**PERSON, client=Client(ip_address="::ffff:203.0.113.7", user_agent="a\n"))
    (event,) = await auth.events.list(user_id=user.id)
    assert (event.ip_address, event.user_agent) == ("203.0.113.7", "a")


def test_the_page_lists_every_call_with_its_parameters() -> None:
    page = (Path(__file__).parents[1] / "docs" / "library.md").read_text()
    table = page.partition("| Call |")[2].partition("\n\n")[0]
    listed = dict(re.findall(r"`auth\.(\w+\.\w+)\(([^`]*)\)`", table))
    there = {}
    for name, kind in {"users": Users, "sessions": UserSessions, "events": Events}.items():
        for verb, function in inspect.getmembers(kind, inspect.iscoroutinefunction):
            if not verb.startswith("_"):
                there[f"{name}.{verb}"] = _parameters(function)
    assert listed == there


def _parameters(function: Any) -> str:
    """Return the parameters of a call, but for those that the page names for all."""
    kept = [
        each.replace(annotation=inspect.Parameter.empty)
        for each in inspect.signature(function).parameters.values()
        if each.name not in {"self", "client", "conn"}
    ]
    return str(inspect.Signature(kept))[1:-1]
