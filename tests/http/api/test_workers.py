"""Two workers on one database, with the same keys and with keys that are being rotated."""

import asyncio
import re
import uuid
from typing import Any

import httpx
import pytest
from tests.conftest import SECRET_KEY, bearer, login, register, serving
from tests.http.conftest import Database, MakeApp, StoppedClock, assert_error
from tests.walking import walked

from gatepost import errors
from gatepost.errors import GatepostError
from gatepost.models import Client

NEW_KEY = "another-key-for-tests-that-is-long-enough-to-be-one"
OPAQUE = re.compile(r"[A-Za-z0-9_-]{43}")


async def refused(client: httpx.AsyncClient, token: str, kind: type[GatepostError]) -> None:
    assert_error(await client.get("/api/auth/me", headers=bearer(token)), kind)


async def works(client: httpx.AsyncClient, token: str) -> bool:
    return (await client.get("/api/auth/me", headers=bearer(token))).status_code == 200


async def refresh(client: httpx.AsyncClient, token: str) -> dict[str, Any]:
    response = await client.post("/api/auth/refresh", headers=bearer(token))
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


# --- What one does binds the other at once ---


@walked(
    ("method", "path", "kind"),
    [
        ("POST", "logout", errors.SessionRevoked),
        ("POST", "logout-all", errors.SessionRevoked),
        ("DELETE", "sessions/1", errors.SessionRevoked),
        ("POST", "refresh", errors.SessionReplaced),
    ],
)
async def test_an_end_in_one_worker_binds_the_next_request_in_the_other(
    stopped_app: MakeApp, method: str, path: str, kind: type[GatepostError]
) -> None:
    async with serving(stopped_app()) as one, serving(stopped_app()) as two:
        token = (await register(one))["token"]
        assert await works(two, token)
        assert (await one.request(method, f"/api/auth/{path}", headers=bearer(token))).status_code == 200
        await refused(two, token, kind)
        await refused(one, token, kind)


@walked("act", ["disable", "set_password", "revoke_all", "revoke", "delete"])
async def test_what_an_administrator_does_in_one_worker_binds_the_other(
    stopped_app: MakeApp, db: Database, act: str
) -> None:
    app = stopped_app()
    async with serving(app) as one, serving(stopped_app()) as two:
        tokens = [(await register(one))["token"], (await login(two))["token"]]
        gate = app.state.gatepost
        user = await gate.administration.find("user@example.com")
        if act == "disable":
            await gate.administration.set_active(user, is_active=False, client=Client())
        elif act == "set_password":
            await gate.administration.set_password(user, "another password", client=Client())
        elif act == "revoke_all":
            assert await gate.administration.end_sessions(user, client=Client()) == 2
        elif act == "revoke":
            assert [await gate.oversight.end(number, client=Client()) for number in (1, 2)] == [1, 1]
            with pytest.raises(errors.NotFound):
                await gate.oversight.end(2, client=Client())
        else:
            await gate.administration.delete(user, client=Client())
        kind = errors.InvalidSession if act == "delete" else errors.SessionRevoked
        for client in (one, two):
            for token in tokens:
                await refused(client, token, kind)
    reasons = {row["end_reason"] for row in await db.fetch("SELECT end_reason FROM user_sessions")}
    expected = {"disable": {"user_disabled"}, "set_password": {"password_set"}, "delete": set()}
    assert reasons == expected.get(act, {"revoked"})


async def test_an_enabled_user_signs_in_again_and_the_old_sessions_stay_ended(stopped_app: MakeApp) -> None:
    app = stopped_app()
    async with serving(app) as one, serving(stopped_app()) as two:
        token = (await register(one))["token"]
        gate = app.state.gatepost
        user = await gate.administration.find("user@example.com")
        assert await gate.administration.set_active(user, is_active=False, client=Client())
        assert not await gate.administration.set_active(user, is_active=False, client=Client())
        assert await gate.administration.set_active(user, is_active=True, client=Client())
        await refused(two, token, errors.SessionRevoked)
        assert await works(two, (await login(one))["token"])


async def test_a_promotion_binds_the_next_request(stopped_app: MakeApp) -> None:
    app = stopped_app()
    async with serving(app) as one, serving(stopped_app()) as two:
        token = (await register(one))["token"]
        gate = app.state.gatepost
        user = await gate.administration.find("user@example.com")
        for is_admin, status in ((True, 200), (False, 403)):
            await gate.administration.set_admin(user, is_admin=is_admin, client=Client())
            for client in (one, two):
                response = await client.post("/api/auth/cleanup", headers=bearer(token))
                assert response.status_code == status


