"""OWASP ASVS 5.0, as data: what is asked for, how it stands under some settings, and what proves it.

`requirements.toml` has every requirement that binds Gatepost. `gatepost doctor --asvs`, the page
`docs/asvs.md` and the tests read the same entries.
"""

import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from gatepost.asvs.rules import RULES, Missed
from gatepost.feature import Feature
from gatepost.settings import Settings

__all__ = ["Requirement", "Standing", "State", "count", "judge", "requirements"]

_DATA = Path(__file__).parent / "requirements.toml"


class State(StrEnum):
    """How a requirement stands."""

    MET = "met"
    MISSED = "not met"
    OUTSIDE = "not applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A requirement of OWASP ASVS 5.0.

    Attributes:
        number: its number, such as "7.2.3".
        level: 1 to 3.
        requires: what it asks for, in our words.
        state, why: how it stands where no rule thinks otherwise, and how or why so.
        rule: name of the function in `rules` that may think otherwise.
        needs: settings without which it is missed: `NAME` is set and not off, or `NAME=value`.
        tests: ids of the tests that prove it.
        documents: pages that it asks for.
    """

    number: str
    level: int
    requires: str
    state: State
    why: str
    rule: str | None
    needs: tuple[str, ...]
    tests: tuple[str, ...]
    documents: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a requirement stands under the settings in force.

    Attributes:
        requirement: which one.
        state: met, not met, or not applicable.
        why: how it is met, or why not.
        setting: the setting to change where that would meet it.
    """

    requirement: Requirement
    state: State
    why: str
    setting: str | None = None


_KEYS = {"met": State.MET, "gap": State.MISSED, "outside": State.OUTSIDE}


def requirements(features: Iterable[Feature] = ()) -> tuple[Requirement, ...]:
    """Return every requirement, in the order of their numbers, with what features change of them."""
    entries = _read(_DATA)
    for feature in features:
        for number, changed in _read(feature.asvs).items() if feature.asvs is not None else ():
            entries[number] = _changed(entries[number], changed)
    return tuple(_requirement(number, entry) for number, entry in entries.items())


def _read(file: Path) -> dict[str, dict[str, Any]]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _changed(entry: dict[str, Any], by: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with what a feature says instead, and its tests and documents besides."""
    added = {name: [*entry.get(name, ()), *by[name]] for name in ("tests", "documents") if name in by}
    kept = {name: value for name, value in entry.items() if not (name in _KEYS and by.keys() & _KEYS)}
    return kept | by | added


def _requirement(number: str, entry: dict[str, Any]) -> Requirement:
    (key,) = entry.keys() & _KEYS
    return Requirement(
        number=number,
        level=entry["level"],
        requires=entry["requires"],
        state=_KEYS[key],
        why=entry[key],
        rule=entry.get("rule"),
        needs=tuple(entry.get("needs", ())),
        tests=tuple(entry.get("tests", ())),
        documents=tuple(entry.get("documents", ())),
    )


def judge(
    settings: Settings, *, features: Iterable[Feature] = (), excess: Sequence[str] = ()
) -> list[Standing]:
    """Say how each requirement stands.

    Args:
        settings: the settings in force.
        features: those of the Gatepost.
        excess: what the database's role may do beyond what a server needs, where that is known.
    """
    return [_judged(requirement, settings, excess) for requirement in requirements(features)]


def _judged(requirement: Requirement, settings: Settings, excess: Sequence[str]) -> Standing:
    found = RULES[requirement.rule](settings) if requirement.rule is not None else None
    if found is None and excess and requirement.rule == "database_rights":
        found = Missed("DATABASE_URL", f"Its role {', '.join(excess)}")
    for need in requirement.needs:
        found = found or _lacks(settings, need)
    if found is None:
        return Standing(requirement=requirement, state=requirement.state, why=requirement.why)
    return Standing(requirement=requirement, state=State.MISSED, why=found.why, setting=found.setting)


def _lacks(settings: Settings, need: str) -> Missed | None:
    """Say that a setting is not what a requirement needs."""
    name, _, wanted = need.partition("=")
    value = getattr(settings, name.lower(), None)  # a feature that is not part of it has none
    if str(value) == wanted if wanted else value:
        return None
    return Missed(
        name, f"It has to be {wanted}" if wanted else "It is off" if value is False else "It is not set"
    )


def count(standings: Iterable[Standing]) -> dict[int, dict[State, int]]:
    """Count the states of each level."""
    counted = Counter((standing.requirement.level, standing.state) for standing in standings)
    levels = sorted({level for level, _ in counted})
    return {level: {state: counted[level, state] for state in State} for level in levels}
