"""Name, logo, colour and templates of one's own."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import MakeSettings, MovableClock
from tests.http.pages.conftest import ORIGIN, Visitor, visiting
from tests.walking import walked

from gatepost.app import create_app
from gatepost.errors import SettingsError
from gatepost.http.pages.assets import ASSETS
from gatepost.http.pages.colors import DARK, LIGHT, contrast, properties
from gatepost.http.pages.looks import TYPES, style_sheet
from gatepost.library import Gatepost

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><path d="M0 0h1v1z"/></svg>'

# --- Colours ---


def surfaces() -> tuple[list[str], list[str]]:
    """Return what stands behind texts on light and on dark, as the style sheet has it."""
    light, dark = (
        (ASSETS / "gatepost.css").read_text("utf-8").split("@media (prefers-color-scheme: dark)")[:2]
    )
    found = [re.findall(r"--(?:surface|ground): (#[0-9a-f]{6});", each) for each in (light, dark)]
    assert [len(each) for each in found] == [2, 2]
    return found[0], found[1]


def colors_of(accent: str, ground: str = "light") -> dict[str, str]:
    """Return the custom properties of a brand's colour, by their names."""
    found = properties(accent, {"light": LIGHT, "dark": DARK}[ground])
    return dict(each.split(":") for each in found.split(";"))


@given(number=st.integers(0, 0xFFFFFF))
def test_a_brands_colour_stays_its_own_and_all_text_in_it_and_on_it_can_be_read(number: int) -> None:
    accent = f"#{number:06x}"
    for ground, behind in zip(("light", "dark"), surfaces(), strict=True):
        colors = colors_of(accent, ground)
        assert colors["--accent"] == accent
        assert all(contrast(colors["--link"], surface) >= 4.5 for surface in behind)
        assert contrast(colors["--on-accent"], accent) >= 4.5


@pytest.mark.parametrize(
    ("accent", "on_accent"), [("#ffd400", "#000000"), ("#1d5fd1", "#ffffff"), ("#00c2a8", "#000000")]
)
def test_a_button_has_black_or_white_letters_whichever_reads_better(accent: str, on_accent: str) -> None:
    assert colors_of(accent)["--on-accent"] == on_accent


@pytest.mark.parametrize(
    ("one", "other", "ratio"), [("#000000", "#ffffff", 21), ("#777777", "#ffffff", 4.478)]
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.001)


def test_an_accent_that_can_be_read_is_that_of_links_too() -> None:
    assert colors_of("#1d5fd1")["--link"] == "#1d5fd1"


@pytest.mark.parametrize(
    ("appearance", "schemes", "query"),
    [
        ("auto", "light dark", "@media (prefers-color-scheme: dark)"),
        ("light", "light", "@media not all"),
        ("dark", "dark", "@media all"),
    ],
)
async def test_pages_are_light_dark_or_as_the_browser_has_it(
    make_settings: MakeSettings, clock: MovableClock, appearance: str, schemes: str, query: str
) -> None:
    settings = make_settings(
        public_url=ORIGIN, appearance=appearance, accent_color_dark="#8ab4ff", corner_radius=4
    )
    style = style_sheet((ASSETS / "gatepost.css").read_text("utf-8"), settings)
    assert style.count(query) == 2, "the colours of the sheet, and those of the brand"
    assert style.count("@media (prefers-color-scheme") == (2 if appearance == "auto" else 0)
    assert f"color-scheme:{schemes};--radius:0.25rem" in style
    assert "--accent:#8ab4ff" in style
    async with visiting(create_app(settings, clock=clock)) as visitor:
        await visitor.get("/auth/sign-in")
        named = {meta["name"]: meta["content"] for meta in visitor.page.all("meta") if "name" in meta}
        assert named["color-scheme"] == schemes
        theme_colors = [
            meta for meta in visitor.page.all("meta") if "name" in meta and meta["name"] == "theme-color"
        ]
        assert len(theme_colors) == len(schemes.split())


# --- What pages load ---