async def test_lookups_under_way_together_are_each_answered_for_themselves(stopped_app: MakeApp) -> None:
    async with serving(stopped_app()) as client:
        tokens = [
            (await register(client, email=f"user{number}@example.com"))["token"] for number in range(20)
        ]
        asked = [*tokens, *tokens, *(str(uuid.uuid4()) for _ in range(20))]
        answers = await asyncio.gather(*(client.get("/api/auth/me", headers=bearer(t)) for t in asked))
    emails = [a.json()["data"]["user"]["email"] for a in answers[:40]]
    assert emails == [f"user{number}@example.com" for number in range(20)] * 2
    assert {answer.json()["error"]["code"] for answer in answers[40:]} == {"invalid_session"}


# --- Keys ---


async def test_after_a_rotation_old_tokens_still_open_refresh_and_end_their_sessions(
    stopped_app: MakeApp,
) -> None:
    async with serving(stopped_app()) as before:
        tokens = [(await register(before))["token"], *[(await login(before))["token"] for _ in range(2)]]
    async with serving(stopped_app(secret_key=NEW_KEY, secret_key_fallbacks=[SECRET_KEY])) as after:
        assert await works(after, tokens[0])
        assert await works(after, (await refresh(after, tokens[1]))["token"])
        assert (await after.post("/api/auth/logout", headers=bearer(tokens[2]))).status_code == 200
        await refused(after, tokens[2], errors.SessionRevoked)


async def test_without_the_fallback_old_tokens_open_nothing(stopped_app: MakeApp) -> None:
    async with serving(stopped_app()) as before:
        token = (await register(before))["token"]
    async with serving(stopped_app(secret_key=NEW_KEY)) as after:
        for method, path in (("GET", "me"), ("POST", "refresh"), ("POST", "logout"), ("POST", "logout-all")):
            response = await after.request(method, f"/api/auth/{path}", headers=bearer(token))
            assert_error(response, errors.InvalidSession)


async def test_a_refresh_can_be_repeated_in_a_worker_that_has_the_keys_in_another_order(
    stopped_app: MakeApp, db: Database
) -> None:
    """In the middle of a rotation: both workers know both keys, and each signs with another one."""
    old = stopped_app(secret_key_fallbacks=[NEW_KEY])
    new = stopped_app(secret_key=NEW_KEY, secret_key_fallbacks=[SECRET_KEY], session_token_format="opaque")
    async with serving(old) as one, serving(new) as two:
        for first, then in ((one, two), (two, one)):
            token = (await (register if first is one else login)(first))["token"]
            data = await refresh(first, token)
            assert await refresh(then, token) == data
            assert await works(one, data["token"])
            assert await works(two, data["token"])
    assert await db.fetchval("SELECT count(*) FROM user_sessions") == 4


async def test_a_refresh_can_not_be_repeated_in_a_worker_that_lacks_the_key(
    stopped_app: MakeApp, stopped: StoppedClock
) -> None:
    new = stopped_app(secret_key=NEW_KEY, secret_key_fallbacks=[SECRET_KEY])
    async with serving(stopped_app()) as one, serving(new) as two:
        token = (await register(one))["token"]
        await refresh(two, token)
        assert_error(await one.post("/api/auth/refresh", headers=bearer(token)), errors.SessionReplaced)


# --- The other format ---


async def test_opaque_tokens_have_256_random_bits_and_do_all_that_others_do(
    stopped_app: MakeApp, db: Database
) -> None:
    async with serving(stopped_app(session_token_format="opaque")) as client:
        token = (await register(client))["token"]
        assert OPAQUE.fullmatch(token)
        stored = await db.fetchval("SELECT session_token FROM user_sessions")
        assert stored[:9] == token[:8] + "."
        successor = (await refresh(client, token))["token"]
        assert OPAQUE.fullmatch(successor)
        assert (await refresh(client, token))["token"] == successor
        listed = (await client.get("/api/auth/sessions", headers=bearer(successor))).json()["data"]
        assert [each["session_token"] for each in listed["sessions"]] == [f"{successor[:8]}..."]
        assert (await client.post("/api/auth/logout", headers=bearer(successor))).status_code == 200


async def test_tokens_of_the_former_format_are_refreshed_to_the_new(stopped_app: MakeApp) -> None:
    async with serving(stopped_app()) as before:
        token = (await register(before))["token"]
    async with serving(stopped_app(session_token_format="opaque")) as after:
        assert await works(after, token)
        assert OPAQUE.fullmatch((await refresh(after, token))["token"])
