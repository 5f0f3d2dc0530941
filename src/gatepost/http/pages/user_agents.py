"""Which browser on which system a user agent means, in the words that people use."""

from dataclasses import dataclass
from functools import lru_cache

_NAMES = {
    "Mac OS X": "macOS",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile WebView": "Chrome",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "Edge Mobile": "Edge",
    "Opera Mobile": "Opera",
    "HeadlessChrome": "Chrome",
    "Python Requests": "Python",
    "Python/aiohttp": "Python",
}
_PHONES = {"iOS", "Android"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What a user agent says of a client.

    Attributes:
        browser: its name, or the program's; None where it can't be told.
        system: what it runs on; None where it can't be told.
        kind: "phone", "computer" or "program".
    """

    browser: str | None
    system: str | None
    kind: str


@lru_cache(1024)
def device_of(user_agent: str | None) -> Device:
    """Tell the browser and the system; what nothing is known of has None in their places."""
    if not user_agent:
        return Device(browser=None, system=None, kind="program")
    from ua_parser import parse  # its tables take a moment, which the start need not wait for

    found = parse(user_agent)
    browser = found.user_agent.family if found.user_agent else user_agent.split("/")[0][:40]
    system = found.os.family if found.os else None
    browser, system = _NAMES.get(browser, browser), _NAMES.get(system, system) if system else None
    kind = "phone" if system in _PHONES else "computer" if system else "program"
    return Device(browser=browser, system=system, kind=kind)
