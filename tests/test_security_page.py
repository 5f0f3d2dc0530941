"""docs/security.md says what is so: its tables are held against the settings, the routes and the keys."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.summed import PAGES

from gatepost.features import FEATURES
from gatepost.http.console import ConsoleSessionScheme
from gatepost.http.dependencies import AdminSessionScheme, FreshSessionScheme
from gatepost.http.pages.page import Page
from gatepost.security.keys import KeyPurpose
from gatepost.settings import Settings
from gatepost.settings.feature import settings_of
from gatepost.settings.rates import Rate

PAGE = (Path(__file__).resolve().parent.parent / "docs/security.md").read_text("utf-8")


def section(heading: str) -> str:
    (text,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


def table(heading: str) -> list[list[str]]:
    """Return the cells of the rows of the section's tables, without their heads."""
    rows = [line.strip("|").split(" | ") for line in section(heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows if not set("".join(row)) <= set("-| ")]


def defaults(heading: str) -> dict[str, str]:
    """Return what the section's table has as the default of each setting."""
    return {row[-2].strip("`"): row[-1] for row in table(heading) if row[-1] != "Default"}


def test_the_numbers_of_the_throttle_are_the_defaults() -> None:
    fields = settings_of(FEATURES).model_fields
    limits = {name for name, field in fields.items() if isinstance(field.default, Rate)}
    limits.add("login_failures_max")
    assert defaults("Throttling") == {name.upper(): str(fields[name].default) for name in limits}


def test_the_lifetimes_are_the_defaults() -> None:
    written = defaults("Sessions")
    assert set(written) == {
        "SESSION_EXPIRE_MINUTES",
        "SESSION_IDLE_MINUTES",
        "SESSION_MAX_MINUTES",
        "FRESH_SESSION_MINUTES",
        "ADMIN_FRESH_MINUTES",
        "MAX_SESSIONS_PER_USER",
    }
    for name, default in written.items():
        assert default == str(Settings.model_fields[name.lower()].default), name


def test_the_rules_of_passwords_are_the_defaults() -> None:
    fields = Settings.model_fields
    assert f"`PASSWORD_MIN_LENGTH` ({fields['password_min_length'].default})" in section("Passwords")
    assert f"`BCRYPT_ROUNDS` ({fields['bcrypt_rounds'].default})" in section("Passwords")


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/api/auth/openapi.json")).json()
    return found


def who_may(operation: dict[str, Any]) -> list[str]:
    """Return who may call an operation: anyone, one who is signed in, an administrator."""
    codes = operation["responses"].get("403", {}).get("content", {}).get("application/json", {})
    if not operation.get("security"):
        return ["yes", "yes", "yes"]
    asks_for_admins = "admin" in {parameter["name"] for parameter in operation.get("parameters", ())}
    if "admin_required" in codes.get("examples", {}) and not asks_for_admins:  # a proxy may, of anybody
        return ["no", "no", "yes"]
    return ["no", "own", "own"]


SEEN = {FreshSessionScheme: "fresh", ConsoleSessionScheme: "recent"}


def who_sees(page: Page) -> list[str]:
    """Return who may see a page, as `who_may`; by "fresh" and "recent" where the session has to be."""
    if page.who is None:
        return ["yes", "yes", "yes"]
    own = SEEN.get(page.who, "own")
    return (
        ["no", "no", own.replace("own", "yes")]
        if issubclass(page.who, AdminSessionScheme)
        else ["no", own, own]
    )


def test_every_page_has_its_row() -> None:
    rows = {row[0]: row[1:] for row in table("Who may do what") if row[0].startswith("`/")}
    assert {
        page: ["own" if cell in {"oneself", "one's own"} else cell for cell in cells]
        for page, cells in rows.items()
    } == {f"`/auth{page.path.replace(':path', '')}`": who_sees(page) for page in PAGES}


def test_every_operation_has_its_row(document: dict[str, Any]) -> None:
    operations = {
        f"`{method.upper()} {path}`": who_may(operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    rows = {row[0]: row[1:] for row in table("Who may do what") if " /" in row[0]}
    assert {
        route: ["own" if cell in {"oneself", "one's own"} else cell for cell in cells]
        for route, cells in rows.items()
    } == operations


def test_every_way_to_a_token_is_told_of(document: dict[str, Any]) -> None:
    told = section("Ways to sign in")
    for path, item in document["paths"].items():
        for method, operation in item.items():
            success = next(a for status, a in operation["responses"].items() if status.startswith("2"))
            shown = success.get("content", {}).get("application/json", {}).get("example", {}).get("data")
            if isinstance(shown, dict) and "token" in shown:
                assert f"`{method.upper()} {path}`" in told


def test_every_key_has_its_row() -> None:
    named = {row[1].strip("`") for row in table("Keys and algorithms") if len(row) == 5 and row[1] != "Key"}
    assert named == {purpose.name for purpose in KeyPurpose}
