"""Take the pictures of the pages that docs/images holds, of demos that are made for it and thrown away.

python scripts/screenshots.py [--list] [name ...]

The demo is `gatepost demo` with a fixed seed, on an embedded PostgreSQL in a temporary directory, served at a
free port of this machine; the browser is the one of the tests. The same seed invents the same people; what
hangs on the hour of the day, such as the last bar of a chart, differs from run to run. Exit code 1, and no
picture is replaced, where a page answers what it should not, complains on the console, or a picture is too
large.
"""

import argparse
import base64
import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from gatepost.cli.demo import PASSWORD
from gatepost.features.email.letters import Letters
from gatepost.features.email.mails import Mail
from gatepost.features.email.samples import sample
from gatepost.features.email.settings import EmailSettings
from gatepost.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
THEMES = ROOT / "examples" / "themes"

SEED = "22"
LARGEST, ALL = 150_000, 1_800_000
"""Bytes of one picture, and of all together."""

ADDRESS = "198.51.100.24"
"""Of the visitor; kept for documentation (RFC 5737)."""
GUESSER = "203.0.113.66"
"""Of whoever guesses."""
AGENT = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Safari/537.36"
)


def mistype(page: Page) -> None:
    """Send a form that comes back with its mistakes."""
    page.get_by_label("Name").fill("Maya Fernández")
    page.get_by_label("E-mail").fill("maya@example")
    page.get_by_label("Password", exact=True).fill("password1")
    page.get_by_role("button", name="Sign up").click()
    page.locator("[aria-invalid]").first.wait_for()


def open_attacked(page: Page) -> None:
    """Go to the user whose password is guessed most."""
    page.locator("section[aria-labelledby=accounts] a").first.click()
    page.locator(".figures-row").wait_for()


def watch(page: Page) -> None:
    """Have somebody guess a password while events are watched live."""
    page.locator("#live[aria-pressed=false]").click()
    page.locator("#live[aria-pressed=true]").wait_for()
    origin = page.url.partition("/auth")[0]
    guesser = {"X-Forwarded-For": GUESSER, "User-Agent": "python-requests/2.32.5", "Origin": origin}
    for email in ("user@example.com", "nobody@example.com", "user@example.com"):
        guess = {"email": email, "password": "correct horse"}
        page.request.post(f"{origin}/api/auth/login", data=guess, headers=guesser)
    page.locator("tr.arrived").nth(2).wait_for()


def wait_for_frames(page: Page) -> None:
    """Wait until the pages in the first frames are there; others load when they are scrolled to."""
    for number in range(12):
        page.frame_locator("iframe").nth(number).locator("h1").wait_for(state="attached")


def wait_for_operations(page: Page) -> None:
    """Wait until the operations of the API are listed."""
    page.locator(".opblock").nth(12).wait_for()


def break_in(page: Page) -> None:
    """Have somebody guess the passwords of a few people, one of them rightly."""
    origin = page.url.partition("/auth")[0]
    guesser = {"X-Forwarded-For": GUESSER, "User-Agent": "python-requests/2.32.5"}
    people = ["admin@example.com", "info440@example.net", "info441@example.net", "user@example.com"]
    for email, tried in [*((email, "correct horse") for email in people * 2), (people[-1], PASSWORD)]:
        # Not as a request of the page: its cookie would make this a sign-in of the administrator's browser.
        guess = {"email": email, "password": tried}
        httpx.post(f"{origin}/api/auth/login", json=guess, headers=guesser, timeout=60)
    page.goto(f"{origin}/auth/admin/addresses/{GUESSER}")
    page.locator(".callout-bad").wait_for()


def ask_for_a_mail(page: Page) -> None:
    """Have a link and a code sent to choose another password."""
    page.get_by_label("E-mail").fill("maya@example.com")
    page.get_by_role("button", name="Send link").click()
    page.get_by_label("Code").wait_for()