async def looked_at(make_settings: MakeSettings, clock: MovableClock, **settings: object) -> Visitor:
    """Return a visitor who has seen the sign-in page of a server with these settings."""
    async with visiting(create_app(make_settings(public_url=ORIGIN, **settings), clock=clock)) as visitor:
        await visitor.get("/auth/sign-in")
        return visitor


def loaded(visitor: Visitor, end: str) -> str:
    (place,) = set(re.findall(rf'"(/auth/assets/[^"]*{end})"', visitor.answer.text))
    return str(place)


async def test_files_are_kept_for_ever_because_their_address_changes_with_them(
    make_settings: MakeSettings, clock: MovableClock
) -> None:
    async with visiting(create_app(make_settings(public_url=ORIGIN), clock=clock)) as visitor:
        await visitor.get("/auth/sign-in")
        style, script = loaded(visitor, ".css"), loaded(visitor, "/gatepost.js")
        for place, media_type in ((style, "text/css"), (script, "text/javascript")):
            answer = await visitor.get(place)
            assert answer.headers["content-type"].partition(";")[0] == media_type
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "set-cookie" not in answer.headers
        assert (await visitor.get(style.replace(style.split("/")[3], "0" * 16))).status_code == 404
    red = await looked_at(make_settings, clock, accent_color="#c00000")
    assert loaded(red, ".css") != style
    assert loaded(red, "/gatepost.js") == script


@walked(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "gzip"),
        ("br;q=1, GZIP;q=0.5", "gzip"),
        ("gzip;q=0, br", None),
        ("gzip; q=0.000", None),
        ("identity", None),
    ],
)
async def test_style_sheets_and_scripts_are_packed_for_browsers_that_take_it(
    make_settings: MakeSettings, clock: MovableClock, accepted: str, encoding: str | None
) -> None:
    async with visiting(create_app(make_settings(public_url=ORIGIN), clock=clock)) as visitor:
        await visitor.get("/auth/sign-in")
        assert "content-encoding" not in visitor.answer.headers, "a page holds secrets"
        for place in (loaded(visitor, ".css"), loaded(visitor, "/gatepost.js")):
            answer = await visitor.get(place, **{"Accept-Encoding": accepted})
            assert answer.headers.get("content-encoding") == encoding
            assert "Accept-Encoding" in answer.headers["vary"]
            name = place.rpartition("/")[2]
            assert answer.text.startswith((ASSETS / name).read_text("utf-8")[:500])


async def test_the_first_visit_of_the_sign_in_is_light(
    make_settings: MakeSettings, clock: MovableClock
) -> None:
    """Bytes as they are sent to a browser that has nothing of ours and takes gzip."""
    async with visiting(create_app(make_settings(public_url=ORIGIN), clock=clock)) as visitor:
        page = await visitor.get("/auth/sign-in")
        sent = {"page": len(page.content)}
        for place in set(re.findall(r'"(/auth/assets/[^"]+)"', page.text)):
            answer = await visitor.get(place, **{"Accept-Encoding": "gzip"})
            sent[place.rpartition(".")[2]] = int(answer.headers["content-length"])

    assert sent.keys() == {"page", "css", "js", "svg"}, "an icon, one style sheet and one script"
    assert sent["page"] <= 5_000
    assert sent["css"] <= 7_000
    assert sum(sent.values()) <= 14_000, sent


async def test_nothing_that_pages_load_refers_elsewhere() -> None:
    for file in ASSETS.iterdir():
        text = file.read_text("utf-8")
        assert not re.search(r"https?://|@import|url\(", text), file
        assert "innerHTML" not in text


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("logo.svg", SVG, "image/svg+xml"),
        ("logo.PNG", b"\x89PNG\r\n", "image/png"),
        ("logo.webp", b"RIFF", "image/webp"),
    ],
)
async def test_the_logo_is_served_and_runs_no_script(
    make_settings: MakeSettings,
    clock: MovableClock,
    tmp_path: Path,
    name: str,
    content: bytes,
    media_type: str,
) -> None:
    (tmp_path / name).write_bytes(content)
    settings = make_settings(public_url=ORIGIN, app_logo=tmp_path / name, app_name="<Ann's> & Co")
    async with visiting(create_app(settings, clock=clock)) as visitor:
        await visitor.get("/auth/sign-in")
        (picture,) = visitor.page.all("img")
        assert picture["alt"] == "", "the name stands beside it"
        assert "<Ann's> & Co" in visitor.page.texts["title"]
        answer = await visitor.get(picture["src"] or "")
    assert (answer.content, answer.headers["content-type"]) == (content, media_type)
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("logo.gif", b"GIF89a", "is neither SVG, PNG nor WebP"),
        ("logo.svg", b"<svg/>" + b" " * 300_000, "is larger than 256 KiB"),
        ("logo.svg", None, "can't be read"),
    ],
)
def test_a_logo_that_cant_be_shown_is_told_at_the_start(
    make_settings: MakeSettings, tmp_path: Path, name: str, content: bytes | None, told: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match=rf"APP_LOGO: .*{told}"):
        create_app(make_settings(app_logo=tmp_path / name))


