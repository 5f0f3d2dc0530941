"""What is no session opens nothing: challenges, mailed links and codes, presented wherever a token is."""

import base64
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, WebSocket
from tests.conftest import MakeSettings, MovableClock, bearer, register, serving
from tests.features.authenticators import BODY, LOGIN, challenged, code_of, enrolled
from tests.features.conftest import invited
from tests.features.email.conftest import resting
from tests.features.email.mailbox import MAIL_ON, read_mail
from tests.features.email.test_passwords import dump
from tests.features.passkeys_by import asked
from tests.http.conftest import Database

from gatepost import CurrentSession, Gatepost

__all__ = ["resting"]

pytestmark = pytest.mark.usefixtures("resting")

ORIGIN = "https://auth.example.com"
SETTINGS = MAIL_ON | {"email_sign_in": "both", "mfa_required": "all"}
OTHER = "other@example.com"
PARAMETERS = {"{id}": "1", "{address}": "203.0.113.1", "{provider}": "x"}


@pytest.fixture
def app(make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    """An application of the user's, with a WebSocket."""
    auth = Gatepost(make_settings(**SETTINGS), clock=clock)
    notes = FastAPI(lifespan=auth.lifespan)
    auth.install(notes, pages=True)

    @notes.websocket("/live")
    async def live(websocket: WebSocket, session: CurrentSession) -> None:
        await websocket.accept()

    notes.state.gatepost = auth
    return notes


@pytest.fixture
async def secrets(
    app: FastAPI, client: httpx.AsyncClient, make_settings: MakeSettings, clock: MovableClock, db: Database
) -> dict[str, str]:
    """What somebody may have who is half signed in, of an administrator: what it is → what it says."""
    without = Gatepost(make_settings(**SETTINGS | {"mfa_required": "off"}), clock=clock)
    before = FastAPI(lifespan=without.lifespan)
    without.install(before)
    async with serving(before) as other:
        app_of = await enrolled(other, str((await register(other))["token"]), clock)
        await register(other, OTHER)
    await db.execute("UPDATE users SET is_admin = true")
    gate = app.state.gatepost
    lacking = await client.post(LOGIN, json=BODY | {"email": OTHER})
    assert code_of(lacking) == "factor_enrolment_required"
    found = {"challenge": await challenged(client), "enrolment": str(lacking.json()["error"]["challenge"])}
    found |= {"passkey": (await asked(client))["challenge"], "recovery code": app_of.recovery_codes[0]}
    for what, path in (("sign_in", "login/email"), ("password_reset", "password/forgot")):
        await client.post(f"/api/auth/{path}", json={"email": BODY["email"]})
        found[what] = (await read_mail(gate, db, what)).token
    found["invitation"] = await invited(gate, "invited@example.com", send=True)
    return found


def body_of(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any] | None:
    """Return a body of an operation that is good as far as the document says."""
    if "requestBody" not in operation:
        return None
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    component = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    needed = {name for name, field in component["properties"].items() if "default" not in field}
    needed |= set(component.get("anyOf", [{"required": ()}])[0]["required"])
    return {name: component["properties"][name]["examples"][0] for name in needed}


async def test_it_is_refused_at_every_operation_and_changes_nothing(
    client: httpx.AsyncClient, secrets: dict[str, str], db: Database
) -> None:
    document = (await client.get("/api/auth/openapi.json")).json()
    before = await standing(db)
    tried = 0
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if not operation.get("security"):
                continue
            url = path
            for name, value in PARAMETERS.items():
                url = url.replace(name, value)
            body = body_of(document, operation)
            for what, secret in secrets.items():
                for headers in (bearer(secret), by_cookie(secret)):
                    sent: dict[str, Any] = {} if body is None else {"json": body}
                    answer = await client.request(method, url, headers=headers, **sent)
                    assert answer.status_code == 401, (what, method, path, answer.text)
                    assert code_of(answer) == "invalid_session", (what, method, path)
                    tried += 1
    assert tried > 50 * 2 * len(secrets)
    assert await standing(db) == before


async def test_it_passes_no_proxy_and_opens_no_websocket_and_no_page(
    app: FastAPI, client: httpx.AsyncClient, secrets: dict[str, str]
) -> None:
    for what, secret in secrets.items():
        for headers in (bearer(secret), by_cookie(secret)):
            for path in ("verify", "verify?admin=1", "verify?aal=2&fresh=1"):
                answer = await client.get(f"/api/auth/{path}", headers=headers)
                assert answer.status_code == 401, (what, path)
            assert not await opens_websocket(app, headers), what
            page = await client.get("/auth/security", headers=headers)
            assert (page.status_code, page.headers["location"][:13]) == (303, "/auth/sign-in"), what


async def test_no_table_holds_it(client: httpx.AsyncClient, secrets: dict[str, str], db: Database) -> None:
    """Nor the secret of an app that is being set up on the way in, nor what a passkey is to sign."""
    begun = {}
    for challenge, method in (("enrolment", "totp"), ("enrolment", "passkey"), ("challenge", "totp")):
        asked_for = {"challenge": secrets[challenge], "method": method}
        answer = await client.post("/api/auth/login/factor/options", json=asked_for)
        begun[challenge, method] = answer.json()["data"] or {}
        dumped = await dump(db)
        held = list(secrets.values())
        if "secret" in (options := begun[challenge, method]):
            held += [options["secret"], base64.b32decode(options["secret"]).hex()]
        if "publicKey" in options:
            held.append(options["publicKey"]["challenge"])
        assert not [secret for secret in held if secret in dumped or secret.replace("-", "") in dumped]
    assert begun["enrolment", "totp"]["secret"]
    assert begun["enrolment", "passkey"]["publicKey"]["challenge"]


def by_cookie(secret: str) -> dict[str, str]:
    return {"Cookie": f"__Host-gatepost={secret}", "Sec-Fetch-Site": "same-origin", "Origin": ORIGIN}


async def standing(db: Database) -> list[Any]:
    """Return all users, sessions and factors."""
    tables = ("users", "user_sessions", "auth_totp", "auth_recovery_codes", "auth_passkeys", "auth_links")
    return [await db.fetch(f"SELECT t::text FROM {table} t ORDER BY 1") for table in tables]  # noqa: S608


async def opens_websocket(app: FastAPI, headers: dict[str, str]) -> bool:
    sent: list[Any] = []
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "wss",
        "path": "/live",
        "raw_path": b"/live",
        "root_path": "",
        "query_string": b"",
        "subprotocols": [],
        "headers": [
            (b"host", b"auth.example.com"),
            *((k.lower().encode(), v.encode()) for k, v in headers.items()),
        ],
        "client": ("127.0.0.1", 50_000),
        "server": ("auth.example.com", 443),
        "state": {},
    }

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app(scope, receive, send)
    return "websocket.accept" in sent
