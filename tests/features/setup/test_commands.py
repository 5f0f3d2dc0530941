"""The setup link that `gatepost serve` prints."""

import json
import signal
from pathlib import Path

import httpx
from tests.cli.conftest import Command, Environment, create, serving
from tests.conftest import PASSWORD


async def test_the_link_of_serve_makes_the_first_administrator_and_is_in_no_log(
    outside: Environment, tmp_path: Path
) -> None:
    """One link, however many workers; the next start prints none."""
    body = {"email": "first@example.com", "name": "First", "password": PASSWORD}
    settings = {"DEBUG": "True", "LOG_LEVEL": "debug"}
    async with serving(outside | settings, "--port", "0", "--workers", "2", cwd=tmp_path) as server:
        assert server.started["has_admin"] is False
        link = str(server.started["setup_url"])
        assert link.startswith(f"{server.url}/auth/setup?token=")
        token = link.partition("=")[2]
        async with httpx.AsyncClient() as client:
            await client.get(link)
            answer = await client.post(f"{server.url}/api/auth/setup", json=body | {"token": token})
            assert answer.status_code == 201, answer.text
            again = await client.post(f"{server.url}/api/auth/setup", json=body | {"token": token})
            assert again.status_code == 403
        ended = await server.stop(signal.SIGTERM)
    assert "/auth/setup" in ended.err
    assert token not in ended.out + ended.err
    async with serving(outside, "--port", "0", cwd=tmp_path) as server:
        assert (server.started["has_admin"], server.started["setup_url"]) == (True, None)


async def test_the_link_of_serve_leads_to_the_public_url_where_there_are_pages(
    outside: Environment, dsn: str, gatepost: Command, tmp_path: Path
) -> None:
    settings = {"DATABASE_URL": dsn, "PUBLIC_URL": "https://example.com", "ROOT_PATH": "/login"}
    async with serving(outside | settings | {"PAGES": "off"}, "--port", "0", cwd=tmp_path) as server:
        assert (server.started["has_admin"], server.started["setup_url"]) == (False, None)
    async with serving(outside | settings, "--port", "0", cwd=tmp_path) as server:
        assert server.started["setup_url"].startswith("https://example.com/login/auth/setup?token=")
        await create(gatepost, "ada@example.com", "--admin")
        token = server.started["setup_url"].partition("=")[2]
        async with httpx.AsyncClient() as client:
            body = {"token": token, "email": "b@example.com", "name": "B", "password": PASSWORD}
            answer = await client.post(f"{server.url}/api/auth/setup", json=body)
            assert json.loads(answer.text)["error"]["code"] == "invalid_setup_link"
