"""What docs/pages.md says is so: paths, blocks, and the templates that it shows."""

import re
from pathlib import Path

import pytest
from babel import Locale
from jinja2 import Environment, nodes
from tests.conftest import MakeSettings, MovableClock
from tests.http.pages.conftest import ORIGIN, visiting
from tests.summed import PAGES

from gatepost.app import create_app
from gatepost.http.pages.language import language
from gatepost.http.pages.site import TEMPLATES
from gatepost.texts import LANGUAGES

PAGE = (Path(__file__).parents[3] / "docs" / "pages.md").read_text("utf-8")
EACH = {"title", "content", "main_class", "heading", "side"}
"""Blocks that pages fill."""


def test_its_paths_are_pages_and_every_page_can_be_reached_from_one() -> None:
    documented = set(re.findall(r"`/auth(/[a-z{}/-]+)`", PAGE))
    paths = {page.path for page in PAGES}

    assert documented <= paths
    below = tuple(documented - {"/admin", "/security"})
    assert {path for path in paths if not path.startswith(below)} == {"/admin", "/security"} & documented


def test_its_blocks_are_those_of_the_templates() -> None:
    rows = re.findall(r"^\| `(\w+\.html)` \| (.+) \|$", PAGE, re.MULTILINE)
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
    sign_in, base = re.findall(r"^```html\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "sign_in.html").write_text(sign_in)
    (tmp_path / "base.html").write_text(base)
    settings = make_settings(public_url=ORIGIN, templates_dir=tmp_path, app_name="Notes")

    async with visiting(create_app(settings, clock=clock)) as visitor:
        await visitor.get("/auth/sign-in")

        links = [link.get("href") for link in visitor.page.all("a")]
        assert {"/help", "/imprint", "/privacy"} <= {*links}
        assert any("sign-up" in (link or "") for link in links), "ours stays"
        assert "I can't get into Notes" in visitor.answer.text


@pytest.mark.parametrize("name", LANGUAGES)
def test_its_languages_are_those_there_are(name: str) -> None:
    told = {"zh_Hans": "Simplified Chinese", "pt_BR": "Brazilian Portuguese"}

    assert told.get(name, str(Locale.parse(name).get_language_name("en"))) in PAGE
    assert language(name).tag
