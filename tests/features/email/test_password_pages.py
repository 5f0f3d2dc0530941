"""Forgotten passwords as a person without scripts meets them."""

import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock
from tests.features.email.mailbox import MAIL_ON, read_mail
from tests.http.conftest import Database, events
from tests.http.pages.conftest import EMAIL, Visitor, another, make_user
from tests.walking import walked

from gatepost.app import create_app

pytestmark = pytest.mark.usefixtures("resting")

ANOTHER = "an altogether other password"


@pytest.fixture
def app(request: pytest.FixtureRequest, make_settings: MakeSettings, clock: MovableClock) -> FastAPI:
    return create_app(make_settings(**MAIL_ON, **getattr(request, "param", {})), clock=clock)


async def asked(app: FastAPI, visitor: Visitor, db: Database, email: str = EMAIL) -> str:
    """Ask for a link as somebody who has an account; return its path."""
    await make_user(app, email)
    await visitor.get("/auth/sign-in")
    assert any(a["href"] == "/auth/forgot-password" for a in visitor.page.all("a"))
    await visitor.get("/auth/forgot-password")
    await visitor.send("/forgot-password", {"email": email})
    assert visitor.answer.status_code == 200
    assert "Check your mail" in visitor.page.texts["h1"]
    mail = await read_mail(app.state.gatepost, db, "password_reset")
    return mail.url.removeprefix("https://auth.example.com")


async def test_the_link_leads_to_a_page_where_another_password_is_chosen(
    app: FastAPI, visitor: Visitor, db: Database
) -> None:
    link = await asked(app, visitor, db)
    await visitor.get(link)
    assert visitor.place == "/auth/reset-password", "the address holds no token any more"
    cookie = visitor.answer.headers["set-cookie"]
    assert "gatepost-link=password_reset." in cookie
    assert "HttpOnly" in cookie
    assert "Max-Age=1800" in cookie
    await visitor.follow()
    assert EMAIL in visitor.answer.text
    token = link.partition("token=")[2]
    assert token not in visitor.answer.text
    await visitor.send("/reset-password", {"new_password": "short"})
    assert visitor.answer.status_code == 422
    await visitor.send("/reset-password", {"new_password": ANOTHER})
    assert visitor.place == "/auth/sign-in"
    assert any("gatepost-link=;" in each for each in visitor.answer.headers.get_list("set-cookie"))
    await visitor.follow()
    assert "Your password was changed" in visitor.answer.text
    await visitor.sign_in(password=ANOTHER)
    assert visitor.place == "/auth/account"


async def test_whatever_fetches_the_page_uses_nothing_up(
    app: FastAPI, visitor: Visitor, db: Database
) -> None:
    link = await asked(app, visitor, db)
    for method in ("HEAD", "GET", "GET", "GET"):
        async with another(app, "203.0.113.9") as scanner:
            await scanner.client.request(method, link, follow_redirects=True)
            page = await scanner.client.request(method, "/auth/reset-password")
            assert page.status_code == 200
    assert await events(db, "mail.link_refused") == []
    await visitor.get(link)
    await visitor.follow()
    await visitor.send("/reset-password", {"new_password": ANOTHER})
    assert visitor.place == "/auth/sign-in"


async def test_the_code_does_as_well_on_the_page_that_asked(
    app: FastAPI, visitor: Visitor, db: Database
) -> None:
    await asked(app, visitor, db)
    code = (await read_mail(app.state.gatepost, db, "password_reset")).code
    wrong = f"{(int(code) + 1) % 10**8:08}"
    await visitor.send("/reset-password", {"code": wrong, "new_password": ANOTHER})
    assert visitor.answer.status_code == 400
    assert "is invalid" in visitor.page.texts["code-problem"]
    assert visitor.page.form("/reset-password").fields["email"] == EMAIL
    await visitor.send("/reset-password", {"code": code, "new_password": ANOTHER})
    assert visitor.place == "/auth/sign-in"


async def test_who_has_the_code_alone_says_whose_it_is(app: FastAPI, visitor: Visitor, db: Database) -> None:
    await asked(app, visitor, db)
    code = (await read_mail(app.state.gatepost, db, "password_reset")).code
    typed = {"email": EMAIL, "code": code, "new_password": ANOTHER}
    async with another(app) as elsewhere:
        await elsewhere.get("/auth/reset-password")
        await elsewhere.send("/reset-password", typed)
        assert elsewhere.answer.status_code == 400, "the code is bound to the browser that asked"
    await visitor.get("/auth/reset-password")
    await visitor.send("/reset-password", typed)
    assert visitor.place == "/auth/sign-in"


