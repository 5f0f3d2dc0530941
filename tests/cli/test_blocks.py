"""`gatepost blocks`: what is said, and what the database then holds."""

from tests.cli.conftest import Command, Database, events


async def test_a_network_is_blocked_listed_and_lifted(gatepost: Command, db: Database) -> None:
    assert (await gatepost("blocks", "list")).out == "No blocks.\n"
    made = await gatepost("blocks", "add", "203.0.113.9/24", "--minutes", "90", "--reason", "guesses")
    assert made.out.startswith("Blocked 203.0.113.0/24 until ")
    assert "gatepost blocks lift 1" in made.out
    assert await db.fetchval("SELECT until - created_at = interval '90 minutes' FROM auth_blocks")
    (listed,) = (await gatepost("blocks", "list", "--json")).json["blocks"]
    assert (listed["id"], listed["network"], listed["status"]) == (1, "203.0.113.0/24", "active")
    lifted = await gatepost("blocks", "lift", "1")
    assert lifted.out.startswith("The block of 203.0.113.0/24 was lifted.\n")
    (await gatepost("blocks", "lift", "1", "--json")).failed("not_found")
    told = {"by": "command", "block": 1, "network": "203.0.113.0/24", "reason": "guesses"}
    for action in ("address.blocked", "address.unblocked"):
        ((name, user_id, detail),) = await events(db, action)
        assert (name, user_id) == (action, None)
        assert detail.pop("until") is not None
        assert detail == told


async def test_one_without_minutes_lasts_until_it_is_lifted(gatepost: Command, db: Database) -> None:
    made = await gatepost("blocks", "add", "2001:db8::1", "--json")
    assert (made.json["block"]["network"], made.json["block"]["until"]) == ("2001:db8::/64", None)
    for network in ("203.0.113.1", "203.0.113.2"):
        await gatepost("blocks", "add", network)
    page = (await gatepost("blocks", "list", "--limit", "2", "--json")).json
    assert ([each["id"] for each in page["blocks"]], page["next_before"]) == ([3, 2], 2)
    rest = (await gatepost("blocks", "list", "--before", "2", "--json")).json
    assert [each["id"] for each in rest["blocks"]] == [1]


async def test_what_can_not_be_blocked_is_told(gatepost: Command, db: Database) -> None:
    (await gatepost("blocks", "add", "here", "--json")).failed("validation_failed")
    (await gatepost("blocks", "add", "10.0.0.0/8", "--json")).failed("network_too_wide")
    (await gatepost("blocks", "add", "127.0.0.1", "--json")).failed("protected_address")
    assert await db.fetchval("SELECT count(*) FROM auth_blocks") == 0
