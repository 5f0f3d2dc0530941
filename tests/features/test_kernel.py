"""The kernel names no feature: what a feature contributes stands in its folder and in one tuple."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from tests.features.badges import BADGES

import gatepost
from gatepost.feature import Feature
from gatepost.features import FEATURES

PACKAGE = Path(gatepost.__file__).parent
OUTSIDE = {
    file: file.read_text("utf-8")
    for file in sorted(PACKAGE.rglob("*"))
    if file.suffix in {".py", ".html", ".sql", ".toml", ".po"}
    and PACKAGE / "features" not in file.parents
    and "migrations/sql" not in file.as_posix()  # what has been run stays as it was
}
"""All that stands in no feature's folder."""

# The preview and the fixtures of applications' tests stand on top of the features: they bring about what
# only those can.
KERNEL = {
    file: text
    for file, text in OUTSIDE.items()
    if PACKAGE / "preview" not in file.parents and file != PACKAGE / "testing.py"
}

TOGETHER = "\0".join(KERNEL.values())


def contributions(feature: Feature) -> Iterator[str]:
    """Yield every name that a list by feature would hold."""
    for kind in feature.errors:
        yield from (kind.__name__, kind.code)
    yield from (str(action) for action in feature.actions or ())
    if feature.schema is not None:
        yield from (table.name for table in feature.schema.tables)
    if feature.settings is not None:
        yield feature.settings().__name__
    if feature.api is not None:
        api = feature.api()
        for router in (*api.public, *api.closed):
            yield from (route.name for route in router.routes if isinstance(route, APIRoute))
    if feature.pages is not None:
        pages = feature.pages()
        yield from (page.path for page in pages.pages)
        yield from pages.notices
        if pages.templates is not None:
            yield from (file.name for file in pages.templates.rglob("*.html"))
    if feature.commands is not None:
        yield from (command.run.__name__ for command in feature.commands())


@pytest.mark.parametrize("feature", [*FEATURES, BADGES], ids=lambda each: each.name)
def test_nothing_of_a_feature_stands_in_the_kernel(feature: Feature) -> None:
    # A single word, such as "invite", is also one of the language.
    names = {name for name in contributions(feature) if not re.fullmatch(r"/?[a-z]+", name)}
    assert names
    named = {
        (name, str(file.relative_to(PACKAGE)))
        for name in names
        if name in TOGETHER
        for file, text in KERNEL.items()
        if name in text and re.search(rf"(?<![\w/]){re.escape(name)}(?![\w])", text)
    }
    assert named == set()


def test_the_tuple_is_known_where_things_are_put_together_and_nowhere_else() -> None:
    knows = {str(file.relative_to(PACKAGE)) for file, text in OUTSIDE.items() if "gatepost.features" in text}
    assert knows == {
        *("__init__.py", "app.py", "cli/__init__.py", "library.py", "sqlalchemy.py", "testing.py"),
        # Mails and second factors, to be looked at.
        *("preview/own_pages.py", "preview/factor_pages.py"),
    }


def test_every_folder_is_in_the_tuple_under_its_own_name() -> None:
    folders = {file.parent.name for file in (PACKAGE / "features").glob("*/__init__.py")}
    assert folders == {feature.name for feature in FEATURES}
    assert all(
        feature.schema is None or feature.schema.feature == feature.name for feature in (*FEATURES, BADGES)
    )
