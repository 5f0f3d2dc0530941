"""The sign-up form with inputs for an application's own fields, in a real browser."""

from collections.abc import AsyncIterator
from typing import Literal

import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, expect
from pydantic import BaseModel, Field
from tests.browser.conftest import (
    LOOKS,
    NARROW_DARK,
    Visitors,
    assert_good_in_every_look,
    listening,
    visiting,
)
from tests.conftest import PASSWORD, MakeSettings
from tests.http.conftest import Database

from gatepost import Gatepost


class Fields(BaseModel):
    company: str = Field(max_length=20, description="As on the invoice")
    size: Literal["small", "large"]
    seats: int | None = Field(None, ge=2, title="How many seats?")
    terms: Literal[True] = Field(title="I accept the terms of service")


@pytest.fixture
async def url(make_settings: MakeSettings) -> AsyncIterator[str]:
    auth = Gatepost(make_settings(), registration=Fields)
    app = FastAPI(lifespan=auth.lifespan)
    auth.install(app, pages=True)
    async with listening(lambda _: app) as url:
        yield url


@pytest.fixture
async def visitor(browser: Browser) -> AsyncIterator[Visitors]:
    async with visiting(browser) as visitors:
        yield visitors


async def test_what_is_asked_is_typed_mended_and_sent(visitor: Visitors, url: str, db: Database) -> None:
    page = await visitor(base_url=url, **LOOKS[NARROW_DARK])
    visitor.faults(page).expect("422")
    await page.goto("/auth/sign-up")
    await assert_good_in_every_look(page)
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("Company").fill("Acme")
    await page.get_by_label("Size").select_option("large")
    await page.get_by_label("How many seats?").fill("1")
    send = page.get_by_role("button", name="Sign up")
    await send.click()
    # The browser itself has something against it.
    invalid = page.locator("form.form :invalid")
    assert await invalid.evaluate_all("all => all.map(each => each.id)") == ["seats", "terms"]
    await page.locator("form.form").evaluate("form => form.noValidate = true")
    await send.click()
    await expect(page.locator("#seats-problem")).to_have_text("Enter 2 or more")
    await expect(page.locator("#terms-problem")).to_have_text("This field is required")
    await expect(page.get_by_label("Size")).to_have_value("large")
    await assert_good_in_every_look(page)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("How many seats?").fill("2")
    await page.get_by_label("I accept the terms of service").check()
    await send.click()
    await expect(page).to_have_url(f"{url}/auth/account")
    assert await db.fetchval("SELECT email FROM users") == "ada@example.com"