async def test_the_icon_is_in_the_brands_colour_or_the_owners(
    make_settings: MakeSettings, clock: MovableClock, tmp_path: Path
) -> None:
    async def icon(**settings: object) -> tuple[bytes, str]:
        made = make_settings(public_url=ORIGIN, **settings)
        async with visiting(create_app(made, clock=clock)) as visitor:
            await visitor.get("/auth/sign-in")
            (place,) = (each["href"] for each in visitor.page.all("link") if each["rel"] == "icon")
            answer = await visitor.get(place or "")
            return answer.content, answer.headers["content-type"]

    content, media_type = await icon(accent_color="#ffd400")
    assert media_type == "image/svg+xml"
    assert b'fill="#ffd400"' in content
    assert b'stroke="#000000"' in content
    (tmp_path / "icon.png").write_bytes(b"\x89PNG")
    assert await icon(app_icon=tmp_path / "icon.png") == (b"\x89PNG", "image/png")


async def test_dark_pages_have_the_logo_that_is_for_them_and_the_name_can_be_left_out(
    make_settings: MakeSettings, clock: MovableClock, tmp_path: Path
) -> None:
    for name in ("light.svg", "dark.svg"):
        (tmp_path / name).write_bytes(SVG)
    given = {"app_logo": tmp_path / "light.svg", "app_logo_dark": tmp_path / "dark.svg"}
    visitor = await looked_at(make_settings, clock, **given, app_name="Acme", app_name_shown=False)
    (picture,) = visitor.page.all("img")
    (source,) = visitor.page.all("source")
    assert "logo-dark.svg" in (picture["src"] or "")
    assert picture["alt"] == "Acme", "nothing else says whose pages they are"
    assert "logo.svg" in (source["srcset"] or "")
    assert source["media"] == "(prefers-color-scheme: light)"
    only_dark = await looked_at(make_settings, clock, **given, appearance="dark")
    assert "logo-dark.svg" in (only_dark.page.all("img")[0]["src"] or "")
    assert not only_dark.page.all("source")


# --- A theme ---


async def test_a_theme_is_served_after_our_style_with_what_it_refers_to(
    make_settings: MakeSettings, clock: MovableClock, tmp_path: Path
) -> None:
    (tmp_path / "fonts").mkdir()
    (tmp_path / "fonts" / "brand.woff2").write_bytes(b"wOF2")
    (tmp_path / ".DS_Store").write_bytes(b"not ours")
    (tmp_path / ".git" / "hooks").mkdir(parents=True)
    (tmp_path / ".git" / "hooks" / "post-commit").write_bytes(b"not ours")
    (tmp_path / ".git" / "draft.png").write_bytes(b"not ours")
    (tmp_path / "brand.css").write_text("@font-face { font-family: B; src: url(fonts/brand.woff2) }")
    settings = make_settings(public_url=ORIGIN, theme_css=tmp_path / "brand.css", theme_dir=tmp_path)
    async with visiting(create_app(settings, clock=clock)) as visitor:
        await visitor.get("/auth/sign-in")
        sheets = [each["href"] or "" for each in visitor.page.all("link") if each["rel"] == "stylesheet"]
        assert [sheet.rpartition("/")[2] for sheet in sheets] == ["gatepost.css", "brand.css"]
        assert "font-src 'self'" in visitor.answer.headers["content-security-policy"]
        font = await visitor.get(sheets[1].replace("brand.css", "fonts/brand.woff2"))
        assert (font.status_code, font.content, font.headers["content-type"]) == (200, b"wOF2", "font/woff2")
        assert "immutable" in font.headers["cache-control"]
        for hidden in (".DS_Store", ".git/draft.png", "fonts/../.git/draft.png", "%2e%2e/brand.css"):
            assert (await visitor.get(sheets[1].replace("brand.css", hidden))).status_code == 404, hidden


