"""Several Gateposts: in one process, on one application, opened together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from tests.conftest import AsApp, MakeSettings, bearer, execute, scratch_database, serving
from tests.walking import walked

from gatepost import CurrentSession, Gatepost, Session, Settings
from gatepost.models import EventFilter


@pytest.fixture
async def staff(
    make_settings: MakeSettings, server_dsn: str, template: str, as_app: AsApp
) -> AsyncIterator[Gatepost]:
    """A second Gatepost, with a database of its own."""
    async with scratch_database(server_dsn, template) as dsn:
        settings = make_settings(database_url=as_app(dsn))
        yield Gatepost(settings, prefix="/api/staff")


@pytest.fixture
def customers(make_settings: MakeSettings) -> Gatepost:
    return Gatepost(make_settings())


@pytest.fixture
def app(customers: Gatepost, staff: Gatepost) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with customers.lifespan(app), staff.lifespan(app):
            yield

    app = FastAPI(lifespan=lifespan)
    customers.install(app)
    staff.install(app)

    @app.get("/orders")
    async def orders(session: CurrentSession) -> str:
        return session.user.email

    @app.get("/stock")
    async def stock(session: Annotated[Session, Depends(staff.current_session)]) -> str:
        return session.user.email

    @app.get("/wages")
    async def wages(session: Annotated[Session, Depends(staff.admin_session)]) -> str:
        return session.user.email

    @app.get("/both")
    async def both(session: CurrentSession, other: Annotated[Session, Depends(staff.current_session)]) -> str:
        return session.user.email + other.user.email

    return app


async def register_at(client: Any, prefix: str, email: str) -> dict[str, str]:
    body = {"email": email, "name": "N", "password": "securepassword123"}
    response = await client.post(f"{prefix}/register", json=body)
    assert response.status_code == 201, response.text
    return bearer(response.json()["data"]["token"])


async def test_each_route_takes_the_sessions_of_its_own_instance_only(app: FastAPI) -> None:
    async with serving(app) as client:
        customer = await register_at(client, "/api/auth", "customer@example.com")
        clerk = await register_at(client, "/api/staff", "clerk@example.com")
        assert (await client.get("/orders", headers=customer)).json() == "customer@example.com"
        assert (await client.get("/stock", headers=clerk)).json() == "clerk@example.com"
        for path, headers in (("/orders", clerk), ("/stock", customer), ("/both", customer)):
            refused = await client.get(path, headers=headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_session")
        assert (await client.get("/api/staff/me", headers=customer)).status_code == 401
        assert (await client.get("/api/auth/me", headers=clerk)).status_code == 401


async def test_an_admin_of_one_instance_is_none_of_the_other(app: FastAPI, staff: Gatepost) -> None:
    async with serving(app) as client:
        customer = await register_at(client, "/api/auth", "customer@example.com")
        clerk = await register_at(client, "/api/staff", "clerk@example.com")
        await execute(app.state.gatepost.database.dsn, "UPDATE users SET is_admin = true")
        assert (await client.get("/wages", headers=customer)).status_code == 401
        assert (await client.get("/wages", headers=clerk)).status_code == 403
        denied = await staff.trail.page(EventFilter(), before=None, limit=1)
        assert [seen.event.action for seen in denied.events] == ["access.denied"]
        await execute(staff.database.dsn, "UPDATE users SET is_admin = true")
        assert (await client.get("/wages", headers=clerk)).json() == "clerk@example.com"


async def test_openapi_tells_their_tokens_apart(app: FastAPI) -> None:
    document = app.openapi()
    named = {path: item["get"]["security"] for path, item in document["paths"].items()}
    assert named["/orders"] == [{"SessionToken": []}]
    assert named["/stock"] == named["/wages"] == [{"SessionToken_api_staff": []}]
    assert set(document["components"]["securitySchemes"]) == {"SessionToken", "SessionToken_api_staff"}


async def test_two_at_one_prefix_are_refused(customers: Gatepost, make_settings: MakeSettings) -> None:
    app = FastAPI()
    customers.install(app)
    with pytest.raises(ValueError, match="already mounted at /api/auth"):
        Gatepost(make_settings()).install(app)


@walked("prefix", ["", "/", "auth", "/auth/", "//auth", "/a b", "/{id}", "/auth?x", "/aüth"])
def test_a_prefix_is_a_path(make_settings: MakeSettings, prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix must be a path"):
        Gatepost(make_settings(), prefix=prefix)


async def test_settings_given_in_code_count(make_settings: MakeSettings) -> None:
    auth = Gatepost(make_settings(session_expire_minutes=7), prefix="/auth/v2")
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    async with serving(app) as client:
        headers = await register_at(client, "/auth/v2", "a@example.com")
        [found] = await auth.session_tokens.active(1)
        assert (found.row.expires_at - found.row.created_at).total_seconds() == 7 * 60
        assert (await client.get("/api/auth/me", headers=headers)).status_code == 404


def test_settings_of_the_environment_count_where_none_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SESSION_EXPIRE_MINUTES", "11")
    assert Gatepost().settings.session_expire_minutes == 11
    assert Gatepost(Settings(session_expire_minutes=12)).settings.session_expire_minutes == 12


async def test_the_first_lifespan_opens_and_the_last_closes(customers: Gatepost) -> None:
    first, second = customers.lifespan(), customers.lifespan()
    was_open = [customers.is_open]
    await first.__aenter__()
    database = customers.database
    await second.__aenter__()
    assert customers.database is database
    await first.__aexit__(None, None, None)
    was_open.append(customers.is_open)
    await second.__aexit__(None, None, None)
    was_open.append(customers.is_open)
    assert was_open == [False, True, False]


async def test_one_that_was_closed_can_be_opened_again(customers: Gatepost) -> None:
    app = FastAPI(lifespan=customers.lifespan)
    customers.install(app)
    async with serving(app) as client:
        headers = await register_at(client, "/api/auth", "a@example.com")
    async with serving(app) as client:
        assert (await client.get("/api/auth/me", headers=headers)).status_code == 200


# --- Event loops ---


async def test_a_second_loop_at_once_is_told_and_one_after_the_other_works(customers: Gatepost) -> None:
    """Two of Starlette's TestClient at once are two loops."""
    app = FastAPI(lifespan=customers.lifespan)
    customers.install(app)

    async def ask() -> int:
        async with serving(app) as client:
            return (await client.get("/api/auth/me")).status_code

    async with serving(app) as client:
        with pytest.raises(RuntimeError, match="open in another event loop"):
            await asyncio.to_thread(asyncio.run, ask())
        assert (await client.get("/api/auth/me")).status_code == 401, "the first goes on"
    for _ in range(2):
        assert await asyncio.to_thread(asyncio.run, ask()) == 401
    assert await ask() == 401


