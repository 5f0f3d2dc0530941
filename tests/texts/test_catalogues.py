"""Catalogues of the kernel and of each feature: complete in every language, current, true to the English."""

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages import Message
from babel.messages.pofile import read_po as babel_read_po
from scripts.messages import PLACEHOLDER, Folder, folders, uses

from gatepost.texts import KERNEL, LANGUAGES, Text, add, catalogue
from gatepost.texts.po import read_po

SCRIPT = Path(__file__).parents[2] / "scripts" / "messages.py"
TRANSLATED = LANGUAGES[1:]

every_folder = pytest.mark.parametrize("folder", folders(), ids=lambda each: each.locale.parent.name)
every_language = pytest.mark.parametrize("language", LANGUAGES)


def entries(locale: Path, language: str) -> Iterator[Message]:
    catalog = babel_read_po(io.BytesIO((locale / f"{language}.po").read_bytes()), locale=language)
    return (message for message in catalog if message.id)


def name(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def forms(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ("",))


def test_the_catalogues_hold_what_is_said_and_nothing_else() -> None:
    run = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


@every_language
@every_folder
def test_every_text_has_a_sentence(folder: Folder, language: str) -> None:
    found = list(entries(folder.locale, language))
    assert found
    assert [name(message) for message in found if message.fuzzy or not all(forms(message))] == []


@every_language
@every_folder
def test_a_sentence_has_the_placeholders_of_the_english(folder: Folder, language: str) -> None:
    english = {name(message): message for message in entries(folder.locale, "en")}
    for message in entries(folder.locale, language):
        original = english[name(message)]
        wanted = [set(PLACEHOLDER.findall(form)) for form in forms(original)]
        if isinstance(original.id, tuple):
            # A form for one number alone, such as the Arabic dual, says it by itself.
            wanted += [each - {"count"} for each in wanted]
        assert isinstance(message.id, tuple) == isinstance(original.id, tuple), message.id
        for form in forms(message):
            assert set(PLACEHOLDER.findall(form)) in wanted, (message.id, form)
            assert "%" not in re.sub(r"%\(\w+\)s|%%", "", form), (message.id, form)
            assert form == form.strip(), (message.id, form)


@every_folder
def test_what_is_said_gives_the_values_of_its_placeholders(folder: Folder) -> None:
    for use in uses(folder):
        if use.values is not None:
            said = catalogue("en").pattern(use.id)
            assert said is not None, use
            assert set(PLACEHOLDER.findall(said)) | {"count"} == use.values | {"count"}, use


@every_language
@every_folder
def test_a_catalogue_is_read_as_babel_reads_it(folder: Folder, language: str) -> None:
    found = read_po((folder.locale / f"{language}.po").read_text("utf-8").splitlines())
    assert found.pop("")[0].startswith(f"Language: {language}\n")
    assert found == {name(message): forms(message) for message in entries(folder.locale, language)}


def test_a_text_reads_english_by_itself_and_any_language_when_it_is_said() -> None:
    text = Text("field.too_short", count=8)
    assert str(text) == "Use at least 8 characters"
    assert "8" in catalogue("de").say(text)
    assert catalogue("de").say(text) != str(text)


def test_the_plural_form_is_the_one_that_the_language_has_for_the_number() -> None:
    said = [catalogue("en").say(Text("word.sessions_ended", count=count)) for count in (0, 1, 2)]
    assert said == ["0 sessions were ended.", "1 session was ended.", "2 sessions were ended."]
    # French counts nothing as one thing, Japanese has one form for all.
    french = [catalogue("fr").pattern("word.sessions_ended", count) for count in (0, 1, 2)]
    assert french[0] == french[1] != french[2]
    japanese = [catalogue("ja").pattern("word.sessions_ended", count) for count in (0, 1, 2)]
    assert len(set(japanese)) == 1
    # Arabic has a form for two, and tells few from many.
    arabic = [catalogue("ar").pattern("word.sessions_ended", count) for count in (0, 1, 2, 3, 11, 103)]
    assert len(set(arabic)) == 5
    assert arabic[3] == arabic[5] == "أُنهيت %(count)s جلسات."


def test_numbers_are_written_as_the_language_writes_them_and_strings_as_they_are() -> None:
    text = Text("error.count_changed.sessions", count=12000, expected="12000")
    assert "now 12,000 sessions, not 12000" in catalogue("en").say(text, lambda number: f"{number:,}")


def test_what_has_no_translation_is_said_in_english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatepost.texts.catalogues._directories", [KERNEL])
    (tmp_path / "en.po").write_text('msgid "badges.given"\nmsgstr "%(who)s has a badge"\n')
    (tmp_path / "de.po").write_text('msgid "badges.given"\nmsgstr ""\n')
    text = Text("badges.given", who="Ada")
    try:
        add(tmp_path)
        assert text.exists
        assert catalogue("de").say(text) == "Ada has a badge"
        assert catalogue("de").say(Text("word.name")) == "Name"
    finally:
        catalogue.cache_clear()


def test_what_no_catalogue_has_is_said_as_it_is() -> None:
    for sentence in ("Field required", "100% of it", "%(count)s"):
        assert catalogue("de").say(Text.verbatim(sentence)) == sentence