async def test_a_style_sheet_alone_is_a_theme(
    make_settings: MakeSettings, clock: MovableClock, tmp_path: Path
) -> None:
    (tmp_path / "own.css").write_text(":root { --ground: #fff }")
    visitor = await looked_at(make_settings, clock, theme_css=tmp_path / "own.css")
    assert loaded(visitor, "own.css")


@pytest.mark.parametrize(
    ("files", "settings", "told"),
    [
        ({"run.exe": b""}, {"theme_dir": "."}, r"THEME_DIR: .*run\.exe can't be served"),
        ({"big.png": b"x" * 9_000_000}, {"theme_dir": "."}, "THEME_DIR: .*larger than 8 MiB"),
        ({}, {"theme_dir": "nowhere"}, "THEME_DIR: .* is not a directory"),
        ({"own.txt": b""}, {"theme_css": "own.txt"}, r"THEME_CSS: .* is not a style sheet"),
        ({}, {"theme_css": "own.css"}, "THEME_CSS: .* can't be read"),
        ({"icon.ico": b""}, {"app_icon": "icon.ico"}, "APP_ICON: .* is neither SVG, PNG nor WebP"),
        ({}, {"app_logo_dark": "none.svg"}, "APP_LOGO_DARK: .* can't be read"),
    ],
)
def test_a_theme_that_cant_be_served_is_told_at_the_start(
    make_settings: MakeSettings,
    tmp_path: Path,
    files: dict[str, bytes],
    settings: dict[str, str],
    told: str,
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SettingsError, match=told):
        create_app(make_settings(**{name: tmp_path / place for name, place in settings.items()}))


def test_no_link_of_a_theme_leads_out_of_it(make_settings: MakeSettings, tmp_path: Path) -> None:
    theme, secrets = tmp_path / "theme", tmp_path / ".env"
    secrets.write_text("SECRET_KEY=hush")
    (theme / "..data").mkdir(parents=True)
    (theme / "..data" / "own.png").write_bytes(b"as Kubernetes mounts it")
    (theme / "own.png").symlink_to("..data/own.png")
    create_app(make_settings(theme_dir=theme))
    (theme / "logo.png").symlink_to(secrets)
    with pytest.raises(SettingsError, match=r"THEME_DIR: .*logo\.png is a link to a file outside"):
        create_app(make_settings(theme_dir=theme))


def test_all_that_can_be_served_has_a_type_that_browsers_take() -> None:
    assert set(TYPES) >= {".css", ".woff2", ".svg", ".png", ".webp"}


async def test_pages_on_an_application_of_ones_own_are_the_same(
    make_settings: MakeSettings, clock: MovableClock, tmp_path: Path
) -> None:
    (tmp_path / "logo.svg").write_bytes(SVG)
    (tmp_path / "own.css").write_text(":root { --ground: #fff }")
    (tmp_path / "templates").mkdir()
    footer = '{% extends "gatepost/base.html" %}{% block footer %}<p>{{ app_name }} of Bern</p>{% endblock %}'
    (tmp_path / "templates" / "base.html").write_text(footer)
    settings = make_settings(
        public_url=ORIGIN,
        app_name="Acme",
        app_logo=tmp_path / "logo.svg",
        accent_color="#ffd400",
        appearance="dark",
        corner_radius=0,
        theme_css=tmp_path / "own.css",
        templates_dir=tmp_path / "templates",
        app_url="https://acme.example/",
    )
    auth = Gatepost(settings, clock=clock)
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app, pages=True)
    seen = []
    for each in (create_app(settings, clock=clock), app):
        async with visiting(each) as visitor:
            pages = [(await visitor.get(f"/auth/{path}")).text for path in ("sign-in", "sign-up", "nowhere")]
            sheets = set(re.findall(r'"(/auth/assets/[^"]+)"', pages[0]))
            files = {sheet: (await visitor.get(sheet)).content for sheet in sheets}
        # What is another one on each page: the token of its form, and the request's id.
        same = [re.sub(r'(?<=value=")[\w=-]{64}(?=")|[0-9a-f]{32}', "", page) for page in pages]
        seen.append((same, files))

    assert seen[0] == seen[1]
    assert "Sign in to Acme" in seen[0][0][0]
    assert all("<p>Acme of Bern</p>" in page for page in seen[0][0])


