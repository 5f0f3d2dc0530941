"""How much pages weigh, in bytes as they are sent: nothing here says how fast they are."""

import httpx
from tests.preview.conftest import MakePreview, listed, previewing

from gatepost.preview.places import Viewer
from gatepost.texts import LANGUAGES

BUDGETS = {Viewer.NOBODY: 6_000, Viewer.USER: 15_000, Viewer.ADMIN: 60_000}
"""Who looks at a page → what it may weigh, in each language, without compression."""

SIGN_IN = 5_000
MAIL = 20_000


async def test_every_page_is_light_in_every_language(make_preview: MakePreview) -> None:
    heavy = {}
    async with previewing(make_preview()) as client:
        shown = await listed(client)
        for language in LANGUAGES:
            await client.get(f"/?language={language.replace('_', '-')}")
            for place in shown:
                budget = MAIL if "/mail/" in place else BUDGETS[Viewer(httpx.URL(place).params["as"])]
                weight = len((await client.get(place)).content)
                if weight > (SIGN_IN if place.startswith("/auth/sign-in?") else budget):
                    heavy[language, place] = weight

    assert heavy == {}
