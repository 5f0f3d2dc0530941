"""The embedded PostgreSQL dies while its server runs."""

import asyncio

import pytest
from tests.conftest import bearer, execute, register, serving, settings_for
from tests.failures.conftest import MortalServer, eventually
from tests.http.conftest import assert_error

from gatepost.app import create_app
from gatepost.errors import Unavailable


@pytest.mark.parametrize("end", ["kill", "stop"])
async def test_an_embedded_server_that_is_gone_is_started_again(mortal: MortalServer, end: str) -> None:
    home = mortal.data.parent
    # The server is fast and forgetful; what was committed is to be there when it was killed.
    await execute(mortal.dsn(), "ALTER DATABASE gatepost SET synchronous_commit = on")
    async with serving(create_app(settings_for(None, home))) as client:
        token = (await register(client, f"{end}@example.com"))["token"]
        for path in ("me", "sessions"):  # whichever comes first
            await asyncio.to_thread(getattr(mortal, end))
            assert_error(await client.get(f"/api/auth/{path}", headers=bearer(token)), Unavailable)

            async def back() -> bool:
                answer = await client.get("/api/auth/me", headers=bearer(token))
                assert answer.status_code in {200, 503}
                return answer.status_code == 200

            await eventually(back)
            assert (await client.get("/api/auth/sessions", headers=bearer(token))).status_code == 200
