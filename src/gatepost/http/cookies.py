"""The cookies of a Gatepost: how they are called, read and set (RFC 6265bis; ASVS 3.3).

    session    `__Host-gatepost`           the session token; out of the reach of JavaScript
    device     `__Host-gatepost-device`    that this browser has signed in before; it opens nothing
    form       `__Host-gatepost-form`      what forms are bound to before there is a session
    notice     `__Host-gatepost-notice`    what the next page says once, such as that a name was changed
    language   `__Host-gatepost-language`  the language that was chosen on it
    challenge  `__Host-gatepost-challenge` a sign-in that waits for one more step; it opens nothing
    look       `__Host-gatepost-look`      when the console was read last; it opens nothing alone
    link       `__Host-gatepost-link`      the link that was followed from a mail, until its form is sent
    asked      `__Host-gatepost-asked`     what the codes of mails that were asked for here are bound to

Where COOKIE_DOMAIN shares the session with sibling hosts its prefix is `__Secure-`, the weaker one. Over
plain http, which only a loopback origin has, browsers keep no cookie of either prefix: there the name is
bare. Cookies know neither ports nor paths, so that the name tells several Gateposts on a host apart: by the
port, over plain http (`gatepost-8000`), and by the prefix of all but the usual one
(`__Host-gatepost_api_staff`).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache

from starlette.types import Scope

from gatepost.errors import InvalidSession
from gatepost.models import SignedIn
from gatepost.security.devices import LIFETIME
from gatepost.texts import Text

PATHS_MAX = 6
"""Segments of a request's path at which a second cookie of the session's name is looked for."""

LANGUAGE_LIFETIME = timedelta(days=365)
"""How long a browser keeps the language that was chosen."""

_SEGMENT = re.compile(r"[\w.~-]+", re.ASCII)

Header = tuple[bytes, bytes]

CLEAR_SITE_DATA: Header = (b"clear-site-data", b'"cache"')
"""Goes with a logout: what the browser keeps of this origin's answers is removed (ASVS 14.3.1).

