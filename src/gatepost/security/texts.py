"""Texts in one spelling: the one place that normalises, and only what it has bounded before.

NFC and NFKC sort a run of combining marks in the square of its length, for whoever sends one. So a text is
measured first, and then its runs, in one pass (UAX 15 §13: no text of any language has more than 30).
"""

import unicodedata

from gatepost.errors import InvalidValue
from gatepost.models.bounds import MARKS_MAX, TYPED_FACTOR
from gatepost.texts import Text


def composed(text: str, most: int) -> str:
    """Return a text in Unicode NFC.

    Args:
        text: as it was typed.
        most: code points that it may have then.

    Raises:
        InvalidValue: it is too long, or has too many marks on one character.
    """
    too_long = InvalidValue(Text("field.too_long", count=most))
    if len(text) > TYPED_FACTOR * most:
        raise too_long
    if not is_stream_safe(text):
        raise InvalidValue(Text("field.too_many_marks", count=MARKS_MAX))
    found = unicodedata.normalize("NFC", text)
    if len(found) > most:
        raise too_long
    return found


def compatible(text: str) -> str:
    """Return a text that `composed` has returned in Unicode NFKC, which may be up to 18 times as long."""
    return unicodedata.normalize("NFKC", text)


def folded(text: str) -> str:
    """Return a text without differences of spelling and case: NFC, casefolded, NFC again (Unicode §3.13).

    One that `composed` would refuse, as somebody else's table may hold, is returned as it is.
    """
    if not is_stream_safe(text):
        return text
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def is_stream_safe(text: str) -> bool:
    """Say whether a text has no more than `MARKS_MAX` combining marks in a row; one pass over it."""
    if text.isascii():
        return True
    marks = {c for c in set(text) if unicodedata.combining(unicodedata.normalize("NFKD", c)[0])}
    if not marks:
        return True
    run = 0
    for c in text:
        run = run + 1 if c in marks else 0
        if run > MARKS_MAX:
            return False
    return True
