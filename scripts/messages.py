"""Gather the texts of the pages into their catalogues: `messages.py` writes, `messages.py --check` compares.

The texts stand in templates (`_("…")`, `{% trans %}`), in the pages' Python (`gettext`, `ngettext`, `N_`)
and in the errors that services raise, which pages show. A catalogue keeps its translations; what is
new in it is empty, and what is no longer said goes.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

import gatepost.features  # noqa: F401 - features have errors of their own
from gatepost import errors
from gatepost.http.pages.language import LANGUAGES, LOCALE_DIR

PAGES = LOCALE_DIR.parent
SOURCE = PAGES.parents[1]
FEATURES = SOURCE / "features"
KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2), "text": None}


def messages() -> Iterator[tuple[str | tuple[str, ...], str, list[str]]]:
    """Yield every text with where it stands, relative to the package, and what translators are told."""
    for place in (PAGES, FEATURES):
        for file in sorted(place.rglob("*.py")):
            yield from _of(file, "python")
        for file in sorted(place.rglob("*.html")):
            yield from _of(file, "jinja2.ext:babel_extract")
    for kind in _kinds(errors.GatepostError):
        if kind.message and not issubclass(kind, errors.SetupError):
            yield kind.message, kind.__module__.partition(".")[2].replace(".", "/") + ".py", []


def _of(file: Path, method: str) -> Iterator[tuple[str | tuple[str, ...], str, list[str]]]:
    place = str(file.relative_to(SOURCE))
    options = {"trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true", "silent": "false"}
    with file.open("rb") as source:
        for _, message, comments, _ in extract(method, source, KEYWORDS, ["Translators:"], options):
            yield message, place, comments


def _kinds(of: type[errors.GatepostError]) -> Iterator[type[errors.GatepostError]]:
    for kind in of.__subclasses__():
        yield kind
        yield from _kinds(kind)


def template() -> Catalog:
    """Return a catalogue of every text, without translations."""
    catalog = Catalog(project="Gatepost", charset="utf-8")
    for message, place, comments in messages():
        catalog.add(message, locations=[(place, 0)], auto_comments=comments)
    return catalog


def updated(name: str, texts: Catalog) -> bytes:
    """Return the catalogue of a language as it should be now."""
    file = LOCALE_DIR / f"{name}.po"
    known = read_po(io.BytesIO(file.read_bytes()), locale=name) if file.exists() else Catalog(locale=name)
    fresh = Catalog(locale=name, project="Gatepost", charset="utf-8")
    for message in texts:
        if not message.id:
            continue
        former = known.get(message.id)
        fresh.add(
            message.id,
            former.string if former is not None else "",
            locations=message.locations,
            auto_comments=message.auto_comments,
        )
    written = io.BytesIO()
    write_po(written, fresh, width=0, omit_header=True, sort_output=True, include_lineno=False)
    # Of the header what programs need: the rest changes with every run, or names nobody.
    header = f"""msgid ""
msgstr ""
"Language: {name}\\n"
"Plural-Forms: {fresh.plural_forms}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
    return header.encode() + written.getvalue()


def main(*, check: bool) -> int:
    """Write the catalogues, or say which of them are not as they would be written."""
    texts = template()
    stale = 0
    for name in LANGUAGES[1:]:
        file = LOCALE_DIR / f"{name}.po"
        wanted = updated(name, texts)
        if file.exists() and file.read_bytes() == wanted:
            continue
        stale += 1
        if check:
            print(f"{file.name} is not current: run scripts/messages.py", file=sys.stderr)  # noqa: T201
        else:
            file.write_bytes(wanted)
            print(f"Wrote {file.name}")  # noqa: T201
    return stale if check else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv))
