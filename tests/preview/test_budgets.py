"""How much pages weigh, in bytes as they are sent: nothing here says how fast they are."""

import httpx
from tests.preview.conftest import MakePreview, listed, previewing

from gatepost.preview.places import Viewer
from gatepost.texts import LANGUAGES

BUDGETS = {Viewer.NOBODY: 6_000, Viewer.USER: 15_000, Viewer.ADMIN: 60_000}
"""Who looks at a page → what it may weigh, in each language, without compression."""

APART = {
    "/auth/sign-in?": 5_000,
    "/auth/preview/factor/totp/set-up": 9_000,
    "/auth/preview/mail/": 20_000,
    "/auth/admin/system/asvs?": 75_000,
}
"""What has a budget of its own: the first page of all, a QR code, mails, and a whole standard."""


async def test_every_page_is_light_in_every_language(make_preview: MakePreview) -> None:
    heavy = {}
    async with previewing(make_preview()) as client:
        shown = await listed(client)
        for language in LANGUAGES:
            await client.get(f"/?language={language.replace('_', '-')}")
            for place in shown:
                viewer = Viewer(httpx.URL(place).params["as"])
                apart = [most for start, most in APART.items() if place.startswith(start)]
                weight = len((await client.get(place)).content)
                if weight > (apart or [BUDGETS[viewer]])[0]:
                    heavy[language, place] = weight

    assert heavy == {}