No more than that: cookies would be the device's and those of sibling hosts, storage is the application's.
"""


class Cookies:
    """Reads and makes the cookies of one Gatepost.

    Args:
        mark: tells the cookies of several Gateposts on one host apart.
        secure: this is https.
        domain: whose subdomains share the session; None keeps it to one host.
    """

    def __init__(self, mark: str = "", *, secure: bool = True, domain: str | None = None) -> None:
        prefix = "" if not secure else "__Host-" if domain is None else "__Secure-"
        self._session = f"{prefix}gatepost{mark}"
        self._session_start = f"{self._session}=".encode()
        own = f"{'__Host-' if secure else ''}gatepost{mark}"
        self._device, self._form, self._notice = f"{own}-device", f"{own}-form", f"{own}-notice"
        self._challenge, self._language = f"{own}-challenge", f"{own}-language"
        self._look, self._link, self._asked = f"{own}-look", f"{own}-link", f"{own}-asked"
        self._attributes = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
        self._domain = domain
        self._session_attributes = self._attributes + ("" if domain is None else f"; Domain={domain}")

    def token(self, scope: Scope) -> str | None:
        """Return the session token that the browser sent, None where it sent none.

        Raises:
            InvalidSession: two cookies have the name; whoever set the second wants to be taken for another
                (ASVS 15.3.7).
        """
        found = _values(scope, self._session)
        if len(found) > 1:  # what becomes of them: `strays.py`
            raise InvalidSession(Text("error.invalid_session.two_cookies"))
        return found[0] if found else None

    def device(self, scope: Scope) -> str | None:
        """Return what the device cookie holds, None where there is none or more than one."""
        return _single(scope, self._device)

    def form(self, scope: Scope) -> str | None:
        """Return what the forms of a browser without a session are bound to, None where it has nothing."""
        return _single(scope, self._form)

    def notice(self, scope: Scope) -> str | None:
        """Return the name of what the next page is to say, None where that is nothing."""
        return _single(scope, self._notice)

    def language(self, scope: Scope) -> str | None:
        """Return the language that was chosen in this browser, None where none was."""
        return _single(scope, self._language)

    def set_language(self, tag: str) -> Header:
        """Return the header that has the browser keep the language that was chosen."""
        lifetime = int(LANGUAGE_LIFETIME.total_seconds())
        return _set(f"{self._language}={tag}{self._attributes}; Max-Age={lifetime}")

    def challenge(self, scope: Scope) -> str | None:
        """Return the sign-in of this browser that waits for one more step, None where there is none."""
        return _single(scope, self._challenge)

    def look(self, scope: Scope) -> str | None:
        """Return when the console was read last, as `console.py` sealed it; None where there is nothing."""
        return _single(scope, self._look)

    def set_look(self, sealed: str, *, seconds: int) -> Header:
        """Return the header that has the browser keep when the console was read."""
        return _set(f"{self._look}={sealed}{self._attributes}; Max-Age={seconds}")

    def clear_look(self, scope: Scope) -> list[Header]:
        """Return the header that takes it away, where the browser has it."""
        if not _values(scope, self._look):
            return []
        return [_set(f"{self._look}={self._attributes}; Max-Age=0")]

    def set_challenge(self, token: str, *, seconds: int) -> Header:
        """Return the header that has the browser keep a sign-in that waits for one more step."""
        return _set(f"{self._challenge}={token}{self._attributes}; Max-Age={seconds}")

    def clear_challenge(self, scope: Scope) -> list[Header]:
        """Return the header that takes it away, where the browser has one."""
        if not _values(scope, self._challenge):
            return []
        return [_set(f"{self._challenge}={self._attributes}; Max-Age=0")]

    def link(self, scope: Scope) -> str | None:
        """Return the token of the link that was followed from a mail, None where there is none."""
        return _single(scope, self._link)

    def set_link(self, token: str, *, seconds: int) -> Header:
        """Return the header that has the browser keep the token of a link, so that no address shows it."""
        return _set(f"{self._link}={token}{self._attributes}; Max-Age={seconds}")

    def clear_link(self, scope: Scope) -> list[Header]:
        """Return the header that takes it away, where the browser has one."""
        if not _values(scope, self._link):
            return []
        return [_set(f"{self._link}={self._attributes}; Max-Age=0")]

    def asked(self, scope: Scope) -> str | None:
        """Return what codes of mails are bound to that were asked for here, None where there is nothing."""
        return _single(scope, self._asked)

    def set_asked(self, value: str, *, seconds: int) -> Header:
        """Return the header that has the browser keep what the code of a mail is bound to."""
        return _set(f"{self._asked}={value}{self._attributes}; Max-Age={seconds}")

    def set_session(self, signed_in: SignedIn, now: datetime) -> Header:
        """Return the header that hands over a token; it ends with the browser unless it is to be kept."""
        kept = ""
        if signed_in.remembered:
            left = signed_in.session.expires_at - now
            kept = f"; Max-Age={max(0, int(left.total_seconds()))}"
        return _set(f"{self._session}={signed_in.token}{self._session_attributes}{kept}")

    def replaced(self, scope: Scope, token: str) -> list[Header]:
        """Return the headers of a request as its browser sends them once it has another session token."""
        pairs = (pair for name, value in scope["headers"] if name == b"cookie" for pair in value.split(b";"))
        kept = [pair for pair in pairs if not pair.strip(b" \t").startswith(self._session_start)]
        sent = b";".join([*kept, self._session_start + token.encode()])
        others = (each for each in scope["headers"] if each[0] not in {b"cookie", b"authorization"})
        return [*others, (b"cookie", sent)]

    def are_two(self, scope: Scope) -> bool:
        """Say whether the browser sent more than one session cookie."""
        return len(_values(scope, self._session)) > 1

    def set_a_session(self, headers: Iterable[Header]) -> bool:
        """Say whether the headers of an answer hand a session over, or take it away."""
        return any(
            name.lower() == b"set-cookie" and value.startswith(self._session_start) for name, value in headers
        )

    def clear_session(self) -> Header:
        """Return the header that takes the session cookie away."""
        return _set(f"{self._session}={self._session_attributes}; Max-Age=0")

    def clear_strays(self, scope: Scope, host: str) -> list[Header]:
        """Return the headers that take away cookies of the session's name from wherever else they may stand.

        Where COOKIE_DOMAIN was changed, or a sibling host planted one, a browser sends two; a second one of
        another domain or path is not replaced by setting the first. Nobody knows where it stands: so each
        place is tried that this host may set cookies for.

        Args:
            scope: of the request.
            host: under which browsers know this one.
        """
        sent = len(_values(scope, self._session))
        if self._session.startswith("__Host-"):
            # It has one place; a client that sends two knows nothing of that, and begins afresh.
            return [self.clear_session()] if sent > 1 else []
        paths = _places_of_path(scope["path"]) if sent > 1 else ["/"]
        places = ((domain, path) for domain in (None, *_domains(host)) for path in paths)
        return [self._cleared(*place) for place in places if sent and place != (self._domain, "/")]

    def _cleared(self, domain: str | None, path: str) -> Header:
        at = f"; Path={path}" + ("" if domain is None else f"; Domain={domain}")
        return _set(f"{self._session}={self._attributes.replace('; Path=/', at, 1)}; Max-Age=0")

    def clear_form(self, scope: Scope) -> list[Header]:
        """Return the header that takes away what forms were bound to, where the browser has it."""
        if not _values(scope, self._form):
            return []
        return [_set(f"{self._form}={self._attributes}; Max-Age=0")]

    def set_device(self, value: str) -> Header:
        """Return the header that marks a browser as one that has signed in."""
        lifetime = int(LIFETIME.total_seconds())
        return _set(f"{self._device}={value}{self._attributes}; Max-Age={lifetime}")

    def set_form(self, value: str) -> Header:
        """Return the header that gives forms something to be bound to, until the browser ends."""
        return _set(f"{self._form}={value}{self._attributes}")

    def set_notice(self, name: str) -> Header:
        """Return the header that has the next page say something; a minute later it is said no more."""
        return _set(f"{self._notice}={name}{self._attributes}; Max-Age=60")

    def clear_notice(self) -> Header:
        """Return the header that keeps a notice from being given twice."""
        return _set(f"{self._notice}={self._attributes}; Max-Age=0")


def _domains(host: str) -> Iterator[str]:
    """Yield the domains that a host may set cookies for; what is none, or everybody's, browsers pass over."""
    labels = host.split(".")
    if labels[-1].isdigit() or ":" in host:
        return  # an address
    for at in range(max(0, len(labels) - PATHS_MAX), len(labels) - 1):
        yield ".".join(labels[at:])


def _places_of_path(path: str) -> list[str]:
    places = ["/"]
    for segment in path.split("/")[1 : PATHS_MAX + 1]:
        if not _SEGMENT.fullmatch(segment):
            break
        places.append(f"{places[-1].rstrip('/')}/{segment}")
    return places


def _single(scope: Scope, name: str) -> str | None:
    found = _values(scope, name)
    return found[0] if len(found) == 1 else None


def _set(value: str) -> Header:
    return b"set-cookie", value.encode("latin-1")


def _values(scope: Scope, name: str) -> list[str]:
    # Found by name alone: a cookie of ours is never quoted, and taking quotes apart costs (CVE-2024-7592), as
    # does looking at each of thousands of others.
    pairs, found = _pairs(name), list[str]()
    for header, value in scope["headers"]:
        if header == b"cookie":
            found += [text.rstrip(" \t") for text in pairs(value.decode("latin-1"))]
    return found


@lru_cache(maxsize=64)
def _pairs(name: str) -> Callable[[str], list[str]]:
    """Return what finds the values of the cookies of a name, in time that is proportional to the header."""
    return re.compile(rf"(?:\A|;)[ \t]*{re.escape(name)}=([^;]*)").findall
