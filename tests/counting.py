"""What something costs, counted instead of timed: a busy machine takes as many steps as an idle one."""

import hashlib
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import bcrypt
import pytest

from gatepost.models.bounds import MARKS_MAX, PASSWORD_MAX, TYPED_FACTOR
from gatepost.security.hashes import argon2s, crypts


def steps(work: Callable[[], object]) -> int:
    """Return how many lines of Python run, whoever's they are; what C does within one of them is not seen."""
    counted = 0

    def count(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal counted
        counted += event == "line"
        return count

    former = sys.gettrace()
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(former)
    return counted


@contextmanager
def bounded_normalisation() -> Iterator[list[str]]:
    """Fail where anything normalises a text of no bound, whoever asks; yield what was normalised."""
    normalize = unicodedata.normalize
    asked: list[str] = []

    def spy(form: Any, text: str) -> str:
        asked.append(text)
        assert len(text) <= TYPED_FACTOR * PASSWORD_MAX, "too long to be normalised"
        run = 0
        for c in text if not text.isascii() else "":
            run = run + 1 if unicodedata.combining(normalize("NFKD", c)[0]) else 0
            assert run <= MARKS_MAX, "too many marks to be normalised"
        return normalize(form, text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unicodedata, "normalize", spy)
        yield asked


@contextmanager
def hashing() -> Iterator[list[tuple[str, int]]]:
    """Gather the work of password hashes as it begins: its kind, and how much by that kind's own measure."""
    done: list[tuple[str, int]] = []
    with pytest.MonkeyPatch.context() as patch:

        def note(owner: object, name: str, kind: str, work_of: Callable[..., int]) -> None:
            former = getattr(owner, name)

            def noting(*args: Any, **kwargs: Any) -> Any:
                done.append((kind, work_of(*args, **kwargs)))
                return former(*args, **kwargs)

            patch.setattr(owner, name, noting)

        for name in ("hashpw", "checkpw"):
            note(bcrypt, name, "bcrypt", lambda _, salt: 1 << int(salt[4:6]))
        note(hashlib, "scrypt", "scrypt", lambda *_, n, r, p, **__: 128 * n * r * p)
        note(hashlib, "pbkdf2_hmac", "pbkdf2", lambda *args: args[3])
        for name in ("hash_secret", "hash_secret_raw"):
            note(argon2s, name, "argon2", lambda *_, time_cost, memory_cost, **__: time_cost * memory_cost)
        note(crypts, "_repeated", "crypt", lambda *args: args[-1])
        note(crypts, "_phpass", "phpass", lambda *args: args[-1])
        yield done