async def test_whoever_asks_from_another_loop_is_told_in_the_log(
    customers: Gatepost, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI(lifespan=customers.lifespan)
    customers.install(app, pages=True)

    @app.get("/notes")
    async def notes(_: CurrentSession) -> None:
        return None

    async def ask(path: str, headers: dict[str, str]) -> int:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://gatepost.test") as client:
            method = "POST" if path.endswith(("login", "refresh")) else "GET"
            body = {"email": "a@example.com", "password": "x"} if path.endswith("login") else None
            return (await client.request(method, path, headers=headers, json=body)).status_code

    async with serving(app) as client:
        headers = await register_at(client, "/api/auth", "a@example.com")
        for path in ("me", "verify", "refresh", "login", "sessions"):
            caplog.clear()
            assert await asyncio.to_thread(asyncio.run, ask(f"/api/auth/{path}", headers)) == 500
            assert "open in another event loop" in caplog.text, path
        for path in ("/notes", "/auth/account"):
            assert await asyncio.to_thread(asyncio.run, ask(path, headers)) == 500
        assert (await client.get("/api/auth/me", headers=headers)).status_code == 200


async def test_a_cookie_of_one_is_renewed_by_its_own_requests_alone(
    app: FastAPI, customers: Gatepost, staff: Gatepost
) -> None:
    async with serving(app) as client:
        for prefix in ("/api/auth", "/api/staff"):
            body = {"email": "a@example.com", "name": "N", "password": "securepassword123", "cookie": True}
            assert (await client.post(f"{prefix}/register", json=body)).status_code == 201
        ends = {}
        for gatepost in (customers, staff):
            dsn = gatepost.database.dsn
            await execute(
                dsn,
                "UPDATE user_sessions SET created_at = created_at - interval '20 minutes', "
                "expires_at = expires_at - interval '20 minutes'",
            )
            [found] = await gatepost.session_tokens.active(1)
            ends[gatepost] = found.row.expires_at
        assert (await client.get("/orders")).status_code == 200
        (of_customers,), (of_staff,) = [await each.session_tokens.active(1) for each in (customers, staff)]
        assert of_customers.row.expires_at > ends[customers]
        assert of_staff.row.expires_at == ends[staff]
        assert (await client.get("/stock")).status_code == 200
        (of_staff,) = await staff.session_tokens.active(1)
        assert of_staff.row.expires_at > ends[staff]
        assert (await client.get("/both")).json() == "a@example.com" * 2
