"""Mailed links of every kind: at other doors, many at once, fetched by scanners, forged hosts, in a dump.

What else ends one (its time, a newer one, another password) is tried where the kind is tested.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from tests.conftest import PASSWORD, bearer, login, register
from tests.features.conftest import UNKNOWN, Serve, invited, serve
from tests.features.email.conftest import resting
from tests.features.email.mailbox import MAIL_ON, Mailed, read_mail
from tests.features.email.test_passwords import dump
from tests.http.conftest import Database, assert_error

from gatepost.features.email.errors import InvalidLink
from gatepost.features.email.link_store import Purpose
from gatepost.features.email.links import PATHS, MailLinks
from gatepost.library import Gatepost

__all__ = ["resting", "serve"]

pytestmark = pytest.mark.usefixtures("resting")

EMAIL, OTHER, NEW, NEWCOMER = (f"{name}@example.com" for name in ("user", "other", "new", "newcomer"))
SETTINGS = MAIL_ON | {"email_sign_in": "both"}
FORGED = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "javascript",
    "X-Forwarded-Prefix": "//evil.example",
    "Forwarded": "host=evil.example;proto=http",
    "X-Original-URL": "//evil.example/",
    "Origin": "https://evil.example",
    "Referer": "https://evil.example/",
}


@dataclass
class Site:
    """Two users, and a newcomer whom the site has verified first.

    Attributes:
        headers: of what is sent besides.
    """

    client: httpx.AsyncClient
    gate: Gatepost
    db: Database
    headers: dict[str, str] = field(default_factory=dict)

    async def post(self, path: str, /, **body: Any) -> httpx.Response:
        return await self.client.post(f"/api/auth/{path}", json=body, headers=self.headers)

    async def signed_in(self, path: str, /, **body: Any) -> httpx.Response:
        headers = self.headers | bearer((await login(self.client, EMAIL))["token"])
        sent: dict[str, Any] = {"json": body} if body else {}
        return await self.client.post(f"/api/auth/{path}", headers=headers, **sent)


Ask = Callable[[Site], Awaitable[httpx.Response]]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of link.

    Attributes:
        mail: which one it comes with.
        email: whose mailbox that is.
        ask: has it sent.
        path: where it is used.
        body: what is sent with it.
        has_code: it has one as well.
    """

    mail: str
    email: str
    ask: Ask
    path: str
    body: Mapping[str, str] = field(default_factory=dict)
    has_code: bool = False

    async def mailed(self, site: Site) -> Mailed:
        assert (await self.ask(site)).status_code in {200, 202}
        mail = await read_mail(site.gate, site.db, self.mail)
        assert mail.recipient == self.email
        return mail

    async def use(self, site: Site, **shown: str) -> httpx.Response:
        return await site.post(self.path, **{**self.body, **shown})


async def undo(site: Site) -> httpx.Response:
    await CHANGE.use(site, token=(await CHANGE.mailed(site)).token)
    return httpx.Response(200)


RESET = Kind(
    mail="password_reset",
    email=EMAIL,
    ask=lambda site: site.post("password/forgot", email=EMAIL),
    path="password/reset",
    body={"new_password": "another secure password"},
    has_code=True,
)
CHANGE = Kind(
    mail="email_change",
    email=NEW,
    ask=lambda site: site.signed_in("email", email=NEW, password=PASSWORD),
    path="email/confirm",
)
KINDS = {
    Purpose.PASSWORD_RESET: RESET,
    Purpose.SIGN_IN: Kind(
        mail="sign_in",
        email=EMAIL,
        ask=lambda site: site.post("login/email", email=EMAIL),
        path="login/email/finish",
        has_code=True,
    ),
    Purpose.VERIFY_EMAIL: Kind(
        mail="verify_email",
        email=EMAIL,
        ask=lambda site: site.signed_in("email/verification"),
        path="email/verify",
        has_code=True,
    ),
    Purpose.SIGN_UP: Kind(
        mail="verify_email",
        email=NEWCOMER,
        ask=lambda site: site.post("register", email=NEWCOMER, name="Ada", password=PASSWORD),
        path="email/verify",
        body={"password": "another secure password"},
        has_code=True,
    ),
    Purpose.EMAIL_CHANGE: CHANGE,
    Purpose.EMAIL_UNDO: Kind(mail="email_changed", email=EMAIL, ask=undo, path="email/undo"),
}
each_kind = pytest.mark.parametrize("purpose", KINDS)


