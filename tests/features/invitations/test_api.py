"""Invitations in the API: by them somebody registers, and administrators make them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import (
    PASSWORD,
    SECRET_KEY,
    MakeSettings,
    MovableClock,
    bearer,
    nth_user,
    register,
    serving,
)
from tests.features.conftest import NEWCOMER, UNKNOWN, Serve, invited, sign_up, users
from tests.http.conftest import Database, assert_error, assert_success, events, until_waiting
from tests.walking import walked

from gatepost import errors
from gatepost.features.invitations.errors import InvalidInvitation, InvitationRequired
from gatepost.features.invitations.service import Invitations
from gatepost.features.setup.service import Setup
from gatepost.library import Gatepost
from gatepost.models import Client, User
from gatepost.security.links import StoredLink
from gatepost.store import links
from gatepost.store.users import ADMINS_LOCK

# --- Who registers ---


async def test_where_registration_is_closed_nobody_registers_invited_or_not(
    serve: Serve, db: Database
) -> None:
    async with serve(registration="closed") as (client, gate):
        token = await invited(gate)
        for response in (await sign_up(client), await sign_up(client, token), await sign_up(client, name="")):
            assert_error(response, errors.RegistrationClosed)
        assert (await gate.service(Invitations).look(token, client=Client())).status == "open"
    assert await users(db) == 0
    reasons = [each["detail"] for each in await events(db, "user.registration_refused")]
    assert reasons == [{"reason": "registration_closed"}] * 3


async def test_where_only_the_invited_register_an_invitation_makes_one_user(
    serve: Serve, db: Database
) -> None:
    async with serve(registration="invite") as (client, gate):
        token = await invited(gate)
        for nothing in (None, ""):
            assert_error(await sign_up(client, nothing), InvitationRequired)
        data = assert_success(await sign_up(client, token), "User registered successfully", status=201)
        assert_error(await sign_up(client, token, email="second@example.com"), InvalidInvitation)
    assert await users(db) == 1
    row = await db.fetchrow("SELECT * FROM auth_links")
    assert row is not None
    assert row["used_by"] == data["user"]["id"]
    assert row["used_at"] is not None
    (event,) = await events(db, "user.registered")
    assert event["detail"] == {"invitation": row["id"]}
    (event,) = await events(db, "invitation.refused")
    assert event["detail"] == {"reason": "used", "invitation": row["id"], "email": "second@example.com"}


async def test_where_anybody_registers_an_invitation_is_used_up_and_a_bad_one_in_nobodys_way(
    serve: Serve, db: Database
) -> None:
    async with serve() as (client, gate):
        token = await invited(gate)
        assert (await sign_up(client, token)).status_code == 201
        assert (await sign_up(client, token, email="b@example.com")).status_code == 201
        assert (await sign_up(client, "nonsense", email="c@example.com")).status_code == 201
    assert [e["detail"] for e in await events(db, "user.registered")] == [{"invitation": 1}, {}, {}]
    assert [e["detail"]["reason"] for e in await events(db, "invitation.refused")] == ["used", "unknown"]


Spoil = Callable[[Gatepost, MovableClock], Awaitable[str]]


async def _unknown(_: Gatepost, __: MovableClock) -> str:
    return UNKNOWN


async def _malformed(_: Gatepost, __: MovableClock) -> str:
    return "\0 no token \ud800".encode("utf-8", "replace").decode()


async def _expired(gate: Gatepost, clock: MovableClock) -> str:
    token = await invited(gate)
    clock.advance(days=7)
    return token


async def _revoked(gate: Gatepost, _: MovableClock) -> str:
    token = await invited(gate)
    await gate.service(Invitations).revoke(1, client=Client())
    return token


async def _others(gate: Gatepost, _: MovableClock) -> str:
    return await invited(gate, "grace@example.com")


async def _setup(gate: Gatepost, _: MovableClock) -> str:
    return str(await gate.service(Setup).issue())


@walked(
    ("spoil", "reason"),
    [
        (_unknown, "unknown"),
        (_malformed, "unknown"),
        (_expired, "expired"),
        (_revoked, "revoked"),
        (_others, "other_email"),
        (_setup, "unknown"),
    ],
)
async def test_an_invitation_that_is_not_good_gets_one_answer_and_the_trail_knows_why(
    serve: Serve, db: Database, clock: MovableClock, spoil: Spoil, reason: str
) -> None:
    async with serve(registration="invite") as (client, gate):
        response = await sign_up(client, await spoil(gate, clock))
    body = assert_error(response, InvalidInvitation)
    assert body["message"] == str(InvalidInvitation.standard())
    assert await users(db) == 0
    (event,) = await events(db, "invitation.refused")
    assert event["detail"]["reason"] == reason


@pytest.mark.parametrize("token", [None, UNKNOWN])
async def test_nothing_tells_the_uninvited_whether_an_account_exists(
    serve: Serve, clock: MovableClock, token: str | None
) -> None:
    async with serve() as (client, _):
        await register(client, NEWCOMER["email"])
    async with serve(registration="invite") as (client, _):
        answers = [await sign_up(client, token, email=each) for each in ("ada@example.com", "no@example.com")]
    assert answers[0].json() == answers[1].json()
    assert answers[0].status_code == answers[1].status_code == 403


async def test_an_invitation_for_an_email_is_that_emails_in_whatever_case(serve: Serve) -> None:
    async with serve(registration="invite") as (client, gate):
        token = await invited(gate, "ADA@Example.com")
        assert (await gate.service(Invitations).look(token, client=Client())).email == "ada@example.com"
        assert (await sign_up(client, token, email="Ada@example.COM")).status_code == 201


async def test_a_registration_that_fails_leaves_the_invitation(
    make_settings: MakeSettings, db: Database
) -> None:
    auth = Gatepost(make_settings(registration="invite"))
    refusing = True

    @auth.on_register
    async def hook(_: Any, __: User) -> None:
        if refusing:
            raise RuntimeError("no")

    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    async with serving(app) as client:
        token = await invited(auth)
        assert (await sign_up(client, token, password="short")).status_code == 422
        assert_error(await sign_up(client, token), errors.InternalError)
        refusing = False
        await auth.administration.create(
            email="taken@example.com", name="x", password=PASSWORD, is_admin=False, client=Client()
        )
        assert_error(await sign_up(client, token, email="taken@example.com"), errors.EmailTaken)
        assert await db.fetchval("SELECT used_at IS NULL AND used_by IS NULL FROM auth_links")
        assert (await sign_up(client, token)).status_code == 201


async def test_one_invitation_makes_one_user_however_many_come_with_it_at_once(
    serve: Serve, db: Database
) -> None:
    async with serve(registration="invite") as (client, gate):
        token = await invited(gate)
        answers = await asyncio.gather(*(sign_up(client, token, email=f"{i}@example.com") for i in range(20)))
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [201] + [403] * 19
    assert await users(db) == 1
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 1
    reasons = {each["detail"]["reason"] for each in await events(db, "invitation.refused")}
    assert reasons <= {"used", "ended_meanwhile"}


async def test_guesses_of_invitations_are_throttled_as_registrations_are(serve: Serve) -> None:
    async with serve(
        registration="invite", throttle_enabled=True, throttle_register_address="2 then 1/day"
    ) as (client, gate):
        token = await invited(gate)
        asking = Client.of("127.0.0.1", None)
        assert (await gate.service(Invitations).look(token, client=asking)).status == "open"
        with pytest.raises(InvalidInvitation):
            await gate.service(Invitations).look(UNKNOWN, client=asking)
        assert_error(await sign_up(client, UNKNOWN), InvalidInvitation)
        assert_error(await sign_up(client, UNKNOWN), errors.TooManyAttempts)
        assert_error(await sign_up(client), errors.TooManyAttempts)
        with pytest.raises(errors.TooManyAttempts):
            await gate.service(Invitations).look(UNKNOWN, client=asking)
        # Who was invited sees the page all the same.
        assert (await gate.service(Invitations).look(token, client=asking)).status == "open"


async def test_an_invitation_outlives_a_rotation_of_the_key_and_no_longer(serve: Serve, db: Database) -> None:
    async with serve() as (_, gate):
        token = await invited(gate)
    new = "another-key-for-tests-that-is-long-enough-to-be-one"
    async with serve(secret_key=new) as (_, gate):
        with pytest.raises(InvalidInvitation):
            await gate.service(Invitations).look(token, client=Client())
    async with serve(secret_key=new, secret_key_fallbacks=[SECRET_KEY], registration="invite") as (client, _):
        assert (await sign_up(client, token)).status_code == 201
    digest = await db.fetchval("SELECT digest FROM auth_links")
    assert len(digest) == 64
    assert token not in digest


# --- What administrators do ---


@pytest.fixture
async def admin(client: httpx.AsyncClient, db: Database) -> str:
    token: str = (await register(client, "admin@example.com"))["token"]
    await db.execute("UPDATE users SET is_admin = true")
    return token


PATH = "/api/auth/admin/invitations"


async def test_an_administrator_invites_looks_and_takes_back(
    client: httpx.AsyncClient, admin: str, db: Database, gate: Gatepost
) -> None:
    body = {"email": "Ada@example.com", "hours": 2}
    response = await client.post(PATH, json=body, headers=bearer(admin))
    made = assert_success(response, "Invitation created successfully", status=201)
    assert made["url"] == f"http://localhost:8000/auth/sign-up?invitation={made['token']}"
    assert made["invitation"]["email"] == "ada@example.com"
    assert made["invitation"]["created_by"] == nth_user(1)
    await client.post(PATH, json={}, headers=bearer(admin))
    response = await client.get(PATH, headers=bearer(admin))
    listed = assert_success(response, "Invitations retrieved successfully")
    assert [(each["id"], each["status"]) for each in listed["invitations"]] == [(2, "open"), (1, "open")]
    assert made["token"] not in response.text
    response = await client.delete(f"{PATH}/1", headers=bearer(admin))
    assert assert_success(response, "Invitation revoked successfully") is None
    assert_error(await client.delete(f"{PATH}/1", headers=bearer(admin)), errors.NotFound)
    with pytest.raises(InvalidInvitation):
        await gate.service(Invitations).look(made["token"], client=Client())
    found = await events(db, "invitation.created", "invitation.revoked")
    about = {"admin_id": nth_user(1), "invitation": 1, "email": "ada@example.com"}
    assert [each["detail"] for each in found] == [about, {"admin_id": nth_user(1), "invitation": 2}, about]
    assert {(each["user_id"], each["ip_address"]) for each in found} == {(nth_user(1), "127.0.0.1")}
    lifetime = await db.fetchval("SELECT expires_at - created_at FROM auth_links WHERE id = 1")
    assert lifetime.total_seconds() == 7200


async def test_invitations_are_paged(client: httpx.AsyncClient, admin: str) -> None:
    for _ in range(3):
        await client.post(PATH, json={}, headers=bearer(admin))
    seen: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        response = await client.get(PATH, params={"limit": "2"} | cursor, headers=bearer(admin))
        seen += [each["id"] for each in response.json()["data"]["invitations"]]
        following = response.json()["data"]["next_cursor"]
        if following is None:
            break
        cursor = {"cursor": following}
    assert seen == [3, 2, 1]


async def test_without_a_public_url_the_link_is_a_path(serve: Serve) -> None:
    async with serve(environment="production", bcrypt_rounds=10) as (_, gate):
        issued = await gate.service(Invitations).create(email=None, client=Client())
    assert issued.url == f"/auth/sign-up?invitation={issued.token}"
    assert issued.token not in repr(issued)


async def test_the_link_leads_through_the_proxys_path(serve: Serve) -> None:
    async with serve(public_url="https://example.com", root_path="/accounts") as (_, gate):
        issued = await gate.service(Invitations).create(email=None, client=Client())
    assert issued.url == f"https://example.com/accounts/auth/sign-up?invitation={issued.token}"


@pytest.mark.parametrize(
    ("body", "field"),
    [({"hours": 0}, "hours"), ({"hours": 8761}, "hours"), ({"email": "no e-mail"}, "email")],
)
async def test_what_can_be_no_invitation_is_422(
    client: httpx.AsyncClient, admin: str, db: Database, body: dict[str, Any], field: str
) -> None:
    response = await client.post(PATH, json=body, headers=bearer(admin))
    assert_error(response, errors.ValidationFailed, fields=response.json()["error"]["fields"])
    assert set(response.json()["error"]["fields"]) == {field}
    assert await db.fetchval("SELECT count(*) FROM auth_links") == 0


async def test_who_has_an_account_is_not_invited(client: httpx.AsyncClient, admin: str) -> None:
    body = {"email": "Admin@example.com"}
    assert_error(await client.post(PATH, json=body, headers=bearer(admin)), errors.EmailTaken)


async def test_others_may_not_invite_and_a_stale_administrator_only_looks(
    client: httpx.AsyncClient, admin: str, db: Database, clock: MovableClock
) -> None:
    user = (await register(client))["token"]
    for ask in (client.get(PATH, headers=bearer(user)), client.post(PATH, json={}, headers=bearer(user))):
        assert_error(await ask, errors.AdminRequired)
    clock.advance(minutes=11)
    assert (await client.get(PATH, headers=bearer(admin))).status_code == 200
    stale = (
        await client.post(PATH, json={}, headers=bearer(admin)),
        await client.delete(f"{PATH}/1", headers=bearer(admin)),
    )
    for response in stale:
        assert_error(response, errors.FreshSessionRequired)
    assert await db.fetchval("SELECT count(*) FROM auth_links") == 0


async def test_who_deletes_their_account_leaves_no_invitation_with_their_email(
    client: httpx.AsyncClient, gate: Gatepost, db: Database
) -> None:
    tokens = [await invited(gate, "ada@example.com") for _ in range(2)]
    data = (await sign_up(client, tokens[0])).json()["data"]
    await db.execute("INSERT INTO users (email, name, is_admin) VALUES ('x@example.com', 'x', true)")
    gone = await client.request(
        "DELETE", "/api/auth/me", json={"password": PASSWORD}, headers=bearer(data["token"])
    )
    assert gone.status_code == 200
    assert await db.fetchval("SELECT count(*) FROM auth_links") == 0
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE detail ? 'email'") == 0


@pytest.mark.parametrize("way", ["administrator", "sql"])
async def test_nor_does_whom_somebody_else_deletes(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, way: str
) -> None:
    for email in ("ada@example.com", "bob@example.com"):
        await invited(gate, email)
    await db.execute(
        "INSERT INTO users (email, name) VALUES ('Ada@example.com', 'Ada'), ('x@example.com', 'x')"
    )
    await db.execute("UPDATE auth_links SET created_by = $1", nth_user(1))
    if way == "sql":
        assert await db.fetchval("SELECT gatepost_erase_user($1)", nth_user(1)) == "erased"
    else:
        await gate.administration.delete(await gate.administration.get(nth_user(1)), client=Client())
    assert [tuple(row) for row in await db.fetch("SELECT email, created_by FROM auth_links")] == [
        ("bob@example.com", None)
    ]


async def test_who_registers_while_the_link_s_maker_is_deleted_waits_in_no_ring(
    db: Database, owner_dsn: str
) -> None:
    await db.execute(
        "INSERT INTO users (email, name) VALUES ('ada@example.com', 'Ada'), ('x@example.com', 'x')"
    )
    link = await links.insert(
        db, "invitation", StoredLink("d"), lifetime=timedelta(hours=1), created_by=nth_user(1), at=None
    )
    one, other = await asyncpg.connect(owner_dsn), await asyncpg.connect(owner_dsn)
    try:
        async with one.transaction():
            assert await links.claim(one, link.id, email="bob@example.com", at=None)
            erasing = asyncio.create_task(other.fetchval("SELECT gatepost_erase_user($1)", nth_user(1)))
            await until_waiting(db, 1)
            made = await one.fetchval(
                "INSERT INTO users (email, name) VALUES ('bob@example.com', 'Bob') RETURNING id"
            )
            await links.use(one, link.id, made, at=None)
        assert await erasing == "erased"
    finally:
        await one.close()
        await other.close()
    found = await db.fetchrow("SELECT used_by, created_by, used_at IS NOT NULL FROM auth_links")
    assert found is not None
    assert tuple(found) == (nth_user(3), None, True)


async def test_who_waits_for_a_user_to_be_promoted_holds_up_no_other_administrator(
    client: httpx.AsyncClient, gate: Gatepost, db: Database, owner_dsn: str
) -> None:
    await register(client)
    user = await gate.administration.get(nth_user(1))
    holder = await asyncpg.connect(owner_dsn)
    try:
        async with holder.transaction():
            await holder.execute("SELECT FROM users FOR NO KEY UPDATE")
            promoting = asyncio.create_task(
                gate.administration.set_admin(user, is_admin=True, client=Client())
            )
            await until_waiting(db, 1)
            assert await db.fetchval("SELECT pg_try_advisory_xact_lock($1)", ADMINS_LOCK)
        assert await promoting
    finally:
        await holder.close()


async def test_an_invitation_outlives_the_administrator_who_made_it(
    client: httpx.AsyncClient, gate: Gatepost, admin: str, db: Database
) -> None:
    token = (await client.post(PATH, json={}, headers=bearer(admin))).json()["data"]["token"]
    await gate.administration.delete(await gate.administration.get(nth_user(1)), client=Client())
    assert (await gate.service(Invitations).look(token, client=Client())).created_by is None


async def test_housekeeping_forgets_links_as_it_forgets_sessions(
    gate: Gatepost, client: httpx.AsyncClient, clock: MovableClock, db: Database
) -> None:
    await invited(gate)
    await gate.service(Setup).issue()
    clock.advance(days=96)
    await invited(gate)
    await gate.housekeeping.run(client=Client())
    assert [row["id"] for row in await db.fetch("SELECT id FROM auth_links ORDER BY id")] == [1, 3]
    clock.advance(days=2)
    await gate.housekeeping.run(client=Client())
    assert [row["id"] for row in await db.fetch("SELECT id FROM auth_links")] == [3]