def add_passkeys(page: Page) -> None:
    """Have a telephone's password manager and a security key make a passkey, and sign in with the first."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    for name, transport in (("Apple Passwords", "internal"), ("YubiKey, blue", "usb")):
        has = {"hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
        synced = {"defaultBackupEligibility": transport == "internal"}
        options = {"protocol": "ctap2", "transport": transport, **has, **synced}
        key = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]
        page.goto(f"{page.url.partition('/auth')[0]}/auth/account/passkeys")
        page.get_by_label("Name").fill(name)
        page.get_by_role("button", name="Create a passkey").click()
        page.get_by_text("Your passkey was added.").or_(page.locator("#codes")).wait_for()
        if transport == "internal":
            page.goto(f"{page.url.partition('/auth')[0]}/auth/confirm")
            page.get_by_role("button", name="Passkey").click()
            page.get_by_role("button", name="Confirm").click()
            page.wait_for_url("**/auth/account")
            cdp.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": key})
    page.goto(f"{page.url.partition('/auth')[0]}/auth/security")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture of a page.

    Attributes:
        name: of the file, without its suffix.
        path: of the page.
        who: "admin" or "user" of the demo; None for a visitor who is not signed in.
        theme: of examples/themes, by the preview of which it is taken; None for the demo.
        size: of the window, in CSS pixels.
        whole: the page down to its end, else what is in the window.
        scale: pixels of the picture for one of CSS.
        dark: the system wishes for dark.
        before: what is done on the page first.
    """

    name: str
    path: str
    who: str | None = None
    theme: str | None = None
    size: tuple[int, int] = (1280, 800)
    whole: bool = False
    scale: float = 1.5
    dark: bool = False
    before: Callable[[Page], None] | None = None


