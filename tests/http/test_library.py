"""Gatepost in somebody's application: its routes, its lifespan, its handlers."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any
from urllib.parse import urlsplit

import anyio.to_thread
import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount
from tests.conftest import SECRET_KEY, MakeSettings, bearer, execute, register, serving, settings_for
from tests.walking import walked

from gatepost import AdminSession, CurrentSession, Gatepost, GatepostError, Session, UserId
from gatepost.errors import AuthenticationError, DatabaseNotMigrated, SessionRevoked
from gatepost.services.sessions import Sessions

ROOT = Path(__file__).parents[2]
SNIPPET = """\
from fastapi import FastAPI
from gatepost import CurrentSession, Gatepost

auth = Gatepost()
app = FastAPI(lifespan=auth.lifespan)
auth.install(app)

@app.get("/notes")
async def notes(session: CurrentSession): return {"owner": session.user.email}
"""


@pytest.fixture
def auth(make_settings: MakeSettings) -> Gatepost:
    return Gatepost(make_settings())


@pytest.fixture
def app(auth: Gatepost) -> FastAPI:
    """An application with one route that asks for a session."""
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)

    @app.get("/notes")
    async def notes(session: CurrentSession) -> dict[str, str]:
        return {"owner": session.user.email}

    return app


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("notes_under_test", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_refused(response: httpx.Response, code: str, challenge: str) -> None:
    assert response.status_code == 401, response.text
    assert response.headers["www-authenticate"] == challenge
    body = response.json()
    assert body == {"data": None, "message": body["message"], "success": False, "error": {"code": code}}


INVALID = 'Bearer error="invalid_token", error_description="{}"'


# --- The snippet ---


def test_the_example_is_what_was_asked_for_letter_for_letter() -> None:
    assert (ROOT / "examples" / "notes.py").read_text() == SNIPPET


async def test_the_snippet_protects_its_route(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.setenv("SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("BCRYPT_ROUNDS", "4")
    monkeypatch.setenv("DATABASE_TIMEOUT_SECONDS", "30")
    (tmp_path / "notes.py").write_text(SNIPPET)
    async with serving(load(tmp_path / "notes.py").app) as client:
        token = (await register(client))["token"]
        assert (await client.get("/notes", headers=bearer(token))).json() == {"owner": "user@example.com"}
        assert_refused(await client.get("/notes"), "not_authenticated", "Bearer")
        assert (await client.post("/api/auth/logout", headers=bearer(token))).status_code == 200
        refused = await client.get("/notes", headers=bearer(token))
        assert_refused(refused, "session_revoked", INVALID.format("session_revoked"))


@walked(
    ("headers", "code"),
    [
        ([], "not_authenticated"),
        ([("Authorization", "")], "not_authenticated"),
        ([("Authorization", "Basic dXNlcjpwYXNz")], "not_authenticated"),
        ([("Authorization", "Bearer")], "invalid_session"),
        ([("Authorization", "Bearer a b")], "invalid_session"),
        ([("Authorization", "Bearer nonsense")], "invalid_session"),
        ([("Authorization", "Bearer 5f0c8b1e-7d43-4a53-9d7e-2f6f1a0f6c3b")], "invalid_session"),
        ([("Authorization", "Bearer a"), ("Authorization", "Bearer b")], "invalid_session"),
    ],
)
async def test_whoever_has_no_session_gets_401_never_403(
    app: FastAPI, headers: list[tuple[str, str]], code: str
) -> None:
    async with serving(app) as client:
        response = await client.get("/notes", headers=headers)
    challenge = "Bearer" if code == "not_authenticated" else INVALID.format(code)
    assert_refused(response, code, challenge)


async def test_openapi_of_the_application_shows_the_scheme(app: FastAPI) -> None:
    document = app.openapi()
    assert document["paths"]["/notes"]["get"]["security"] == [{"SessionToken": []}]
    scheme = document["components"]["securitySchemes"]["SessionToken"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert list(document["paths"]) == ["/notes"]  # the API documents itself, under its own prefix


# --- What a check costs ---


async def test_one_request_is_one_lookup_and_no_thread(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    lookups, threads = [], []
    resolve, run_sync = Sessions.resolve, anyio.to_thread.run_sync

    async def counting(sessions: Sessions, token: str) -> Session:
        lookups.append(token)
        return await resolve(sessions, token)

    async def noting(*args: Any, **kwargs: Any) -> Any:
        threads.append(args)
        return await run_sync(*args, **kwargs)

    async def owner(session: CurrentSession) -> str:
        return session.user.email

    @app.get("/twice", dependencies=[Depends(app.state.gatepost.current_session)])
    async def twice(
        session: CurrentSession, admin: AdminSession, owner: Annotated[str, Depends(owner)]
    ) -> bool:
        return session is admin and owner == session.user.email

    async with serving(app) as client:
        token = (await register(client))["token"]
        await execute(app.state.gatepost.database.dsn, "UPDATE users SET is_admin = true")
        monkeypatch.setattr(Sessions, "resolve", counting)
        monkeypatch.setattr(anyio.to_thread, "run_sync", noting)
        assert (await client.get("/twice", headers=bearer(token))).json() is True
        assert lookups == [token]
        assert (await client.get("/notes", headers=bearer("nonsense"))).status_code == 401
        assert (await client.get("/api/auth/sessions", headers=bearer(token))).status_code == 200
    assert threads == []


# --- Routes ---


async def test_routers_and_routes_from_before_and_after_install_are_protected(auth: Gatepost) -> None:
    app = FastAPI(lifespan=auth.lifespan)

    @app.get("/before")
    async def before(session: CurrentSession) -> UserId:
        return session.user.id

    auth.install(app)
    router = APIRouter(prefix="/shop", dependencies=[Depends(auth.current_session)])

    @router.get("/basket")
    async def basket() -> str:
        return "yours"

    app.include_router(router)

    @app.get("/{rest:path}")
    async def rest(rest: str) -> str:
        return rest

    async with serving(app) as client:
        headers = bearer((await register(client))["token"])
        for path in ("/before", "/shop/basket"):
            assert (await client.get(path)).status_code == 401
            assert (await client.get(path, headers=headers)).status_code == 200
        assert (await client.get("/open")).json() == "open"
        assert (await client.get("/api/auth/me", headers=headers)).status_code == 200


async def test_admins_only_is_403_for_others_and_on_the_trail(app: FastAPI, auth: Gatepost, db: Any) -> None:
    @app.get("/purge")
    async def purge(session: AdminSession) -> str:
        return session.user.name

    async with serving(app) as client:
        headers = bearer((await register(client))["token"])
        assert (await client.get("/purge")).status_code == 401
        refused = await client.get("/purge", headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "admin_required")
        assert await db.fetchval("SELECT count(*) FROM auth_events WHERE action = 'access.denied'") == 1
        user = await auth.administration.find("user@example.com")
        await auth.administration.set_admin(user, is_admin=True, client=auth.client_of({"headers": []}))
        assert (await client.get("/purge", headers=headers)).json() == "John Doe"


async def test_a_route_for_everybody_can_know_who_calls(app: FastAPI, auth: Gatepost) -> None:
    async def visitor(connection: HTTPConnection) -> Session | None:
        try:
            return await auth.current_session(connection)
        except AuthenticationError:
            return None

    @app.get("/")
    async def home(session: Annotated[Session | None, Depends(visitor)]) -> str:
        return session.user.name if session else "stranger"

    async with serving(app) as client:
        headers = bearer((await register(client))["token"])
        assert (await client.get("/")).json() == "stranger"
        assert (await client.get("/", headers=headers)).json() == "John Doe"


# --- What stays the application's own ---


async def test_the_applications_own_404_and_handlers_stay_as_they_are(auth: Gatepost) -> None:
    async def teapot(_: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse(f"own: {error}", 418)

    app = FastAPI(lifespan=auth.lifespan, exception_handlers={HTTPException: teapot, KeyError: teapot})
    auth.install(app)

    @app.get("/fault")
    async def fault() -> None:
        raise KeyError("k")

    @app.get("/number/{number}")
    async def number(number: int) -> int:
        return number

    async with serving(app) as client:
        assert (await client.get("/nowhere")).json() == {"detail": "Not Found"}
        assert (await client.get("/fault")).text == "own: 'k'"
        assert "detail" in (await client.get("/number/x")).json()
        ours = await client.get("/api/auth/nowhere")
        assert (ours.status_code, ours.json()["error"]["code"]) == (404, "not_found")


async def test_a_handler_of_the_applications_own_renders_the_refusal(auth: Gatepost) -> None:
    async def own(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, AuthenticationError)
        return JSONResponse({"please": "sign in", "why": error.code}, 401)

    app = FastAPI(lifespan=auth.lifespan, exception_handlers={GatepostError: own})
    auth.install(app)

    @app.get("/notes")
    async def notes(session: CurrentSession) -> int:
        return session.id

    async with serving(app) as client:
        assert (await client.get("/notes")).json() == {"please": "sign in", "why": "not_authenticated"}


async def test_an_error_that_a_route_raises_is_answered_in_the_envelope(app: FastAPI) -> None:
    @app.get("/gone")
    async def gone() -> None:
        raise SessionRevoked

    async with serving(app) as client:
        assert_refused(await client.get("/gone"), "session_revoked", INVALID.format("session_revoked"))


async def test_nobody_is_let_through_while_the_database_is_away(
    app: FastAPI, dsn: str, server_dsn: str
) -> None:
    async with serving(app) as client:
        headers = bearer((await register(client))["token"])
        await execute(server_dsn, f"DROP DATABASE {urlsplit(dsn).path[1:]} WITH (FORCE)")
        response = await client.get("/notes", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")
    assert response.headers["retry-after"] == "1"


# --- Applications within applications ---


async def test_the_application_may_be_mounted_under_another(app: FastAPI, auth: Gatepost) -> None:
    outer = FastAPI(lifespan=auth.lifespan)
    outer.mount("/shop", app)
    async with serving(outer) as client:
        body = {"email": "a@example.com", "name": "A", "password": "securepassword123"}
        token = (await client.post("/shop/api/auth/register", json=body)).json()["data"]["token"]
        assert (await client.get("/shop/notes")).status_code == 401
        assert (await client.get("/shop/notes", headers=bearer(token))).json() == {"owner": "a@example.com"}
        assert (await client.get("/api/auth/me", headers=bearer(token))).status_code == 404


async def test_an_application_under_it_shares_its_sessions(app: FastAPI, auth: Gatepost) -> None:
    v1 = FastAPI()
    auth.install(v1, api=False)
    app.mount("/v1", v1)

    @v1.get("/who")
    async def who(session: CurrentSession) -> str:
        return session.user.email

    assert not any(isinstance(route, Mount) for route in v1.routes)
    async with serving(app) as client:
        headers = bearer((await register(client))["token"])
        assert_refused(await client.get("/v1/who"), "not_authenticated", "Bearer")
        assert (await client.get("/v1/who", headers=headers)).json() == "user@example.com"


# --- Mistakes, and what is said of them ---


async def test_a_database_without_the_schema_is_refused_at_the_start(empty_dsn: str, tmp_path: Path) -> None:
    auth = Gatepost(settings_for(empty_dsn, tmp_path))
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app)
    with pytest.raises(DatabaseNotMigrated, match="run `gatepost migrate`"):
        async with serving(app):
            pass
    assert not auth.is_open


async def test_an_application_that_never_opens_gatepost_is_told_so(auth: Gatepost) -> None:
    app = FastAPI()
    auth.install(app)

    @app.get("/notes")
    async def notes(session: CurrentSession) -> int:
        return session.id

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gatepost.test") as client:
        with pytest.raises(RuntimeError, match=r"pass `lifespan=auth\.lifespan` to the application"):
            await client.get("/notes", headers=bearer("nonsense"))


async def test_the_api_of_one_that_never_opens_is_500_and_a_line_in_the_log(
    auth: Gatepost, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()
    auth.install(app)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gatepost.test") as client:
        response = await client.get("/api/auth/me", headers=bearer("nonsense"))
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")
    assert "pass `lifespan=auth.lifespan` to the application" in caplog.text


async def test_an_application_without_gatepost_is_told_to_install_it() -> None:
    app = FastAPI()

    @app.get("/notes")
    async def notes(session: CurrentSession) -> int:
        return session.id

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gatepost.test") as client:
        with pytest.raises(RuntimeError, match=r"call `auth.install\(app\)`"):
            await client.get("/notes", headers=bearer("nonsense"))


async def test_install_on_an_application_that_runs_is_refused(app: FastAPI, auth: Gatepost) -> None:
    async with serving(app) as client:
        await client.get("/notes")
        with pytest.raises(RuntimeError, match="before the application starts"):
            auth.install(app)
