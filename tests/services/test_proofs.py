"""Proofs: a session starts by whatever proves who somebody is, and only while that is what was proven."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from tests.conftest import PASSWORD, bearer, login, register
from tests.walking import walked

from gatepost.library import Gatepost
from gatepost.models import Client, Proof, SignedIn
from gatepost.store import users

CLIENT = Client(ip_address="192.0.2.7", user_agent="a test")


async def stamp_of(db: Any, user_id: int = 1) -> UUID:
    stamp = await db.fetchval("SELECT gatepost.credentials_stamp(u) FROM users u WHERE id = $1", user_id)
    assert isinstance(stamp, UUID)
    return stamp


async def start(gate: Gatepost, proof: Proof) -> SignedIn | None:
    async with gate.database.connection() as conn:
        return await gate.session_tokens.start(conn, proof, client=CLIENT)


@pytest.fixture
async def passwordless(client: httpx.AsyncClient, db: Any) -> Proof:
    """What somebody has proven who has no password."""
    await register(client)
    await db.execute("UPDATE users SET hashed_password = NULL")
    return Proof(user_id=1, methods=("test",), stamp=await stamp_of(db), at=None)


async def test_a_user_without_a_password_has_sessions(
    client: httpx.AsyncClient, gate: Gatepost, passwordless: Proof, db: Any
) -> None:
    started = await start(gate, passwordless)
    assert started is not None
    assert (started.session.methods, started.session.aal) == (("test",), 1)
    me = (await client.get("/api/auth/me", headers=bearer(started.token))).json()["data"]
    assert me["session_info"] | {"expires_at": "", "created_at": ""} == {
        "expires_at": "",
        "created_at": "",
        "methods": ["test"],
        "aal": 1,
        "is_fresh": True,
    }
    listed = (await client.get("/api/auth/sessions", headers=bearer(started.token))).json()["data"]
    assert [each["is_current"] for each in listed["sessions"]].count(True) == 1
    refreshed = (await client.post("/api/auth/refresh", headers=bearer(started.token))).json()["data"]
    assert refreshed["session_info"]["methods"] == ["test"]
    async with gate.database.transaction() as conn:
        confirmed = await gate.session_tokens.confirm(conn, 3, passwordless, CLIENT)
    assert confirmed is not None
    assert confirmed.session.methods == ("test",)
    response = await client.post("/api/auth/logout", headers=bearer(confirmed.token))
    assert response.status_code == 200
    row = await db.fetchrow("SELECT methods, aal, end_reason FROM user_sessions WHERE id = 2")
    assert tuple(row) == (["test"], 1, "refreshed")


async def test_no_password_is_theirs_who_have_none(client: httpx.AsyncClient, passwordless: Proof) -> None:
    body = {"email": "user@example.com", "password": PASSWORD}
    assert (await client.post("/api/auth/login", json=body)).status_code == 401


async def test_more_than_one_factor_is_level_two_and_a_password_given_again_takes_nothing_of_it(
    client: httpx.AsyncClient, gate: Gatepost, db: Any
) -> None:
    await register(client)
    proof = Proof(user_id=1, methods=("pwd", "otp", "mfa"), stamp=await stamp_of(db), at=None)
    started = await start(gate, proof)
    assert started is not None
    assert started.session.aal == 2
    confirmed = await client.post(
        "/api/auth/confirm", json={"password": PASSWORD}, headers=bearer(started.token)
    )
    token = confirmed.json()["data"]["token"]
    assert confirmed.json()["data"]["session_info"]["methods"] == ["pwd", "otp", "mfa"]
    change = {"current": PASSWORD, "new": "another secure password"}
    changed = await client.post("/api/auth/password", json=change, headers=bearer(token))
    info = changed.json()["data"]["session_info"]
    assert (info["methods"], info["aal"]) == (["pwd", "otp", "mfa"], 2)
    events = await db.fetch("SELECT detail FROM auth_events WHERE action = 'session.started' ORDER BY id")
    given = '{"methods": ["pwd", "otp", "mfa"]}'
    assert [event["detail"] for event in events] == ["{}", given, given]


async def test_a_session_was_authenticated_when_its_proof_was_given(
    client: httpx.AsyncClient, gate: Gatepost, passwordless: Proof, db: Any
) -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    proof = Proof(user_id=1, methods=("test",), stamp=passwordless.stamp, at=at)
    started = await start(gate, proof)
    assert started is not None
    assert started.session.authenticated_at == at


MOVING = [
    "UPDATE users SET hashed_password = 'x'",
    "UPDATE users SET hashed_password = NULL",
    "UPDATE users SET email = 'other@example.com'",
    "UPDATE users SET email = 'other@example.com', credentials_stamp = credentials_stamp",
    "UPDATE users SET is_active = false",
    "UPDATE users SET is_active = false; UPDATE users SET is_active = true",
    "UPDATE users SET credentials_stamp = gen_random_uuid()",
]
STAYING = [
    "UPDATE users SET name = 'Jane', is_admin = true, updated_at = now()",
    "UPDATE users SET email = 'USER@example.com'",
    "UPDATE users SET email_key = email",
    "UPDATE users SET hashed_password = hashed_password, email = email, is_active = true",
    "UPDATE users SET email_verified_at = now(), temporary_password_expires_at = now()",
]


@walked("is_older", [False, True], ids=["new", "from-before"])
@walked("sql", MOVING)
async def test_whatever_one_signs_in_with_moves_the_stamp_and_nothing_starts_by_the_former(
    client: httpx.AsyncClient, gate: Gatepost, db: Any, sql: str, is_older: bool
) -> None:
    await register(client)
    if is_older:
        await db.execute("UPDATE users SET credentials_stamp = NULL")
    proof = Proof(user_id=1, methods=("pwd",), stamp=await stamp_of(db), at=None)
    await db.execute(sql)
    assert await stamp_of(db) != proof.stamp
    assert await start(gate, proof) is None
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 1


@walked("is_older", [False, True], ids=["new", "from-before"])
@walked("sql", STAYING)
async def test_what_nobody_signs_in_with_leaves_the_stamp(
    client: httpx.AsyncClient, gate: Gatepost, db: Any, sql: str, is_older: bool
) -> None:
    await register(client)
    if is_older:
        await db.execute("UPDATE users SET credentials_stamp = NULL")
    proof = Proof(user_id=1, methods=("pwd",), stamp=await stamp_of(db), at=None)
    await db.execute(sql)
    assert await stamp_of(db) == proof.stamp
    assert await start(gate, proof) is not None


async def test_no_session_of_a_disabled_user_starts_whatever_was_proven(
    client: httpx.AsyncClient, gate: Gatepost, db: Any
) -> None:
    await register(client)
    await db.execute("UPDATE users SET is_active = false")
    proof = Proof(user_id=1, methods=("pwd",), stamp=await stamp_of(db), at=None)
    assert await start(gate, proof) is None


async def test_each_user_has_a_stamp_of_their_own(client: httpx.AsyncClient, db: Any) -> None:
    await register(client)
    await register(client, "other@example.com")
    await db.execute("UPDATE users SET hashed_password = NULL")
    assert await stamp_of(db, 1) != await stamp_of(db, 2)
    await db.execute("UPDATE users SET credentials_stamp = NULL")
    assert await stamp_of(db, 1) != await stamp_of(db, 2)


@pytest.mark.parametrize("is_older", [False, True], ids=["new", "from-before"])
async def test_a_hash_made_again_of_the_same_password_leaves_the_stamp(
    client: httpx.AsyncClient, db: Any, is_older: bool
) -> None:
    await register(client)
    await db.execute("UPDATE users SET hashed_password = replace(hashed_password, '$2b$', '$2a$')")
    if is_older:
        await db.execute("UPDATE users SET credentials_stamp = NULL")
    before = await stamp_of(db)
    await login(client)
    assert (await db.fetchval("SELECT hashed_password FROM users")).startswith("$2b$04$")
    assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'password.rehashed'") == 1
    assert await stamp_of(db) == before


@pytest.mark.parametrize("sql", [MOVING[0], MOVING[2]])
async def test_a_hash_is_not_put_back_over_credentials_that_changed_meanwhile(
    client: httpx.AsyncClient, gate: Gatepost, db: Any, sql: str
) -> None:
    """Neither by what replaces hashes, nor by what changes passwords."""
    await register(client)
    former = await db.fetchval("SELECT hashed_password FROM users")
    proof = Proof(user_id=1, methods=("pwd",), stamp=await stamp_of(db), at=None)
    await db.execute(sql)
    now = await db.fetchrow("SELECT hashed_password, credentials_stamp FROM users")
    async with gate.database.transaction() as conn:
        assert not await users.replace_hash(conn, proof, old=former, new="new")
        assert await users.change_password(conn, proof, "new", at=None) is None
    assert await db.fetchrow("SELECT hashed_password, credentials_stamp FROM users") == now


async def test_another_email_is_not_verified_unless_that_comes_with_it(
    client: httpx.AsyncClient, db: Any
) -> None:
    token = (await register(client))["token"]
    await db.execute("UPDATE users SET email_verified_at = now()")
    me = (await client.get("/api/auth/me", headers=bearer(token))).json()["data"]
    assert me["user"]["email_verified"] is True
    change = {"email": "other@example.com", "password": PASSWORD}
    changed = await client.post("/api/auth/email", json=change, headers=bearer(token))
    assert changed.json()["data"]["user"]["email_verified"] is False
    assert await db.fetchval("SELECT email_verified_at FROM users") is None
    await db.execute("UPDATE users SET email = 'third@example.com', email_verified_at = '2024-01-01Z'")
    assert await db.fetchval("SELECT email_verified_at FROM users") is not None
