"""Catalogues of the pages: complete in every language, current, and true to what they translate."""

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages import Message
from babel.messages.pofile import read_po

from gatepost.http.pages.language import LANGUAGES, LOCALE_DIR, SENTENCES, language

SCRIPT = Path(__file__).parents[3] / "scripts" / "messages.py"
TRANSLATED = LANGUAGES[1:]


def texts(name: str) -> Iterator[Message]:
    catalog = read_po(io.BytesIO((LOCALE_DIR / f"{name}.po").read_bytes()), locale=name)
    return (message for message in catalog if message.id)


def forms(value: str | tuple[str, ...] | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [""])


def test_the_catalogues_hold_what_the_pages_say() -> None:
    run = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("name", TRANSLATED)
def test_every_text_is_translated(name: str) -> None:
    found = list(texts(name))
    assert len(found) > 200
    lacking = [message.id for message in found if message.fuzzy or not all(forms(message.string))]
    assert lacking == []


@pytest.mark.parametrize("name", TRANSLATED)
def test_a_translation_has_the_values_of_its_text(name: str) -> None:
    for message in texts(name):
        wanted = [set(re.findall(r"%\(\w+\)s", each)) for each in forms(message.id)]
        for form in forms(message.string):
            assert set(re.findall(r"%\(\w+\)s", form)) in wanted, (message.id, form)
            assert "%" not in re.sub(r"%\(\w+\)s|%%", "", form), (message.id, form)
            assert form == form.strip(), (message.id, form)


@pytest.mark.parametrize("name", TRANSLATED)
def test_what_services_say_is_told_in_the_language(name: str) -> None:
    told = language(name).told
    for sentence in SENTENCES:
        assert told(sentence.replace("%(number)s", "8")) != sentence.replace("%(number)s", "8")
    assert "8" in told("Use at least 8 characters")
    assert told("Something that no catalogue has") == "Something that no catalogue has"