PICTURES = (
    Picture(name="sign-in", path="/auth/sign-in", size=(640, 640), scale=2),
    Picture(name="sign-in-dark-320", path="/auth/sign-in", size=(320, 680), scale=2, dark=True),
    Picture(name="sign-up", path="/auth/sign-up", size=(640, 840), scale=2, before=mistype),
    Picture(
        name="check-your-mail",
        path="/auth/forgot-password",
        size=(640, 820),
        scale=2,
        before=ask_for_a_mail,
    ),
    Picture(name="account", path="/auth/account", who="user", size=(900, 720)),
    Picture(name="devices", path="/auth/devices", who="user", size=(900, 720), whole=True),
    Picture(name="activity", path="/auth/activity", who="user", size=(900, 800)),
    # Last of this user's: it ends the session that the others are taken with.
    Picture(name="security", path="/auth/security", who="user", size=(900, 960), before=add_passkeys),
    Picture(name="overview", path="/auth/admin?period=7d", who="admin", size=(1280, 860)),
    Picture(name="overview-dark", path="/auth/admin", who="admin", dark=True, whole=True),
    Picture(name="users", path="/auth/admin/users", who="admin"),
    Picture(name="user", path="/auth/admin", who="admin", size=(1280, 900), before=open_attacked),
    Picture(name="sessions", path="/auth/admin/sessions", who="admin"),
    Picture(name="address", path="/auth/admin", who="admin", size=(1280, 900), before=break_in),
    Picture(name="events", path="/auth/admin/events", who="admin", before=watch),
    Picture(name="api-docs", path="/api/auth/docs", size=(1280, 860), before=wait_for_operations),
    Picture(name="theme", path="/", theme="acme", size=(1480, 900), scale=1, before=wait_for_frames),
    *(
        Picture(name=f"theme-{theme}", path="/auth/sign-in?as=nobody", theme=theme, size=(640, 560), scale=2)
        for theme in ("acme", "juniper", "nocturne")
    ),
)


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A picture of a mail with invented data.

    Attributes:
        name: of the file, without its suffix.
        mail: which one.
        language: of its user.
        dark: the system wishes for dark.
    """

    name: str
    mail: Mail
    language: str = "en"
    dark: bool = False


LETTERS = (
    Letter(name="mail-sign-in", mail=Mail.SIGN_IN),
    Letter(name="mail-changed-dark", mail=Mail.PASSWORD_CHANGED, language="de", dark=True),
)


def main() -> int:
    """Take what is asked for; write nothing unless all of it is well."""
    parser = argparse.ArgumentParser(description="Take the pictures of the pages for docs/images.")
    parser.add_argument("names", nargs="*", metavar="name", help="of these pictures; without one, of all")
    parser.add_argument("--list", action="store_true", help="print the names, take none")
    asked = parser.parse_args()
    names = {picture.name for picture in PICTURES} | {letter.name for letter in LETTERS}
    if asked.list:
        sys.stdout.writelines(f"{name}.png\n" for name in names)
        return 0
    if unknown := set(asked.names) - names:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    pictures = [picture for picture in PICTURES if not asked.names or picture.name in asked.names]
    letters = [letter for letter in LETTERS if not asked.names or letter.name in asked.names]
    with tempfile.TemporaryDirectory(prefix="gatepost-") as scratch:
        taken = take(pictures, letters, Path(scratch))
    kept = [file for file in IMAGES.glob("*.png") if file.stem in names]
    total = sum(map(len, taken.values())) + sum(f.stat().st_size for f in kept if f.stem not in taken)
    large = [f"{name} {len(png):,}" for name, png in taken.items() if len(png) > LARGEST]
    if large or total > ALL:
        sys.exit(f"Too large, in bytes: {', '.join(large) or 'none alone'}; all together {total:,}")
    for name, png in taken.items():
        (IMAGES / f"{name}.png").write_bytes(png)
    return 0


def take(pictures: Sequence[Picture], letters: Sequence[Letter], scratch: Path) -> dict[str, bytes]:
    """Return the pictures by their names, with a line for each as it is taken."""
    columns = (TextColumn("{task.description:30}"), BarColumn(), MofNCompleteColumn())
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(*columns))
        task = progress.add_task("Filling a demo", total=len(pictures))
        demos = {
            theme: stack.enter_context(serving(scratch, theme))
            for theme in dict.fromkeys(picture.theme for picture in pictures)
        }
        playwright = stack.enter_context(sync_playwright())
        browser = stack.enter_context(chromium(playwright.chromium, scratch))
        visitors = {theme: Visitors(browser, demo) for theme, demo in demos.items()}
        blank = browser.new_page()
        taken = {}
        for picture in pictures:
            progress.update(task, description=picture.name)
            taken[picture.name] = png = with_palette(blank, visitors[picture.theme].shoot(picture))
            progress.console.print(f"{picture.name + '.png':24} {len(png) / 1000:7.1f} kB")
            progress.advance(task)
        return taken | {letter.name: with_palette(blank, written(browser, letter)) for letter in letters}


def written(browser: Browser, letter: Letter) -> bytes:
    """Return a picture of a mail."""
    settings = EmailSettings(_env_file=None, app_name="Acme", public_url="https://auth.example.com")
    html = Letters(settings).render(*sample(letter.mail, language=letter.language))[2]
    page = browser.new_page(
        viewport={"width": 600, "height": 400}, color_scheme="dark" if letter.dark else "light"
    )
    page.set_content(html)
    return page.screenshot(full_page=True)


# --- The server and the browser ---


@contextmanager
def serving(scratch: Path, theme: str | None) -> Iterator[dict[str, str]]:
    """Make a demo and serve it, or the preview of a theme; yield where, and as whom one signs in."""
    environment = {k: v for k, v in os.environ.items() if k.lower() not in Settings.model_fields}
    environment |= {"GATEPOST_HOME": str(scratch / "home"), "TRUSTED_PROXIES": "127.0.0.1"}
    demo = ("demo", "--seed", SEED, "--json", "--serve", "--port", "0")
    log = scratch / f"log-{theme}"
    with (
        log.open("wb") as errors,
        subprocess.Popen(  # noqa: S603 - ours
            [
                *(sys.executable, "-m", "gatepost"),
                *(demo if theme is None else ("theme", "--serve", "--json", "--port", "0")),
            ],
            cwd=scratch if theme is None else THEMES / theme,  # where there is no .env, or the theme's
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None  # noqa: S101 - for mypy
            told: dict[str, str] = {}
            while "url" not in told:
                line = process.stdout.readline()
                if not line:
                    raise SystemExit(f"It could not be served:\n{log.read_text()}")
                told |= json.loads(line)
            yield told
        finally:
            process.terminate()


@contextmanager
def chromium(kind: Any, scratch: Path) -> Iterator[Browser]:  # noqa: ANN401 - Playwright's BrowserType
    """Start the browser of the tests; letters and colours of it are the same on every screen."""
    found = subprocess.run(
        [sys.executable, "-m", "scripts.chromium"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    places = {name: str(scratch) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    flags = (
        "--disable-lcd-text",
        "--font-render-hinting=none",
        "--force-color-profile=srgb",
        "--hide-scrollbars",
    )
    with kind.launch(
        executable_path=found.stdout.strip(),
        args=["--disable-dev-shm-usage", "--disable-gpu", *flags],
        env={**os.environ, **places},
    ) as browser:
        yield browser


class Visitors:
    """Those who look at the pages; each signs in once.

    Args:
        browser: theirs.
        demo: as `serving` yields it.
    """

    def __init__(self, browser: Browser, demo: dict[str, str]) -> None:
        self._browser = browser
        self._demo = demo
        self._cookies: dict[str, Any] = {}

    def shoot(self, picture: Picture) -> bytes:
        """Return a picture as the browser makes it."""
        context = self._context(picture)
        try:
            page = context.new_page()
            complaints: list[str] = []
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on(
                "console",
                lambda each: complaints.append(each.text) if each.type in {"error", "warning"} else None,
            )
            answer = page.goto(f"{self._demo['url']}{picture.path}", wait_until="load")
            if answer is None or not answer.ok or not page.url.endswith(picture.path):
                raise SystemExit(f"{picture.name}: {page.url} answers {answer and answer.status}")
            if picture.before is not None:
                picture.before(page)
                # A form that comes back is an error to the console, and so is the page of one.
                complaints = [each for each in complaints if "status of " not in each]
            if complaints:
                raise SystemExit(f"{picture.name}: {complaints}")
            return page.screenshot(full_page=picture.whole, animations="disabled", caret="hide")
        finally:
            context.close()

    def _context(self, picture: Picture) -> BrowserContext:
        width, height = picture.size
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            device_scale_factor=picture.scale,
            color_scheme="dark" if picture.dark else "light",
            reduced_motion="reduce",
            locale="en-GB",
            timezone_id="UTC",
            user_agent=AGENT,
            extra_http_headers={"X-Forwarded-For": ADDRESS},
        )
        if picture.who is not None:
            if picture.who not in self._cookies:
                self._sign_in(context, picture.who)
                self._cookies[picture.who] = context.cookies()
            context.add_cookies(self._cookies[picture.who])
        return context

    def _sign_in(self, context: BrowserContext, who: str) -> None:
        page = context.new_page()
        page.goto(f"{self._demo['url']}/auth/sign-in")
        page.get_by_label("E-mail").fill(self._demo[who])
        page.get_by_label("Password", exact=True).fill(self._demo["password"])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/auth/account")
        page.close()


# --- Small files ---

_INDEX = """
async (png) => {
    const image = new Image();
    image.src = "data:image/png;base64," + png;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    const pixels = new Uint32Array(canvas.getImageData(0, 0, image.width, image.height).data.buffer);
    const counts = new Map();
    for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) || 0) + 1);
    const often = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0]).map((each) => each[0]);
    const palette = often.slice(0, 256);
    const split = (color) => [color & 255, (color >> 8) & 255, (color >> 16) & 255];
    const channels = palette.map(split);
    const index = new Map(palette.map((color, number) => [color, number]));
    for (const color of often.slice(256)) {
        const [r, g, b] = split(color);
        let best = 0, least = Infinity;
        channels.forEach(([x, y, z], number) => {
            const distance = (r - x) ** 2 + (g - y) ** 2 + (b - z) ** 2;
            if (distance < least) [best, least] = [number, distance];
        });
        index.set(color, best);
    }
    const indices = Uint8Array.from(pixels, (pixel) => index.get(pixel));
    let text = "";
    for (let at = 0; at < indices.length; at += 32768)
        text += String.fromCharCode(...indices.subarray(at, at + 32768));
    return {width: image.width, height: image.height, palette: channels.flat(), indices: btoa(text)};
}
"""


def with_palette(page: Page, png: bytes) -> bytes:
    """Return a picture with the 256 colours that it has most, the others being the nearest of these.

    Args:
        page: where the browser looks at its pixels, as it can anyway.
        png: the picture.
    """
    seen = page.evaluate(_INDEX, base64.b64encode(png).decode())
    width, height = seen["width"], seen["height"]
    indices = base64.b64decode(seen["indices"])
    # Each line begins with its filter: none, which suits numbers of colours.
    lines = b"".join(b"\0" + indices[at : at + width] for at in range(0, len(indices), width))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", bytes(seen["palette"])),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


if __name__ == "__main__":
    sys.exit(main())
