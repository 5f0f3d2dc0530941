"""E-mail addresses and names in the one form that is stored and compared.

Two different mailboxes never share a canonical address. Made one is only what Unicode itself calls the
same text (NFC: the Kelvin sign is a K), what differs by case, and what DNS calls the same domain (IDNA:
full-width letters, `xn--` forms, the ideographic full stop). Case is that of `str.lower`, which keeps
the dotless i and the sharp s what they are. Before the @-sign a character that merely looks like an
ASCII one (the full-width letters and their at-sign, ligatures, the long s) is refused: other software
turns it into that one (NFKC) and would read another address.
"""

import re
import unicodedata
from typing import TYPE_CHECKING

from gatepost.errors import InvalidValue
from gatepost.models.bounds import EMAIL_MAX, NAME_MAX
from gatepost.security.texts import compatible, composed
from gatepost.texts import Text

if TYPE_CHECKING:
    from email_validator import ValidatedEmail

_STAND_IN = ".x"
_PLAIN = re.compile("[!-~]*")
_ORDINARY = re.compile(r"[a-z0-9]+(?:[._+-][a-z0-9]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,}")
_ORDINARY_MAX = 64
"""What nearly all addresses look like, and no part of it too long: the library takes each as it is."""
_DOTS = re.compile("[.\u3002\uff0e\uff61]")
_DOTS_MAX = 40
"""Dots of a domain; names of reverse lookups, the longest there are, have 33. IDNA takes time for each."""


def canonical_email(text: str) -> str:
    """Return the address as it is stored and looked up: trimmed, valid, NFC, lower-case.

    Domains of internal networks are fine (`user@localhost`, `.test`, `.local`): nothing is asked of DNS.
    Quoted local parts and addresses in brackets are not.

    Raises:
        InvalidValue: it is none.
    """
    address = composed(text.strip(" "), EMAIL_MAX)
    if len(address) <= _ORDINARY_MAX and address.isascii() and _ORDINARY.fullmatch(lower := address.lower()):
        return lower  # asked at every sign-in, and the library takes 80 microseconds
    if "<" in address:
        raise InvalidValue(Text("field.email.address_alone"))
    local, _, domain = address.rpartition("@")
    if len(_DOTS.findall(domain)) > _DOTS_MAX:
        raise InvalidValue(Text("field.email.too_many_dots"))
    if any(not c.isascii() and _holds_ascii(compatible(c)) for c in local):
        raise InvalidValue(Text("field.email.lookalike"))
    return composed(_validated(address).lower(), EMAIL_MAX)


def mailed_to(canonical: str) -> str:
    """Return a canonical address as mail servers take it: its domain in ASCII (RFC 5891).

    Raises:
        InvalidValue: it is none.
    """
    if canonical.isascii():
        return canonical
    found, suffix = _read(canonical)
    return f"{found.local_part}@{found.ascii_domain.removesuffix(suffix)}"


def email_key(canonical: str) -> str | None:
    """Return what `users.email_key` holds beside a canonical e-mail: itself, or None where ASCII tells it.

    What ASCII tells `gatepost.email_is_plain` says, and a test holds the two against each other.
    """
    return None if _PLAIN.fullmatch(canonical) and "xn--" not in canonical else canonical


def canonical_name(text: str) -> str:
    """Return what a person is called: trimmed, NFC, 1 to 200 characters, something visible, no controls.

    Raises:
        InvalidValue: it is none.
    """
    name = composed(text.strip(), NAME_MAX)
    if any(_breaks_text(c) for c in name):
        raise InvalidValue(Text("field.name.characters"))
    if not any(unicodedata.category(c)[0] in "LNPS" for c in name):
        raise InvalidValue(Text("field.name.missing"))
    return name


def _validated(address: str) -> str:
    found, suffix = _read(address)
    return found.normalized.removesuffix(suffix)


def _read(address: str) -> "tuple[ValidatedEmail, str]":
    """Return what the library reads, and what stands at the end of its domains that is not theirs."""
    # Imported at the first use: it takes some 70 ms, mostly for the tables of IDNA.
    from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

    # The library refuses the special-use domains (RFC 6761: localhost, test, local …) by a list that the
    # whole process shares and that is not ours to change. Below another domain they pass.
    special = address.rpartition("@")[2].rpartition(".")[2].lower() in SPECIAL_USE_DOMAIN_NAMES
    suffix = _STAND_IN if special else ""
    try:
        found = validate_email(address + suffix, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        raise InvalidValue(_problem(address)) from None
    return found, suffix


def _problem(address: str) -> Text:
    """Return what is wrong with an address that the library refuses: it says so in English alone."""
    local, at, domain = address.rpartition("@")
    if not at:
        return Text("field.email.no_at")
    if not local:
        return Text("field.email.no_local_part")
    if not domain:
        return Text("field.email.no_domain")
    if ".." in address:
        return Text("field.email.two_periods")
    return Text("field.email.invalid")


def _breaks_text(c: str) -> bool:
    # Of the format characters only those are refused that turn other text round; names need joiners.
    # One of these has no width and no meaning in a name: two accounts would look the same.
    if c in "\u200b\u2060\ufeff":
        return True
    turning = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} or unicodedata.bidirectional(c) in turning


def _holds_ascii(text: str) -> bool:
    return any(c.isascii() for c in text)
