"""gettext's format of catalogues (`.po`), as far as our own files use it.

They are read as they are written, so that nothing has to be compiled. Babel reads them too, but importing it
takes longer than everything else that a command does.
"""

import ast
import re
from collections.abc import Iterable
from typing import TypeAlias

Forms: TypeAlias = tuple[str, ...]
"""What is said of an id: one sentence, or one for each plural form of the language."""

_LINE = re.compile(r'(?:(?P<keyword>msgid_plural|msgid|msgstr(?:\[\d\])?) )?(?P<string>".*")')


def read_po(lines: Iterable[str]) -> dict[str, Forms]:
    """Return the messages of a catalogue that have a sentence; the header has the id ''."""
    entries: list[dict[str, str]] = []
    keyword = ""
    for line in lines:
        if not (found := _LINE.fullmatch(line)):
            continue
        keyword = found["keyword"] or keyword
        if found["keyword"] == "msgid":
            entries.append({})
        entry = entries[-1]
        entry[keyword] = entry.get(keyword, "") + ast.literal_eval(found["string"])
    messages = {}
    for entry in entries:
        forms = tuple(value for name, value in sorted(entry.items()) if name.startswith("msgstr"))
        if all(forms):
            messages[entry["msgid"]] = forms
    return messages
