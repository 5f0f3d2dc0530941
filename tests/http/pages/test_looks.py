"""Name, logo, colour and templates of one's own."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import MakeSettings, MovableClock
from tests.http.pages.conftest import ORIGIN, Visitor, visiting

from gatepost.app import create_app
from gatepost.errors import SettingsError
from gatepost.http.pages.assets import ASSETS
from gatepost.http.pages.colors import contrast, scheme

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


@given(number=st.integers(0, 0xFFFFFF))
def test_every_accent_can_be_read_on_every_surface_and_texts_can_be_read_on_it(number: int) -> None:
    found = re.findall(r"--accent:(#\w+);--on-accent:(#\w+)", scheme(f"#{number:06x}"))
    assert len(found) == 2
    for (accent, on_accent), behind in zip(found, surfaces(), strict=True):
        assert all(contrast(accent, surface) >= 4.5 for surface in behind)
        assert contrast(on_accent, accent) >= 4.5


@pytest.mark.parametrize(
    ("one", "other", "ratio"), [("#000000", "#ffffff", 21), ("#777777", "#ffffff", 4.478)]
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == contrast(other, one) == pytest.approx(ratio, abs=0.001)


def test_an_accent_that_can_be_read_stays_as_it_is() -> None:
    assert "--accent:#1d5fd1" in scheme("#1d5fd1")


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
        style, script = loaded(visitor, ".css"), loaded(visitor, ".js")
        for place, media_type in ((style, "text/css"), (script, "text/javascript")):
            answer = await visitor.get(place)
            assert answer.headers["content-type"].partition(";")[0] == media_type
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "set-cookie" not in answer.headers
        assert (await visitor.get(style.replace(style.split("/")[3], "0" * 16))).status_code == 404
    red = await looked_at(make_settings, clock, accent_color="#c00000")
    assert loaded(red, ".css") != style
    assert loaded(red, ".js") == script


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
    with pytest.raises(SettingsError, match=r"TEMPLATES_DIR: .* is no directory"):
        create_app(make_settings(templates_dir=tmp_path / "nothing"))


async def test_where_even_the_page_of_a_fault_fails_the_answer_is_that_of_the_api(
    make_settings: MakeSettings, clock: MovableClock, tmp_path: Path
) -> None:
    (tmp_path / "base.html").write_text("{{ nothing.at_all }}")
    visitor = await looked_at(make_settings, clock, templates_dir=tmp_path)
    assert visitor.answer.status_code == 500
    assert visitor.answer.json()["error"]["code"] == "internal_error"
