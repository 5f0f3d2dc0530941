"""`gatepost theme --serve`: every page, as the files have it look now, and nothing that somebody changes."""

import re
from pathlib import Path

import asyncpg
import httpx
from tests.preview.conftest import MakePreview, listed, previewing
from tests.walking import walked

from gatepost.features import FEATURES
from gatepost.features.email.mails import Mail
from gatepost.features.email.settings import EmailSettings
from gatepost.preview.places import NO_PAGES, Place, Viewer, pages_of
from gatepost.preview.stage import staged
from gatepost.settings.feature import settings_of


async def test_every_page_is_shown_to_whom_it_is_for(make_preview: MakePreview) -> None:
    async with previewing(make_preview()) as client:
        shown = await listed(client)
        for page in pages_of(FEATURES):
            pattern = "/auth" + re.sub(r"{[^}]+}", "[^/?]+", page.path)
            fitting = [place for place in shown if re.fullmatch(pattern, place.partition("?")[0])]
            assert bool(fitting) is (page.path not in NO_PAGES), page.path
        for place in shown:
            answer = await client.get(place)
            errors = ("sent=1", "/error/", "/nowhere", "/admin?as=user", "/mail/reset")  # mail is off here
            is_error = any(part in place for part in errors)
            assert is_error or answer.status_code in {200, 303}, place
            if answer.status_code == 303:
                continue  # it leads on, as nothing is there to be shown
            assert answer.headers["content-type"] == "text/html; charset=utf-8", place
            assert answer.text.count('<script src="/preview/preview.js" defer data-version="') == 1, place
            assert "<h1" in answer.text or "/preview/mail/" in place, place
        titles = {place: (await client.get(place)).text for place in shown}
        assert "Ingrid Sørensen" in titles["/auth/admin?as=admin"]
        assert "Maya Fernández" in titles["/auth/account?as=user"]
        assert "Sign in to Gatepost" in titles["/auth/sign-in?as=nobody"]


@walked(
    ("place", "status", "told"),
    [
        ("/auth/sign-in?as=nobody&sent=1", 422, 'aria-invalid="true"'),
        ("/auth/account/password?as=user&sent=1", 422, 'aria-invalid="true"'),
        ("/auth/admin?as=user", 403, "for administrators only"),
        ("/auth/nowhere?as=nobody", 404, "There is no page at this address"),
        ("/auth/preview/error/429?as=nobody", 429, "4 minutes"),
        ("/auth/preview/new-password?as=nobody", 200, "This password is temporary"),
        ("/auth/preview/finish-sign-up?as=nobody", 200, 'autocomplete="new-password"'),
        ("/auth/preview/error/500?as=nobody", 500, "<h1"),
        ("/auth/preview/error/503?as=nobody", 503, "<h1"),
    ],
)
async def test_states_that_one_does_not_come_by_easily(
    make_preview: MakePreview, place: str, status: int, told: str
) -> None:
    async with previewing(make_preview()) as client:
        answer = await client.get(place)

    assert (answer.status_code, told in answer.text) == (status, True), answer.text


