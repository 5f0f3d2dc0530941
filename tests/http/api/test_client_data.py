"""Who was at the other end, as sessions and events have it."""

import httpx
import pytest
from tests.conftest import bearer, register, serving
from tests.http.conftest import Database, MakeApp
from tests.walking import walked

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"


async def recorded(db: Database) -> tuple[str | None, str | None]:
    """Return address and user agent of the one session; every event has the same."""
    row = await db.fetchrow("SELECT ip_address, user_agent FROM user_sessions")
    assert row is not None
    others = await db.fetch(
        "SELECT DISTINCT ip_address, user_agent FROM auth_events WHERE action <> 'schema.migrated'"
    )
    assert [tuple(other) for other in others] == [tuple(row)]
    return row["ip_address"], row["user_agent"]


async def shown(client: httpx.AsyncClient, token: str, **headers: str) -> tuple[str | None, str | None]:
    response = await client.get("/api/auth/sessions", headers=bearer(token) | headers)
    (session,) = response.json()["data"]["sessions"]
    return session["ip_address"], session["user_agent"]


@walked(
    ("peer", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::1"),
        ("not an address", None),
    ],
)
async def test_the_peers_address_is_kept_in_its_one_spelling(
    stopped_app: MakeApp, db: Database, peer: str, expected: str | None
) -> None:
    async with serving(stopped_app(), host=peer) as client:
        token = (await register(client, **{"User-Agent": AGENT}))["token"]
        assert await shown(client, token) == (expected, AGENT)
    assert await recorded(db) == (expected, AGENT)


@walked(
    ("header", "value", "expected"),
    [
        ("X-Forwarded-For", "198.51.100.7", "198.51.100.7"),
        ("X-Forwarded-For", "6.6.6.6, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
        ("X-Forwarded-For", "2001:DB8::7", "2001:db8::7"),
        ("Forwarded", 'for=6.6.6.6, for="[2001:db8::7]:4711";proto=https', "2001:db8::7"),
        ("X-Forwarded-For", "nonsense", "10.0.0.1"),
        ("X-Real-IP", "198.51.100.7", "10.0.0.1"),
    ],
)
async def test_a_trusted_proxys_header_says_who_the_client_is(
    stopped_app: MakeApp, db: Database, header: str, value: str, expected: str
) -> None:
    counts = "forwarded" if header == "Forwarded" else "x-forwarded-for"
    app = stopped_app(trusted_proxies="10.0.0.0/8", forwarded_header=counts)
    async with serving(app, host="10.0.0.1") as client:
        await register(client, **{"User-Agent": AGENT, header: value})
    assert await recorded(db) == (expected, AGENT)


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8"])
async def test_anybody_elses_header_says_nothing(stopped_app: MakeApp, db: Database, trusted: str) -> None:
    forged = {"X-Forwarded-For": "198.51.100.7", "Forwarded": "for=198.51.100.7"}
    settings = {"trusted_proxies": trusted} if trusted else {}
    async with serving(stopped_app(**settings), host="203.0.113.9") as client:
        await register(client, **forged)
    assert (await recorded(db))[0] == "203.0.113.9"


async def test_a_user_agent_is_cut_at_512_characters(stopped_app: MakeApp, db: Database) -> None:
    async with serving(stopped_app()) as client:
        token = (await register(client, **{"User-Agent": "x" * 2000}))["token"]
        assert (await shown(client, token))[1] == "x" * 512
    assert (await recorded(db))[1] == "x" * 512


async def test_control_characters_are_taken_out_of_a_user_agent(stopped_app: MakeApp, db: Database) -> None:
    async with serving(stopped_app()) as client:
        body = {"email": "user@example.com", "name": "x", "password": "securepassword123"}
        headers = [(b"User-Agent", b"  curl/8\x1b[2J\x00 \x7f\xc2\x85(bell\x07)\t ")]
        assert (await client.post("/api/auth/register", json=body, headers=headers)).status_code == 201
    assert (await recorded(db))[1] == "curl/8[2J \xc2(bell)"


@pytest.mark.parametrize("agent", ["", "   ", "\x00\x01"])
async def test_a_user_agent_with_nothing_in_it_is_none(
    stopped_app: MakeApp, db: Database, agent: str
) -> None:
    async with serving(stopped_app()) as client:
        token = (await register(client, **{"User-Agent": agent}))["token"]
        assert (await shown(client, token, **{"User-Agent": "curl/8"}))[1] is None
    assert (await recorded(db))[1] is None


async def test_a_refresh_keeps_the_client_that_asked_for_it(stopped_app: MakeApp, db: Database) -> None:
    async with serving(stopped_app(), host="203.0.113.9") as client:
        token = (await register(client, **{"User-Agent": AGENT}))["token"]
        async with serving_beside(client, "198.51.100.7") as elsewhere:
            await elsewhere.post("/api/auth/refresh", headers=bearer(token) | {"User-Agent": "curl/8"})
    rows = await db.fetch("SELECT ip_address, user_agent FROM user_sessions ORDER BY id")
    assert [tuple(row) for row in rows] == [("203.0.113.9", AGENT), ("198.51.100.7", "curl/8")]


def serving_beside(client: httpx.AsyncClient, host: str) -> httpx.AsyncClient:
    """Return a client of the same server at another address."""
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    beside = httpx.ASGITransport(app=transport.app, client=(host, 50_000))
    return httpx.AsyncClient(transport=beside, base_url="http://gatepost.test")
