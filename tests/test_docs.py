"""The documentation says what is so: links, commands, SQL and examples are held against the product."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import typer
from tests.summed import ACTIONS, STATUS

from gatepost import errors, models
from gatepost.cli import create
from gatepost.http.pages.assets import ASSETS
from gatepost.http.pages.looks import pictures, style_sheet
from gatepost.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(DOCS.rglob("*.md")),
]
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language, those that stand indented in a list too."""
    fence = re.compile(rf"^( *)```{language}\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
    return [body for _, body in fence.findall(page.read_text("utf-8"))]


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^( *)```.*?^\1```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


# --- Pages and links ---


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as Python-Markdown and GitHub make them of plain words."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        found.add("-".join("".join(c for c in plain.lower() if c.isalnum() or c in " -_").split()))
    return found


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_the_site_shows_every_page() -> None:
    listed = re.findall(r":\s+(\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)

    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_the_site_loads_nothing_from_elsewhere() -> None:
    config = (ROOT / "mkdocs.yml").read_text("utf-8")

    assert "font: false" in config
    assert not re.search(r"https?://", config)


def test_the_site_has_the_colours_and_the_icon_of_the_pages() -> None:
    site = (DOCS / "assets" / "site.css").read_text("utf-8")
    pages = style_sheet((ASSETS / "gatepost.css").read_text("utf-8"), Settings.load(None))
    light, dark = site.split('[data-md-color-scheme="slate"]')
    sheets = pages.split("@media (prefers-color-scheme: dark)")[:2]
    for part, sheet in zip((light, dark), sheets, strict=True):
        colors = dict(re.findall(r"--(\w+): ?(#\w+)", sheet))
        assert f"--md-typeset-color: {colors['text']}" in part
        assert f"--line: {colors['line']}" in part
    links = re.findall(r"--link:(#\w+)", pages)
    assert re.findall(r"--md-typeset-a-color: (#\w+)", site) == links
    icon = (DOCS / "images" / "favicon.svg").read_bytes().strip()
    assert icon == pictures(Settings.load(None))["icon.svg"].strip()


# --- Pictures ---

OTHERS = {"performance.svg"}
"""Pictures that are no screenshot of a page."""


def test_the_pictures_that_are_shown_are_the_ones_that_are_taken() -> None:
    """When this fails: `make screenshots` takes those that scripts/screenshots.py lists."""
    script = [sys.executable, str(ROOT / "scripts/screenshots.py"), "--list"]
    taken = set(subprocess.run(script, capture_output=True, text=True, check=True).stdout.split())
    shown = {
        Path(picture).name
        for page in PAGES
        for picture in re.findall(r"[(\"]((?:docs/)?images/[^)\"]+)", prose(page))
    }

    assert shown - OTHERS == taken
    assert all((DOCS / "images" / name).is_file() for name in taken | OTHERS)


# --- Generated pages ---


def test_generated_pages_are_current(environment: Mapping[str, str]) -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "scripts/render_http.py", "--check"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("code", sorted(STATUS))
def test_every_code_of_the_api_is_documented(code: str) -> None:
    assert f"| `{code}` | {STATUS[code]} |" in (DOCS / "reference/errors.md").read_text("utf-8")


@pytest.mark.parametrize("kind", errors.SetupError.__subclasses__())
def test_every_setup_error_is_documented(kind: type[errors.SetupError]) -> None:
    assert f"| `{kind.code}` |" in (DOCS / "reference/errors.md").read_text("utf-8")


@pytest.mark.parametrize("name", [*ACTIONS, *models.EndReason])
def test_every_action_and_reason_is_documented(name: str) -> None:
    page = (DOCS / "reference/audit.md").read_text("utf-8")

    assert re.search(rf"^\| `{re.escape(name)}` \| \w", page, re.MULTILINE)


def test_examples_of_the_reference_hold_what_is_null() -> None:
    reference = (DOCS / "reference/http.md").read_text("utf-8")

    assert '"next_cursor": null' in reference
    # A logout, ending a session twice, taking an invitation back, an erasure, a user who is deleted, mails.
    assert reference.count('"data": null') == 14


# --- Decisions ---


@pytest.mark.parametrize("record", DECISIONS, ids=named)
def test_a_decision_has_its_four_parts(record: Path) -> None:
    text = record.read_text("utf-8")

    parts = ["Context", "Decision", "Consequences", "Alternatives"]
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == parts
    assert text.startswith(f"# {int(record.name[:4])}. ")
    assert len(text.split()) < 750  # a page


def test_decisions_have_a_number_each() -> None:
    assert [int(record.name[:4]) for record in DECISIONS] == list(range(1, len(DECISIONS) + 1))


# --- Commands ---


def command_tree(command: Any, path: str = "gatepost") -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from command_tree(child, f"{path} {name}")


TREE = dict(command_tree(typer.main.get_command(create())))


def shown_commands(page: Path) -> Iterator[str]:
    """Yield every call of `gatepost` that a page shows, in blocks and within the text."""
    lines = [line for block in blocks(page, "bash") for line in block.splitlines()]
    for text in [*lines, *re.findall(r"`(gatepost [^`]+)`", prose(page))]:
        for call in re.findall(r"(?:^|\s|/)(gatepost [^|#]+)", text):
            yield call.strip()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_that_are_shown_exist(page: Path) -> None:
    for call in shown_commands(page):
        words = shlex.split(call)
        if words[1:2] == ["--app"]:
            del words[1:3]
        path = next(p for p in (" ".join(words[:n]) for n in range(min(3, len(words)), 0, -1)) if p in TREE)
        rest = words[len(path.split()) :]
        command = TREE[path]
        assert not getattr(command, "commands", {}) or not rest or rest[0].startswith("-"), call
        if path == "gatepost psql":
            continue  # what follows is psql's
        known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
        for word in rest:
            if word.startswith("--"):
                assert word.partition("=")[0] in known | {"--help"}, call


def test_every_command_is_documented() -> None:
    page = (DOCS / "commands.md").read_text("utf-8")

    for path, command in TREE.items():
        if not getattr(command, "commands", {}):
            assert f"`{path}" in page, path


# --- SQL ---


SQL_PAGES = [page for page in PAGES if blocks(page, "sql")]


@pytest.mark.parametrize("page", SQL_PAGES, ids=named)
async def test_sql_that_is_shown_runs(db: "asyncpg.Connection[asyncpg.Record]", page: Path) -> None:
    for statements in blocks(page, "sql"):
        # Several at once are one transaction, and no index is built CONCURRENTLY in one.
        alone = statements.split(";") if "CONCURRENTLY" in statements else [statements]
        for statement in filter(str.strip, alone):
            await db.execute(statement)


# --- README ---


def test_the_example_of_the_readme_is_the_one_that_is_tested() -> None:
    [example] = blocks(ROOT / "README.md", "python")

    assert example.strip() == (ROOT / "examples/notes.py").read_text("utf-8").strip()


CURL = """\
#!{python}
import argparse, httpx
parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("-s", action="store_true")
parser.add_argument("-w")
parser.add_argument("-X")
parser.add_argument("-H", action="append", default=[])
parser.add_argument("-d")
given = parser.parse_args()
headers = dict(header.split(": ", 1) for header in given.H)
method = given.X or ("POST" if given.d else "GET")
print(httpx.request(method, given.url, headers=headers, content=given.d, timeout=60, trust_env=False).text)
"""
"""As much of curl as the README uses: a machine may have none."""


@contextmanager
def server(environment: Mapping[str, str], directory: Path) -> Iterator[str]:
    """Run `gatepost serve` and return its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gatepost", "serve", "--port", "0", "--json"],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            yield str(json.loads(process.stdout.readline())["url"])
        finally:
            process.terminate()


def test_the_commands_of_the_readme_work(dsn: str, environment: Mapping[str, str], tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    [section] = re.findall(r"^## Use the API\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    script = "\n".join(re.findall(r"^```bash\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "curl").write_text(CURL.format(python=sys.executable))
    (programs / "gatepost").write_text(f'#!/bin/sh\nexec {sys.executable} -m gatepost "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    settings = {"DATABASE_URL": dsn, "BCRYPT_ROUNDS": "4", "GATEPOST_HOME": str(tmp_path / "home")}
    path = f"{programs}:{Path(sys.executable).parent}:{environment.get('PATH', '')}"
    environment = {**environment, **settings, "PATH": path}

    with server(environment, tmp_path) as address:
        script = script.replace("http://localhost:8000", address).replace(".venv/bin/gatepost", "gatepost")
        done = subprocess.run(
            ["sh", "-eu", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [answer["success"] for answer in answers] == [True, True, True, False, True, True, True, True]
    assert answers[3]["error"] == {"code": "session_revoked"}
    ended = re.findall(r"\| (\w+) +\| 127.0.0.1$", done.stdout, re.MULTILINE)
    assert ended == ["refreshed", "logout_all", "revoked", "logout"]