async def test_mails_are_shown_in_the_brands_colours_and_in_the_language(
    make_preview: MakePreview, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("APP_NAME=Acme\nACCENT_COLOR=#ffd400\n")
    async with previewing(make_preview()) as client:
        await client.get("/?language=de")
        shown = [place for place in await listed(client) if "/preview/mail/" in place]
        assert len(shown) == len(Mail)
        for place in shown:
            mail = (await client.get(place)).text
            assert '<html lang="de"' in mail
            assert "Acme" in mail
            assert "/preview/preview.js" in mail
        assert "#ffd400" in (await client.get("/auth/preview/mail/sign_in")).text


async def test_a_page_of_the_preview_leads_on_as_whom_the_next_one_is_for(make_preview: MakePreview) -> None:
    async with previewing(make_preview()) as client:
        assert "<h1" in (await client.get("/auth/admin/users")).text
        assert (await client.get("/auth/admin/users")).status_code == 200
        assert (await client.get("/auth/sign-up")).status_code == 200


async def test_a_frame_that_is_led_on_stays_dark_and_takes_no_focus(make_preview: MakePreview) -> None:
    async with previewing(make_preview()) as client:
        led = await client.get("/auth/admin?as=nobody&scheme=dark")
        assert led.status_code == 303
        shown = await client.get(led.headers["location"])
        assert '<meta name="color-scheme" content="dark">' in shown.text
        assert "autofocus" not in shown.text


async def test_forms_are_not_sent_and_nobody_gets_a_cookie(make_preview: MakePreview, empty_dsn: str) -> None:
    async with previewing(make_preview()) as client:
        before = await client.get("/auth/devices")
        sent = await client.post("/auth/sign-out", data={"form_token": "x"})
        assert (sent.status_code, sent.headers["location"]) == (303, "/auth/sign-out")
        own = {"Cookie": "gatepost-8001=of-another-program"}
        again = await client.get("/auth/devices", headers=own)
        assert (before.status_code, again.status_code) == (200, 200)
        assert not client.cookies
        assert "set-cookie" not in again.headers
    conn = await asyncpg.connect(empty_dsn)
    try:
        ended = await conn.fetchval(
            "SELECT count(*) FROM auth_events WHERE at > now() - interval '1 minute'"
            " AND action = 'session.revoked'"
        )
    finally:
        await conn.close()
    assert ended == 0


async def test_pages_may_stand_in_frames_of_the_preview_alone(make_preview: MakePreview) -> None:
    async with previewing(make_preview()) as client:
        page, all_of_them = await client.get("/auth/sign-in"), await client.get("/")

    assert "frame-ancestors 'self'" in page.headers["content-security-policy"]
    assert "x-frame-options" not in page.headers
    assert "frame-ancestors 'none'" in all_of_them.headers["content-security-policy"]


async def test_a_language_is_chosen_for_all_pages(make_preview: MakePreview) -> None:
    async with previewing(make_preview()) as client:
        chosen = await client.get("/?language=de")
        assert chosen.headers["location"] == "/"
        assert '<html lang="de"' in (await client.get("/auth/account")).text
        form = await client.post("/auth/language", data={"language": "ar", "next": "//evil.example/"})
        assert form.headers["location"] == "/evil.example/"
        assert 'dir="rtl"' in (await client.get("/auth/account")).text
        await client.get("/?language=")
        assert '<html lang="en"' in (await client.get("/auth/account")).text


# --- Files that change ---


async def version(client: httpx.AsyncClient) -> str:
    return (await client.get("/preview/version")).text


async def test_a_style_sheet_a_template_and_the_settings_show_once_they_are_saved(
    make_preview: MakePreview, tmp_path: Path
) -> None:
    (tmp_path / "brand.css").write_text("h1 { color: red }")
    (tmp_path / "templates").mkdir()
    (tmp_path / ".env").write_text("APP_NAME=Acme\nTHEME_CSS=brand.css\nTEMPLATES_DIR=templates\n")
    async with previewing(make_preview()) as client:
        first = await version(client)
        assert await version(client) == first
        page = (await client.get("/auth/sign-in")).text
        (sheet,) = re.findall(r'href="([^"]+/brand.css)"', page)
        assert (await client.get(sheet)).text == "h1 { color: red }"

        (tmp_path / "brand.css").write_text("h1 { color: green; }")
        second = await version(client)
        (sheet,) = re.findall(r'href="([^"]+/brand.css)"', (await client.get("/auth/sign-in")).text)
        assert (await client.get(sheet)).text == "h1 { color: green; }"

        footer = '{% extends "gatepost/base.html" %}{% block footer %}<p>Made in Bern</p>{% endblock %}'
        (tmp_path / "templates" / "base.html").write_text(footer)
        third = await version(client)
        assert "Made in Bern" in (await client.get("/auth/devices")).text

        (tmp_path / ".env").write_text("APP_NAME=Zenith\n")
        fourth = await version(client)
        assert "Sign in to Zenith" in (await client.get("/auth/sign-in")).text
        assert len({first, second, third, fourth}) == 4


async def test_what_is_wrong_stands_in_the_place_of_every_page_until_it_is_mended(
    make_preview: MakePreview, tmp_path: Path
) -> None:
    async with previewing(make_preview()) as client:
        assert (await client.get("/auth/sign-in")).status_code == 200
        (tmp_path / ".env").write_text("THEME_CSS=brand.css\n")
        for place in ("/", "/auth/sign-in"):
            told = await client.get(place)
            assert told.status_code == 500
            assert "THEME_CSS: brand.css can&#39;t be read" in told.text
            assert "/preview/preview.js" in told.text
        (tmp_path / "brand.css").write_text("h1 { color: red }")
        assert (await client.get("/auth/sign-in")).status_code == 200


async def test_a_template_that_fails_is_told_of_on_a_page_that_reloads(
    make_preview: MakePreview, tmp_path: Path
) -> None:
    (tmp_path / "templates").mkdir()
    broken = tmp_path / "templates" / "base.html"
    broken.write_text("{{ no_such_thing }}")
    (tmp_path / ".env").write_text("TEMPLATES_DIR=templates\n")
    async with previewing(make_preview()) as client:
        told = await client.get("/auth/sign-in")
        assert told.status_code == 500
        assert "A template fails" in told.text
        assert "/preview/preview.js" in told.text
        broken.unlink()
        assert (await client.get("/auth/sign-in")).status_code == 200


# --- Whose data ---


def test_nothing_of_the_owners_is_opened(tmp_path: Path) -> None:
    owners = settings_of(FEATURES).load(
        None,
        mail_url="smtps://user:secret@smtp.example.com",
        database_url="postgresql://user:secret@db.example.com/app",
        database_schema="auth",
        secret_key="a-key-of-the-owner-that-is-long-enough-for-it",
        environment="production",
        public_url="https://auth.example.com",
        root_path="/login",
        app_name="Acme",
        registration="closed",
        password_min_length=12,
    )

    ours = staged(owners, home=tmp_path, port=8001)

    assert (ours.database_url, ours.database_schema, ours.secret_key) == (None, None, None)
    assert (ours.gatepost_home, ours.effective_public_url) == (tmp_path, "http://localhost:8001")
    assert isinstance(ours, EmailSettings)
    assert ours.mail_url is None
    assert (ours.app_name, ours.registration, ours.password_min_length) == ("Acme", "closed", 12)
    assert ours.root_path == ""
    assert owners.environment == "production"


def test_a_place_has_a_query_of_its_own_besides_the_pages() -> None:
    place = Place(path="/sign-up?invitation=x", viewer=Viewer.NOBODY, query={"as": Viewer.NOBODY})

    assert (place.name, place.url) == ("/sign-up", "/sign-up?invitation=x&as=nobody")


async def test_a_page_is_light_or_dark_as_the_frame_wants_it(
    make_preview: MakePreview, tmp_path: Path
) -> None:
    (tmp_path / "logo.svg").write_text("<svg/>")
    (tmp_path / ".env").write_text("APP_LOGO=logo.svg\nAPP_LOGO_DARK=logo.svg\n")
    async with previewing(make_preview()) as client:
        for scheme, other in (("light", "dark"), ("dark", "light")):
            page = (await client.get(f"/auth/sign-in?as=nobody&scheme={scheme}")).text
            (sheet,) = re.findall(r'href="([^"]+gatepost.css[^"]*)"', page)
            assert sheet.endswith(f"?scheme={scheme}")
            style = (await client.get(sheet)).text
            for text in (page, style):
                assert "prefers-color-scheme" not in text
                assert f"light {other}" not in text
            assert f'<meta name="color-scheme" content="{scheme}">' in page
            assert f":root{{color-scheme:{scheme};" in style
            assert style.count("@media all{" if scheme == "dark" else "@media not all{") == 1
        assert "prefers-color-scheme: dark" in (await client.get("/auth/sign-in?as=nobody&scheme=odd")).text
