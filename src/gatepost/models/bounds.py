"""How much is read of what comes from outside: the one place that says so.

Whatever a stranger sends has a bound here, which is looked at before anything is done with it, so that no
request costs more than in proportion to a small size. `docs/http.md` shows these bounds to users.
"""

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
FORM_TOKEN_MAX = 64
"""Characters of a form's token."""
CURSOR_MAX = 4096
"""Characters of a place in a list."""
ADDRESS_MAX = 64
"""Characters of an address or a network."""
ACTION_MAX = 64
"""Characters of the name of an event."""
PLACE_MAX = 2000
"""Characters of where a sign-in leads to."""
WORD_MAX = 32
"""Characters of what is chosen of a list, of a number and of a time."""

TYPED_FACTOR = 4
"""How many times as long a text may be before it is composed: NFC shortens it to no less than a quarter."""
MARKS_MAX = 30
"""Combining marks in a row (UAX 15, Stream-Safe Text Format): sorting takes the square of their number."""

BODY_MAX = 64 * 1024
"""Bytes of a body."""
FORM_FIELDS_MAX = 100
"""Fields of a form."""