# --- Places outside ---


async def test_pages_link_to_the_application_help_privacy_and_terms(
    make_settings: MakeSettings, clock: MovableClock
) -> None:
    outside = {
        name: f"https://acme.example/{name}"
        for name in ("app_url", "support_url", "privacy_url", "terms_url")
    }
    visitor = await looked_at(make_settings, clock, **outside)
    assert {link["href"] for link in visitor.page.all("a")} >= set(outside.values())
    bare = await looked_at(make_settings, clock)
    assert all((link["href"] or "").startswith(("/auth/", "#")) for link in bare.page.all("a"))


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "acme.example",
        "https://a b.example",
        "https://u:p@a.example",
        'https://a.example/"onload=',
        "https://a.example/'",
        "https://a.example/<script>",
    ],
)
def test_a_link_that_is_no_url_of_the_web_is_told_at_the_start(make_settings: MakeSettings, url: str) -> None:
    with pytest.raises(SettingsError, match=r"SUPPORT_URL: .* is not a valid URL"):
        make_settings(support_url=url)


# --- Templates ---


async def test_a_template_of_ones_own_stands_in_for_ours_or_adds_to_it(
    make_settings: MakeSettings, clock: MovableClock, tmp_path: Path
) -> None:
    (tmp_path / "sign_in.html").write_text(
        '{% extends "gatepost/sign_in.html" %}'
        '{% block other_ways %}{{ super() }}<p id="own">{{ app_name }}</p>{% endblock %}'
    )
    (tmp_path / "base.html").write_text(
        '{% extends "gatepost/base.html" %}{% block footer %}<footer id="foot">Ours</footer>{% endblock %}'
    )
    settings = make_settings(public_url=ORIGIN, templates_dir=tmp_path, app_name="Notes")
    async with visiting(create_app(settings, clock=clock)) as visitor:
        await visitor.get("/auth/sign-in")
        assert visitor.page.texts["own"] == "Notes"
        assert visitor.page.form("/sign-in").fields["email"] == ""
        assert visitor.page.texts["foot"] == "Ours"
        await visitor.get("/auth/sign-up")
        assert visitor.page.texts["foot"] == "Ours", "pages of ours stand in the frame of one's own"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"{% block content %}", "Unexpected end of template"),
        (b"{{ nothing|nothing }}", "No filter named"),
        (b"\xff", "can't decode"),
    ],
)
def test_a_template_with_a_mistake_is_told_at_the_start(
    make_settings: MakeSettings, tmp_path: Path, content: bytes, told: str
) -> None:
    (tmp_path / "sign_in.html").write_bytes(content)
    with pytest.raises(SettingsError, match=rf"TEMPLATES_DIR: sign_in.html can't be used: .*{told}"):
        create_app(make_settings(templates_dir=tmp_path))


def test_a_directory_that_is_not_there_is_told_at_the_start(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"TEMPLATES_DIR: .* is not a directory"):
        create_app(make_settings(templates_dir=tmp_path / "nothing"))


async def test_where_even_the_page_of_a_fault_fails_the_answer_is_that_of_the_api(
    make_settings: MakeSettings, clock: MovableClock, tmp_path: Path
) -> None:
    (tmp_path / "base.html").write_text("{{ nothing.at_all }}")
    visitor = await looked_at(make_settings, clock, templates_dir=tmp_path)
    assert visitor.answer.status_code == 500
    assert visitor.answer.json()["error"]["code"] == "internal_error"
