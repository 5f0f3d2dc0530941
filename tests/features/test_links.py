"""Links, whatever they are for."""

import logging

import httpx
import pytest
from tests.features.conftest import invited, sign_up
from tests.features.setup.test_api import set_up
from tests.http.conftest import logged

from gatepost.features.setup.service import Setup
from gatepost.library import Gatepost


async def test_a_link_that_is_clicked_stands_in_no_line_of_the_log(
    client: httpx.AsyncClient, gate: Gatepost, caplog: pytest.LogCaptureFixture
) -> None:
    invitation, setup = await invited(gate), str(await gate.service(Setup).issue())
    with caplog.at_level(logging.DEBUG):
        await client.get(f"/auth/sign-up?invitation={invitation}")
        await client.get(f"/auth/setup?token={setup}")
        await sign_up(client, invitation)
        await set_up(client, setup)
    paths = {line["path"] for line in logged(caplog, "request")}
    assert paths == {"/auth/sign-up", "/auth/setup", "/api/auth/register", "/api/auth/setup"}
    for token in (invitation, setup):
        assert token not in caplog.text
        assert not any(token in str(record.msg) for record in caplog.records)
