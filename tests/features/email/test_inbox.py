"""Development's page of mails: there alone, and for this machine alone."""

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.conftest import MakeSettings, serving
from tests.features.email.conftest import ADA
from tests.walking import walked

from gatepost.app import create_app
from gatepost.features.email.delivery import Delivery
from gatepost.features.email.mails import Mail
from gatepost.features.email.samples import sample
from gatepost.features.email.transport import INBOX_MAX, Inbox
from gatepost.library import Gatepost


@asynccontextmanager
async def developing(
    make_settings: MakeSettings, *, host: str = "127.0.0.1", **settings: Any
) -> AsyncIterator[tuple[Any, Gatepost]]:
    app = create_app(make_settings(**({"environment": "development"} | settings)))
    async with serving(app, host=host) as client:
        client.base_url = "http://localhost:8000"
        yield client, app.state.gatepost


async def send(gate: Gatepost, mail: Mail = Mail.PASSWORD_RESET, **given: Any) -> None:
    delivery = gate.service(Delivery)
    assert isinstance(delivery.transport, Inbox)
    await delivery.transport.send(delivery.letters.write(*sample(mail, recipient=ADA, **given)))


async def test_a_mail_can_be_read_with_its_link(make_settings: MakeSettings) -> None:
    async with developing(make_settings) as (client, gate):
        assert "No mails yet." in (await client.get("/auth/dev/mail")).text
        await send(gate)
        listed = await client.get("/auth/dev/mail")
        assert "Choose a new password for Gatepost" in listed.text
        (name,) = gate.service(Delivery).transport.names()  # type: ignore[union-attr]
        assert f'href="/auth/dev/mail/{name}"' in listed.text
        shown = (await client.get(f"/auth/dev/mail/{name}")).text
        assert 'href="https://auth.example.com/auth/reset-password?token=' in shown
        html = await client.get(f"/auth/dev/mail/{name}/html")
        assert "4821 3609" in html.text
        assert "default-src 'none'" in html.headers["content-security-policy"]
        assert "sandbox" in html.headers["content-security-policy"]
        assert html.headers["cache-control"] == "no-store"


@walked(
    ("host", "settings"),
    [
        ("203.0.113.7", {}),
        ("127.0.0.1", {"environment": "test"}),
        ("127.0.0.1", {"mail_url": "smtps://smtp.example.com"}),
        ("127.0.0.1", {"environment": "production", "bcrypt_rounds": 10}),
    ],
)
async def test_there_is_none_anywhere_else(
    make_settings: MakeSettings, host: str, settings: dict[str, Any]
) -> None:
    async with developing(make_settings, host=host, **settings) as (client, _):
        assert (await client.get("/auth/dev/mail")).status_code == 404


async def test_there_is_none_through_a_tunnel_or_by_a_name_of_anybodys(make_settings: MakeSettings) -> None:
    async with developing(make_settings, public_url="https://auth.example.com") as (client, _):
        for headers in (
            {"x-forwarded-for": "203.0.113.7"},
            {"forwarded": "for=127.0.0.1"},
            {"host": "rebound.example:8000"},
            {"host": "localhost.rebound.example"},
        ):
            assert (await client.get("/auth/dev/mail", headers=headers)).status_code == 404, headers
        for host in ("127.0.0.1:8000", "[::1]:8000", "app.localhost", "auth.example.com"):
            assert (await client.get("/auth/dev/mail", headers={"host": host})).status_code == 200, host


@pytest.mark.parametrize("name", ["x", "..%2f..%2fsecret_key", "20261130000000000000-1"])
async def test_what_is_no_mail_is_not_found(make_settings: MakeSettings, name: str) -> None:
    async with developing(make_settings) as (client, _):
        for path in (name, f"{name}/html"):
            assert (await client.get(f"/auth/dev/mail/{path}")).status_code == 404


async def test_the_newest_are_kept_for_their_owner_alone(make_settings: MakeSettings) -> None:
    async with developing(make_settings) as (_, gate):
        inbox = gate.service(Delivery).transport
        assert isinstance(inbox, Inbox)
        letters = gate.service(Delivery).letters
        message, secrets = sample(Mail.TEST)
        for number in range(INBOX_MAX + 3):
            at = message.created_at + timedelta(seconds=number)
            later = msgspec.structs.replace(message, created_at=at)
            await inbox.send(letters.write(later, secrets))
        files = sorted(inbox.folder.iterdir())
        assert len(files) == INBOX_MAX
        assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
        assert inbox.folder.stat().st_mode & 0o777 == 0o700


async def test_the_logo_of_a_mail_is_shown(make_settings: MakeSettings, tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    logo.write_bytes(b"a picture")
    async with developing(make_settings, app_logo=logo) as (client, gate):
        await send(gate)
        (name,) = gate.service(Delivery).transport.names()  # type: ignore[union-attr]
        html = (await client.get(f"/auth/dev/mail/{name}/html")).text
    assert f'src="data:image/png;base64,{b64encode(b"a picture").decode()}"' in html
    assert "cid:" not in html