@pytest.fixture
async def site(serve: Serve, db: Database) -> AsyncIterator[Site]:
    async with serve(**SETTINGS) as (client, _):
        await register(client, EMAIL)
        await register(client, OTHER)
    async with serve(**SETTINGS | {"email_verification": "required"}) as (client, gate):
        yield Site(client, gate, db)


def test_every_kind_is_tried() -> None:
    assert set(KINDS) | {Purpose.INVITATION} == set(Purpose)


@each_kind
async def test_a_link_or_code_opens_no_other_door_and_is_good_for_its_own_afterwards(
    site: Site, purpose: Purpose
) -> None:
    kind, before = KINDS[purpose], await site.db.fetch("SELECT * FROM users ORDER BY id")
    mail = await kind.mailed(site)
    changed = await site.db.fetch("SELECT * FROM users ORDER BY id")
    assert purpose is Purpose.EMAIL_UNDO or changed == before
    unknown = (await RESET.use(site, token=UNKNOWN)).content
    for another, door in KINDS.items():
        if another is purpose:
            continue
        refused = [await door.use(site, token=mail.token)]
        if door.has_code and kind.has_code:
            refused.append(await door.use(site, email=kind.email, code=mail.code))
        for answer in refused:
            assert_error(answer, InvalidLink)
            assert answer.content == unknown
    assert await site.db.fetch("SELECT * FROM users ORDER BY id") == changed
    assert (await kind.use(site, token=mail.token)).is_success


@pytest.mark.parametrize("purpose", [purpose for purpose, kind in KINDS.items() if kind.has_code])
async def test_a_code_is_that_of_its_own_mailbox_alone(site: Site, purpose: Purpose) -> None:
    kind = KINDS[purpose]
    mail = await kind.mailed(site)
    await site.post("password/forgot", email=OTHER)
    await site.post("login/email", email=OTHER)
    for email in (OTHER, "nobody@example.com"):
        assert_error(await kind.use(site, email=email, code=mail.code), InvalidLink)
    assert (await kind.use(site, email=kind.email.upper(), code=mail.code)).is_success


@each_kind
async def test_of_fifty_who_come_with_a_link_at_once_one_is_heard(site: Site, purpose: Purpose) -> None:
    kind = KINDS[purpose]
    mail = await kind.mailed(site)
    answers = await asyncio.gather(*(kind.use(site, token=mail.token) for _ in range(50)))
    assert [answer.is_success for answer in answers].count(True) == 1
    assert {answer.json()["error"]["code"] for answer in answers if not answer.is_success} == {"invalid_link"}
    assert_error(await kind.use(site, token=mail.token), InvalidLink)


@each_kind
async def test_whatever_fetches_a_link_uses_nothing_up_and_keeps_no_key(site: Site, purpose: Purpose) -> None:
    kind = KINDS[purpose]
    mail = await kind.mailed(site)
    assert mail.url.startswith(f"https://auth.example.com{PATHS[purpose]}?")
    for method in ("HEAD", "GET", "GET", "GET"):
        answer = await site.client.request(method, mail.url)
        assert (answer.status_code, mail.token in answer.headers["location"]) == (303, False)
        assert answer.headers["cache-control"] == "no-store"
        assert mail.token not in answer.text
        page = await site.client.get(httpx.URL(mail.url).join(answer.headers["location"]))
        assert (page.status_code, mail.token in page.text) == (200, False)
    site.client.cookies.clear()
    assert (await kind.use(site, token=mail.token)).is_success


@each_kind
async def test_nothing_that_a_request_says_of_the_host_reaches_a_link(site: Site, purpose: Purpose) -> None:
    site.headers = FORGED
    mail = await KINDS[purpose].mailed(site)
    assert mail.url == f"https://auth.example.com{PATHS[purpose]}?token={mail.token}"
    assert "evil.example" not in str(mail.data)


async def test_no_table_holds_a_link_or_code_of_any_kind_that_works(site: Site) -> None:
    """Neither before the mails are sent nor after that."""
    mails = [await kind.mailed(site) for kind in KINDS.values()]
    token = await invited(site.gate, "invited@example.com", send=True)
    held = [token, *(mail.token for mail in mails), *(mail.code for mail in mails if mail.code)]
    assert len(set(held)) == len(held) == 1 + len(KINDS) + 4
    dumped = [await dump(site.db)]
    async with site.gate.database.connection() as conn:
        for row in await site.db.fetch("SELECT id FROM auth_email_links"):
            await site.gate.service(MailLinks).spent(conn, row["id"])
            assert await site.gate.service(MailLinks).reveal(conn, row["id"]) is None
    dumped.append(await dump(site.db))
    assert not [secret for secret in held for text in dumped if secret in text]
