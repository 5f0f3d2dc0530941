"""`gatepost throttles` and `gatepost users unlock`: what is said, and what the database then holds."""

from collections.abc import AsyncIterator

import httpx
import pytest
from tests.cli.conftest import Command, Database, events
from tests.conftest import PASSWORD, MakeSettings, login, register, serving

from gatepost.app import create_app

BY = {"by": "command"}
WRONG = "a guess"


@pytest.fixture
async def limited(make_settings: MakeSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A server that limits attempts, with one user who was guessed at until it refused."""
    settings = make_settings(throttle_enabled=True, trusted_proxies="127.0.0.1")
    async with serving(create_app(settings)) as client:
        await register(client, "ada@example.com", **{"X-Forwarded-For": "198.51.100.7"})
        for _ in range(11):
            refused = await guess(client)
        assert refused == 429
        yield client


async def guess(client: httpx.AsyncClient, password: str = WRONG) -> int:
    body = {"email": "ada@example.com", "password": password}
    headers = {"X-Forwarded-For": "203.0.113.9"}
    return (await client.post("/api/auth/login", json=body, headers=headers)).status_code


async def test_list_shows_what_was_tried_lately(gatepost: Command, limited: httpx.AsyncClient) -> None:
    listed = await gatepost("throttles", "list", "--json")
    rows = {row["bucket"]: row for row in listed.json["throttles"]}
    for bucket in ("register_total", "form_address"):  # they drain within a moment
        rows.pop(bucket, None)
    assert {bucket: row["left"] for bucket, row in rows.items()} == {
        "login_account": 0,
        "register_address": 4,
        "login_address": rows["login_address"]["left"],
    }
    assert 19 <= rows["login_address"]["left"] < 30
    assert rows["login_address"]["key"] == "203.0.113.9"
    assert rows["login_account"]["drained_at"] > rows["login_address"]["drained_at"]
    text = await gatepost("throttles", "list", "--limit", "1")
    assert text.out.splitlines()[0].split() == ["Bucket", "Key", "Attempts", "left", "Drained", "at"]
    assert text.out.splitlines()[-1] == (
        "Next: gatepost throttles clear --address ADDRESS lets one try again"
    )
    assert len(text.out.splitlines()) == 3


async def test_an_empty_list_says_so(gatepost: Command) -> None:
    nothing = await gatepost("throttles", "list")
    assert (nothing.code, nothing.out) == (0, "No recent attempts.\n")


async def test_clear_lets_an_account_be_tried_again(
    gatepost: Command, db: Database, limited: httpx.AsyncClient
) -> None:
    cleared = await gatepost("throttles", "clear", "--email", " ADA@example.com", "--yes")
    assert (cleared.code, cleared.err) == (0, "")
    assert cleared.out == "Emptied 2 buckets of ada@example.com.\nNext: gatepost throttles list\n"
    assert await events(db, "throttles.cleared") == [
        ("throttles.cleared", 1, BY | {"buckets": 2, "email": "ada@example.com"})
    ]
    assert await guess(limited, PASSWORD) == 200


@pytest.mark.parametrize(
    ("address", "told"), [("203.0.113.9", "203.0.113.9"), ("::ffff:203.0.113.9", "203.0.113.9")]
)
async def test_clear_lets_an_address_try_again(
    gatepost: Command, db: Database, limited: httpx.AsyncClient, address: str, told: str
) -> None:
    cleared = await gatepost("throttles", "clear", "--address", address, "--yes", "--json")
    assert cleared.json == {"buckets_cleared": 1}
    assert await events(db, "throttles.cleared") == [
        ("throttles.cleared", None, BY | {"buckets": 1, "address": told})
    ]
    left = await db.fetchval("SELECT count(*) FROM auth_throttles WHERE bucket = 'login_address'")
    assert left == 0


async def test_clear_takes_a_network_as_the_list_has_it(gatepost: Command, db: Database) -> None:
    await db.execute(
        "INSERT INTO auth_throttles VALUES ('login_address', '2001:db8::/64', now() + interval '1 hour')"
    )
    cleared = await gatepost("throttles", "clear", "--address", "2001:db8::/64", "--yes", "--json")
    assert cleared.json == {"buckets_cleared": 1}


async def test_clear_empties_all(gatepost: Command, db: Database, limited: httpx.AsyncClient) -> None:
    cleared = await gatepost("throttles", "clear", "--all", "--yes")
    assert cleared.out.endswith(" of everyone.\nNext: gatepost throttles list\n")
    assert await db.fetchval("SELECT count(*) FROM auth_throttles") == 0
    (event,) = await events(db, "throttles.cleared")
    assert event[2]["all"] is True


@pytest.mark.parametrize("options", [[], ["--all", "--email", "ada@example.com"]])
async def test_clear_wants_to_know_what(gatepost: Command, options: list[str]) -> None:
    refused = await gatepost("throttles", "clear", "--yes", *options)
    assert refused.code == 2
    assert refused.err.startswith("Error: Use --email or --address, or else --all. See ")


async def test_clear_asks_first(gatepost: Command, db: Database, limited: httpx.AsyncClient) -> None:
    refused = await gatepost("throttles", "clear", "--all")
    assert refused.code == 2
    assert refused.err.startswith("Error: Use --yes: ")
    assert await db.fetchval("SELECT count(*) FROM auth_throttles") > 0


async def test_clear_refuses_what_is_no_address(gatepost: Command) -> None:
    refused = await gatepost("throttles", "clear", "--email", "ada", "--address", "x", "--yes", "--json")
    told = refused.failed("validation_failed").splitlines()
    assert [line.partition(":")[0] for line in told] == ["email", "address"]


async def test_unlock_has_the_password_work_again(
    gatepost: Command, db: Database, limited: httpx.AsyncClient
) -> None:
    await db.execute("UPDATE auth_failures SET failures = 100")
    await gatepost("throttles", "clear", "--all", "--yes")
    assert await guess(limited, PASSWORD) == 401
    unlocked = await gatepost("users", "unlock", "ada@example.com")
    assert unlocked.out == (
        "ada@example.com (id 1) can sign in from anywhere again.\n"
        "Next: gatepost events list --user 1 shows the attempts\n"
    )
    assert await events(db, "user.unlocked") == [("user.unlocked", 1, BY)]
    assert await db.fetchval("SELECT count(*) FROM auth_failures") == 0
    assert await guess(limited, PASSWORD) == 200


async def test_unlock_of_nobody_is_on_the_trail(gatepost: Command, db: Database) -> None:
    unknown = await gatepost("users", "unlock", "nobody@example.com", "--json")
    assert unknown.failed("not_found").startswith("User not found: ")
    assert await events(db, "command.failed") == [
        (
            "command.failed",
            None,
            BY | {"command": "users unlock", "code": "not_found", "user": "nobody@example.com"},
        )
    ]


async def test_the_client_of_other_tests_is_not_limited(client: httpx.AsyncClient, db: Database) -> None:
    await register(client)
    for _ in range(35):
        await login(client)
    assert await db.fetchval("SELECT count(*) FROM auth_throttles") == 0
