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

from gatepost.errors import InvalidValue, PasswordIsContext, PasswordTooCommon, ValidationFailed
from gatepost.security.passwords import Password
from gatepost.security.texts import folded
from gatepost.texts import Text

TOO_COMMON = Text("field.password.too_common")
IS_CONTEXT = Text("field.password.is_context")

LABEL_MIN_LENGTH = 4
"""Characters of a host's first label from which on it is a name: not `www`, nor the `10` of an address."""

_BLOCKLIST = Path(__file__).parent / "blocklist" / "passwords.txt.gz"


@cache
def common_passwords() -> bytes:
    """Return the list, folded and sorted, each entry between two line breaks.

    Read at the first question. 160 kB that are searched in a fraction of a millisecond, where a set of the
    same entries would hold ten times as much in every worker.
    """
    return b"\n" + gzip.decompress(_BLOCKLIST.read_bytes())


def is_common(password: Password) -> bool:
    """Say whether a password is on the list; one with a line break in it is not."""
    wanted = folded(password.text)
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

    def accept(self, typed: str, *, email: str, field: str = "password") -> Password:
        """Return the password, or say why it is not accepted and what to do.

        Args:
            typed: as it was typed.
            email: of the user whose password it is to be; empty where there is none.
            field: what the password is called where it was typed.

        Raises:
            ValidationFailed: too short, too long or no valid Unicode.
            PasswordTooCommon: on the list of common passwords.
            PasswordIsContext: the user's e-mail or the service's name.
        """
        try:
            password = Password.read(typed, min_length=self.min_length)
        except InvalidValue as error:
            raise ValidationFailed({field: error.text}) from None
        if is_common(password):
            raise PasswordTooCommon({field: TOO_COMMON})
        words = self.service_words | {folded(email), folded(email.rpartition("@")[0])}
        chosen = folded(password.text)
        if chosen in words or chosen[::-1] in words:
            raise PasswordIsContext({field: IS_CONTEXT})
        return password
