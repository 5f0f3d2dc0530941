"""What a new password may be (ASVS 6.1.2, 6.2.4, 6.2.11; NIST 800-63B-4 §3.1.1.2).

Asked where a password is chosen, never at login: a rule that comes later locks nobody out. A password is
refused for its length, for being one that attackers try first, or for being what anybody would guess of
this user or service; in each case the whole of it is compared, without differences of case and spelling.
There is no score, and no part of a password is looked for in it: `securepassword123` is accepted.

The list comes from `scripts/make_blocklist.py`; `blocklist/MANIFEST.json` says of what it is made.
"""

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from gatepost.errors import PasswordIsContext, PasswordTooCommon, ValidationFailed
from gatepost.security.passwords import normalise, password_problem

TOO_COMMON = "Many people use this one: choose another, such as several words that do not belong together"
IS_CONTEXT = "This is the e-mail or the name of this service, or one of them backwards: choose another"

LABEL_MIN_LENGTH = 4
"""Characters of a host's first label from which on it is a name: not `www`, nor the `10` of an address."""

_BLOCKLIST = Path(__file__).parent / "blocklist" / "passwords.txt.gz"


def folded(text: str) -> str:
    """Return a text without differences of spelling and case: NFC, casefolded, NFC again (Unicode §3.13)."""
    return normalise(normalise(text).casefold())


@cache
def common_passwords() -> bytes:
    """Return the list, folded and sorted, each entry between two line breaks.

    Read at the first question. 160 kB that are searched in a fraction of a millisecond, where a set of the
    same entries would hold ten times as much in every worker.
    """
    return b"\n" + gzip.decompress(_BLOCKLIST.read_bytes())


def is_common(password: str) -> bool:
    """Say whether a password is on the list; one with a line break in it is not.

    Args:
        password: in which `password_problem` finds nothing wrong.
    """
    wanted = folded(password)
    return "\n" not in wanted and f"\n{wanted}\n".encode() in common_passwords()


def service_words(app_name: str, public_url: str | None) -> frozenset[str]:
    """Return what names this service: Gatepost, the application, its host and the host's first label.

    Args:
        app_name: what people know the service by.
        public_url: the origin at which they reach it; None where nobody has said.
    """
    host = urlsplit(public_url or "").hostname or ""
    label = host.partition(".")[0]
    words = {"gatepost", app_name.strip(), host, label if len(label) >= LABEL_MIN_LENGTH else ""}
    return frozenset(folded(word) for word in words if word)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordPolicy:
    """What this service accepts as a new password.

    Attributes:
        min_length: least number of code points, after NFC.
        service_words: as `service_words` returns them.
    """

    min_length: int
    service_words: frozenset[str]

    def refusal(self, password: str, *, email: str, field: str = "password") -> ValidationFailed | None:
        """Return the error that tells why a password is not accepted and what to do, or None.

        Args:
            password: as it was typed.
            email: of the user whose password it is to be; empty where there is none.
            field: what the password is called where it was typed.
        """
        if problem := password_problem(password, self.min_length):
            return ValidationFailed({field: problem})
        if is_common(password):
            return PasswordTooCommon({field: TOO_COMMON})
        words = self.service_words | {folded(email), folded(email.rpartition("@")[0])}
        chosen = folded(password)
        if chosen in words or chosen[::-1] in words:
            return PasswordIsContext({field: IS_CONTEXT})
        return None
