"""What docs/pages.md and docs/theming.md say is so: paths, blocks, templates and brands."""

import re
from pathlib import Path

import pytest
from babel import Locale
from jinja2 import Environment, nodes
from tests.conftest import MakeSettings, MovableClock
from tests.http.pages.conftest import ORIGIN, visiting
from tests.summed import PAGES

from gatepost.app import create_app
from gatepost.http.pages.assets import ASSETS
from gatepost.http.pages.language import language
from gatepost.http.pages.looks import style_sheet
from gatepost.http.pages.site import TEMPLATES
from gatepost.settings import Settings
from gatepost.settings.looks import Looks
from gatepost.texts import LANGUAGES

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "pages.md").read_text("utf-8")
THEMING = (ROOT / "docs" / "theming.md").read_text("utf-8")
THEMES = sorted(each for each in (ROOT / "examples" / "themes").iterdir() if each.is_dir())
EACH = {"title", "content", "main_class", "heading", "side"}
"""Blocks that pages fill."""


def test_its_paths_are_pages_and_every_page_can_be_reached_from_one() -> None:
    documented = set(re.findall(r"`/auth(/[a-z{}/-]+)`", PAGE))
    paths = {page.path for page in PAGES}

    assert documented <= paths
    below = tuple(documented - {"/admin", "/security"})
    assert {path for path in paths if not path.startswith(below)} == {"/admin", "/security"} & documented


def test_its_blocks_are_those_of_the_templates() -> None:
    rows = re.findall(r"^\| `(\w+\.html)` \| (.+) \|$", THEMING, re.MULTILINE)
    documented = {name: re.findall(r"`(\w+)`", blocks) for name, blocks in rows}
    there = {}
    for file in TEMPLATES.glob("*.html"):
        tree = Environment(extensions=["jinja2.ext.i18n"], autoescape=True).parse(file.read_text("utf-8"))
        there[file.name] = [block.name for block in tree.find_all(nodes.Block)]
    own = {name: blocks for name, blocks in there.items() if name == "base.html" or {*blocks} - EACH}

    assert {name: {*blocks} - EACH for name, blocks in documented.items()} == {
        name: {*blocks} - EACH for name, blocks in own.items()
    }
    assert set(documented["base.html"]) == set(there["base.html"])


async def test_its_templates_work(make_settings: MakeSettings, clock: MovableClock, tmp_path: Path) -> None:
    sign_in, base = re.findall(r"^```html\n(.*?)^```$", THEMING, re.MULTILINE | re.DOTALL)
    (tmp_path / "sign_in.html").write_text(sign_in)
    (tmp_path / "base.html").write_text(base)
    settings = make_settings(public_url=ORIGIN, templates_dir=tmp_path, app_name="Notes")

    async with visiting(create_app(settings, clock=clock)) as visitor:
        await visitor.get("/auth/sign-in")

        links = [link.get("href") for link in visitor.page.all("a")]
        assert {"/help", "/imprint", "/privacy"} <= {*links}
        assert any("sign-up" in (link or "") for link in links), "ours stays"
        assert "I can't get into Notes" in visitor.answer.text


# --- Brands ---


def written(language: str, file: str, name: str) -> str:
    """Return what the section of a brand says stands in a file."""
    section = re.split(r"^##+ ", THEMING[THEMING.index(f"images/theme-{name}.png") :], flags=re.MULTILINE)[0]
    block = rf"^```{language}\n(?:# |/\* ){re.escape(file)}(?: \*/)?\n(.*?)^```$"
    (found,) = re.findall(block, section, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture(params=THEMES, ids=lambda theme: theme.name)
def looks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a brand, read in its directory."""
    monkeypatch.chdir(request.param)
    return Settings.load(".env")


def test_a_brand_is_written_as_it_stands_in_the_examples(looks: Settings) -> None:
    name = Path.cwd().name
    assert looks.theme_css is not None
    assert written("ini", ".env", name) == Path(".env").read_text("utf-8")
    assert written("css", str(looks.theme_css), name) == looks.theme_css.read_text("utf-8")


async def test_a_brand_works(looks: Settings, make_settings: MakeSettings, clock: MovableClock) -> None:
    given = {name: getattr(looks, name) for name in Looks.model_fields}

    async with visiting(create_app(make_settings(public_url=ORIGIN, **given), clock=clock)) as visitor:
        await visitor.get("/auth/sign-in")

        assert f"Sign in to {looks.app_name}" in visitor.answer.text
        sheets = [str(each["href"]) for each in visitor.page.all("link") if each["rel"] == "stylesheet"]
        assert [sheet.rpartition("/")[2] for sheet in sheets] == ["gatepost.css", "brand.css"]
        ours, theirs = [(await visitor.client.get(sheet)).text for sheet in sheets]
        assert f"--accent:{looks.accent_color}" in ours
        for file in re.findall(r"url\(([^)]+)\)", theirs):
            place = f"{sheets[1].rpartition('/')[0]}/{file}"
            assert (await visitor.client.get(place)).status_code == 200, file


def test_its_custom_properties_are_those_of_the_style_sheet() -> None:
    (listed,) = re.findall(r"style sheet can override: (.+?)\. Check", THEMING, re.DOTALL)
    sheet = style_sheet((ASSETS / "gatepost.css").read_text("utf-8"), Settings.load(None))

    assert set(re.findall(r"`(--[\w-]+)`", listed)) <= set(re.findall(r"(--[\w-]+):", sheet))


@pytest.mark.parametrize("name", LANGUAGES)
def test_its_languages_are_those_there_are(name: str) -> None:
    told = {"zh_Hans": "Simplified Chinese", "pt_BR": "Brazilian Portuguese"}

    assert told.get(name, str(Locale.parse(name).get_language_name("en"))) in PAGE
    assert language(name).tag
