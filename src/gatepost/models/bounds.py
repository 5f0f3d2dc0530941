"""How much is read of what comes from outside: the one place that says so.

Whatever a stranger sends has a bound here, which is looked at before anything is done with it, so that no
request costs more than in proportion to a small size. `docs/http.md` shows these bounds to users. What an
operator sets or types (settings, arguments) is bounded by the system alone; an e-mail, a name or a password
among it is bounded as it is here.
"""

from collections.abc import Mapping
from types import MappingProxyType

EMAIL_MAX = 320
"""Code points of an e-mail: 64, the @-sign and 255 (RFC 5321 §4.5.3.1). Mail itself ends at 254."""
NAME_MAX = 200
"""Code points of a person's name."""
PASSWORD_MAX = 1024
"""Code points of a password."""
SEARCH_MAX = 320
"""Code points that may be searched for: no e-mail has more."""
TOKEN_MAX = 43
"""Characters of a token, of sessions and of links alike; one of another length is nobody's."""
CURSOR_MAX = 4096
"""Characters of a place in a list."""
ADDRESS_MAX = 64
"""Characters of an address or a network."""
USER_ID_MAX = 255
"""Characters of a user's id where ids are texts."""
ACTION_MAX = 64
"""Characters of the name of an event, and of the id of one."""
REASON_MAX = 200
"""Characters of why an administrator does something."""
CODE_MAX = 64
"""Characters of a code that answers a step of the sign-in, and of the name of such a step."""
PLACE_MAX = 2000
"""Characters of where a sign-in leads to."""

TYPED_FACTOR = 4
"""How many times as long a text may be before it is composed: NFC shortens it to no less than a quarter."""
MARKS_MAX = 30
"""Combining marks in a row (UAX 15, Stream-Safe Text Format): sorting takes the square of their number."""

BODY_MAX = 64 * 1024
"""Bytes of a body."""
FORM_FIELDS_MAX = 100
"""Fields of a form."""
CARRIED_MAX = 8 * 1024
"""Bytes of a form, with where it leads, that is carried through asking for the password again."""

USER_AGENT_MAX = 512
"""Characters of a user agent that are kept."""
ACCEPT_LANGUAGE_MAX = 1000
"""Characters of `Accept-Language` that are read."""
AUTHORIZATION_MAX = 1024
"""Bytes of `Authorization` that are read: a scheme, blanks and a token; of other schemes the name counts."""
FORWARDED_MAX = 4096
"""Characters of a forwarded header that are read, from its end: a trusted proxy adds there."""

FIELDS: Mapping[str, int] = MappingProxyType(
    {
        "email": EMAIL_MAX,
        "name": NAME_MAX,
        "password": PASSWORD_MAX,
        "new_password": PASSWORD_MAX,
        "current": PASSWORD_MAX,
        "new": PASSWORD_MAX,
        "invitation": TOKEN_MAX,
        "token": TOKEN_MAX,
        "challenge": TOKEN_MAX,
        "method": CODE_MAX,
        "code": CODE_MAX,
        "q": SEARCH_MAX,
        "cursor": CURSOR_MAX,
        "address": ADDRESS_MAX,
        "network": ADDRESS_MAX,
        "reason": REASON_MAX,
        "action": ACTION_MAX,
        "Last-Event-ID": ACTION_MAX,
        "next": PLACE_MAX,
    }
)
"""Name of a text in a body, a form or a query → characters that it may have."""
