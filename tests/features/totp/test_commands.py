"""What commands do about second factors."""

import httpx
from tests.cli.conftest import Command
from tests.conftest import MovableClock, login, register
from tests.features.authenticators import enrolled
from tests.http.conftest import Database, events


async def test_the_factors_of_who_lost_them_are_removed_with_a_reason(
    gatepost: Command, client: httpx.AsyncClient, clock: MovableClock, db: Database
) -> None:
    await enrolled(client, str((await register(client))["token"]), clock)
    command = ("users", "reset-factors", "user@example.com")
    assert (await gatepost(*command)).code == 2
    assert (await gatepost(*command, "--reason", " ")).code == 1
    done = await gatepost(*command, "--reason", "seen in the office", "--json")
    assert done.json["removed"] == ["totp", "recovery_code"]
    assert await db.fetchval("SELECT count(*) FROM user_sessions WHERE is_active") == 0
    assert (await login(client))["session_info"]["aal"] == 1
    [event] = await events(db, "factor.reset")
    assert event["detail"] == {
        "by": "command",
        "methods": ["totp", "recovery_code"],
        "reason": "seen in the office",
    }
    again = await gatepost(*command, "--reason", "once more")
    assert (again.code, "no such second factor" in again.err) == (1, True)


async def test_secrets_are_encrypted_with_the_newest_key(gatepost: Command) -> None:
    done = await gatepost("secret", "rotate", "--json")
    assert done.json == {"encrypted": 0, "unreadable": 0}
