"""Keep the catalogues of texts: `messages.py` writes them, `messages.py --check` compares.

The kernel has its catalogues in `src/gatepost/texts/locale`, each feature in its own `locale`. What a folder
says is found in its Python (`Text("…")`), in its templates (`_("…")`), in the errors it raises and in the
table of events. What is new gets an empty entry, what nobody says any more goes; translations stay, also
where a text moves from one folder to another. Above each entry stands the English, for translators.
"""

import argparse
import ast
import io
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias

from babel.messages import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment, nodes

import gatepost
from gatepost import errors, texts
from gatepost.feature import Feature
from gatepost.features import FEATURES
from gatepost.http.pages.sentences import WORDS, Words
from gatepost.texts import LANGUAGES, Text

PACKAGE = Path(gatepost.__file__).parent
PLACEHOLDER = re.compile(r"%\((\w+)\)s")

Sentences: TypeAlias = Mapping[str, tuple[str, ...]]
"""Id → what is said, with a form for each plural."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What has catalogues of its own.

    Attributes:
        locale: where they are.
        files: its modules and templates.
        errors: those it raises.
        words: how its actions are told.
    """

    locale: Path
    files: Sequence[Path]
    errors: Sequence[type[errors.GatepostError]]
    words: Mapping[str, Words]

    @classmethod
    def of(cls, feature: Feature) -> Self | None:
        """Return that of a feature, None where it says nothing."""
        if feature.locale is None:
            return None
        return cls(
            locale=feature.locale,
            files=_files(feature.locale.parent),
            errors=feature.errors,
            words={} if feature.pages is None else feature.pages().sentences,
        )


@dataclass(frozen=True, slots=True)
class Use:
    """A text where it is said.

    Attributes:
        id: of the text.
        place: the file, or what the id follows from.
        values: names of what goes into it; None where that is not written down there.
    """

    id: str
    place: str
    values: frozenset[str] | None = None


def kernel() -> Folder:
    """Return all that is no feature's."""
    kinds = (kind for kind in _kinds(errors.GatepostError) if kind.__module__ == errors.__name__)
    return Folder(
        locale=texts.KERNEL,
        files=[file for file in _files(PACKAGE) if PACKAGE / "features" not in file.parents],
        errors=[kind for kind in kinds if "code" in vars(kind) and not issubclass(kind, errors.SetupError)],
        words=WORDS,
    )


def folders() -> list[Folder]:
    """Return the kernel and the features that are shipped."""
    return [kernel(), *(folder for each in FEATURES if (folder := Folder.of(each)))]


def uses(folder: Folder) -> Iterator[Use]:
    """Yield every text that is said in a folder."""
    for file in folder.files:
        yield from _in_python(file) if file.suffix == ".py" else _in_template(file)
    for kind in folder.errors:
        yield Use(kind.standard().id, kind.__name__)
        for part in ("page", "title"):
            if (for_people := Text(f"error.{kind.code}.{part}")).exists:
                yield Use(for_people.id, kind.__name__)
    for name, words in folder.words.items():
        for id_ in words.texts(name):
            yield Use(id_, name)


def read(locale: Path, language: str) -> Sentences:
    """Return a catalogue; what is not translated has empty sentences."""
    file = locale / f"{language}.po"
    if not file.exists():
        return {}
    catalog = read_po(io.BytesIO(file.read_bytes()), locale=language)
    return {_id(message.id): _forms(message.string) for message in catalog if message.id}


def written(locale: Path, language: str, said: Iterable[str], known: Sentences) -> bytes:
    """Return a catalogue as it should be.

    Args:
        locale: its directory.
        language: its language.
        said: ids.
        known: sentences of the language, of this directory and the others.
    """
    english = read(locale, LANGUAGES[0])
    fresh = Catalog(locale=language, charset="utf-8")
    for id_ in said:
        original, forms = english.get(id_, ()), known.get(id_, ("",))
        is_plural = len(original) > 1 or len(forms) > 1
        fresh.add(
            (id_, id_) if is_plural else id_,
            forms if is_plural else forms[0],
            auto_comments=[] if language == LANGUAGES[0] else original,
            flags=["python-format"] if any("%" in form for form in original) else [],
        )
    entries = io.BytesIO()
    write_po(entries, fresh, width=0, omit_header=True, sort_output=True)
    # Of the header what programs need: the rest changes with every run, or names nobody.
    header = f"""msgid ""
msgstr ""
"Language: {language}\\n"
"Plural-Forms: {fresh.plural_forms}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""
    return header.encode() + entries.getvalue().rstrip() + b"\n"


def catalogues() -> Iterator[tuple[Path, bytes]]:
    """Yield the file of every catalogue with what it should hold."""
    first, *features = folders()
    of_kernel = {use.id for use in uses(first)}
    said = {first.locale: of_kernel}
    said |= {each.locale: {use.id for use in uses(each)} - of_kernel for each in features}
    for language in LANGUAGES:
        known = {id_: forms for locale in said for id_, forms in read(locale, language).items()}
        for locale, ids in said.items():
            yield locale / f"{language}.po", written(locale, language, ids, known)


def _files(folder: Path) -> list[Path]:
    # Mails have a part of plain text beside that of HTML.
    texts = (file for file in folder.rglob("*.txt") if file.with_suffix(".html").exists())
    return sorted([*(file for file in folder.rglob("*") if file.suffix in {".py", ".html"}), *texts])


def _in_python(file: Path) -> Iterator[Use]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="Text"), args=[ast.Constant(value=str(id_))], keywords=values):
                names = {value.arg for value in values}
                yield Use(id_, _place(file), None if None in names else frozenset(map(str, names)))


def _in_template(file: Path) -> Iterator[Use]:
    for call in Environment().parse(file.read_text("utf-8")).find_all(nodes.Call):  # noqa: S701 - shows nothing
        match call.node, call.args:
            case nodes.Name(name="_"), [nodes.Const(value=id_)]:
                yield Use(id_, _place(file), frozenset(value.key for value in call.kwargs))
            case nodes.Name(name="_patterns"), [nodes.Const(value=id_)]:
                yield Use(id_, _place(file))


def _kinds(of: type[errors.GatepostError]) -> Iterator[type[errors.GatepostError]]:
    for kind in of.__subclasses__():
        yield kind
        yield from _kinds(kind)


def _place(file: Path) -> str:
    return str(file.relative_to(PACKAGE)) if PACKAGE in file.parents else file.name


def _id(message_id: str | Sequence[str]) -> str:
    return message_id if isinstance(message_id, str) else message_id[0]


def _forms(string: str | Sequence[str] | None) -> tuple[str, ...]:
    return (string or "",) if isinstance(string, str | None) else tuple(string)


def main() -> int:
    """Write the catalogues, or say which of them are not as they would be written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where one is stale")
    check = parser.parse_args().check
    stale = 0
    for file, wanted in catalogues():
        if file.exists() and file.read_bytes() == wanted:
            continue
        stale += 1
        if check:
            print(f"{file} is not current: run scripts/messages.py", file=sys.stderr)  # noqa: T201
        else:
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(wanted)
            print(f"Wrote {file}")  # noqa: T201
    return int(check and stale > 0)


if __name__ == "__main__":
    sys.exit(main())