@walked("why", ["used", "expired", "nonsense", "header"])
async def test_a_link_that_is_not_good_says_where_another_one_comes_from(
    app: FastAPI, visitor: Visitor, db: Database, clock: MovableClock, why: str
) -> None:
    link = await asked(app, visitor, db)
    await visitor.get(link)
    match why:
        case "used":
            async with another(app) as before:
                await before.get(link)
                await before.follow()
                await before.send("/reset-password", {"new_password": ANOTHER})
        case "expired":
            clock.advance(minutes=30)
        case "nonsense":
            await visitor.get("/auth/reset-password?token=nonsense")
        case "header":
            await visitor.get("/auth/reset-password?token=x%0d%0aSet-Cookie:%20a=b;%20Path=/")
            assert "a=b" not in visitor.answer.headers["set-cookie"]
    await visitor.get("/auth/reset-password")
    assert visitor.answer.status_code == 400
    assert "no longer works" in visitor.page.texts["h1"]
    assert any(a["href"] == "/auth/forgot-password" for a in visitor.page.all("a"))
    await visitor.get("/auth/reset-password")
    assert visitor.answer.status_code == 200, "the browser keeps it no longer"


async def test_a_link_that_is_used_while_the_form_is_open_is_not_good_any_more(
    app: FastAPI, visitor: Visitor, db: Database
) -> None:
    link = await asked(app, visitor, db)
    await visitor.get(link)
    await visitor.follow()
    form = visitor.page.form("/reset-password")
    await visitor.post(form.action, form.fields | {"new_password": ANOTHER})
    await visitor.get(link)
    await visitor.post(form.action, form.fields | {"new_password": f"{ANOTHER} yet"})
    assert visitor.answer.status_code == 400
    assert "no longer works" in visitor.page.texts["h1"]


async def test_a_form_is_for_the_link_of_its_page_and_not_for_one_of_another_tab(
    app: FastAPI, visitor: Visitor, db: Database
) -> None:
    others = await asked(app, visitor, db, "other@example.com")
    await visitor.get(await asked(app, visitor, db))
    await visitor.follow()
    page = visitor.answer
    await visitor.get(others)
    visitor.answer = page
    await visitor.send("/reset-password", {"new_password": ANOTHER})
    assert visitor.answer.status_code == 403
    assert "other@example.com" in visitor.answer.text
    assert await db.fetchval("SELECT count(*) FROM auth_email_links WHERE used_at IS NOT NULL") == 0
    await visitor.send("/reset-password", {"new_password": ANOTHER})
    assert visitor.place == "/auth/sign-in"
    used = await db.fetchval("SELECT email FROM auth_email_links WHERE used_at IS NOT NULL")
    assert used == "other@example.com"


async def test_no_other_site_sends_the_forms(app: FastAPI, visitor: Visitor, db: Database) -> None:
    link = await asked(app, visitor, db)
    await visitor.get(link)
    await visitor.follow()
    elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    await visitor.send("/reset-password", {"new_password": ANOTHER}, headers=elsewhere)
    assert visitor.answer.status_code == 403
    await visitor.get("/auth/forgot-password")
    await visitor.send("/forgot-password", {"email": EMAIL}, headers=elsewhere)
    assert visitor.answer.status_code == 403


async def test_the_page_says_the_same_whoever_it_is(app: FastAPI, visitor: Visitor) -> None:
    await make_user(app)
    texts = []
    for email in (EMAIL, "nobody@example.com"):
        await visitor.get("/auth/forgot-password")
        await visitor.send("/forgot-password", {"email": email})
        texts.append(visitor.page.texts["main"].replace(email, "…"))
    assert texts[0] == texts[1]


async def test_who_is_signed_in_ends_with_every_other_session(
    app: FastAPI, visitor: Visitor, db: Database
) -> None:
    link = await asked(app, visitor, db)
    await visitor.get("/auth/sign-in")
    await visitor.sign_in(password=PASSWORD)
    await visitor.get(link)
    await visitor.follow()
    await visitor.send("/reset-password", {"new_password": ANOTHER})
    await visitor.follow()
    assert "Your password was changed" in visitor.answer.text
    assert "email" in visitor.page.form("/sign-in").fields


@pytest.mark.parametrize("app", [{"throttle_enabled": True}], indirect=True)
async def test_the_page_says_from_when_on_another_mail_can_be_sent(
    app: FastAPI, visitor: Visitor, db: Database, clock: MovableClock
) -> None:
    def waits() -> str | None:
        return next((each["data-wait"] for each in visitor.page.all("span") if "data-wait" in each), None)

    async def once_more(email: str) -> int:
        page = visitor.page.form("/forgot-password")
        assert page.fields["email"] == email
        await visitor.post(page.action, page.fields)
        return visitor.answer.status_code

    for email in (EMAIL, "nobody@example.com"):
        if email == EMAIL:
            await asked(app, visitor, db)
        else:
            await visitor.get("/auth/forgot-password")
            await visitor.send("/forgot-password", {"email": email})
        assert waits() in {"60", "61"}
        assert "Possible from" in visitor.answer.text
        clock.advance(seconds=20)
        await visitor.send("/reset-password", {"code": "00000000", "new_password": ANOTHER})
        assert waits() in {"40", "41"}, "a wrong code changes nothing about it"
        clock.advance(seconds=41)
        await visitor.send("/reset-password", {"code": "00000000", "new_password": ANOTHER})
        assert waits() is None
        assert "Possible from" not in visitor.answer.text
        assert await once_more(email) == 200
        assert waits() in {"60", "61"}
        assert await once_more(email) == 429
