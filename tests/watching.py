"""Which tests coverage watches: being watched takes them two thirds longer, on Python 3.11.

A test of many parameters that has a database reaches most of its lines with the first, and some folders go
through the same code as the rest of the suite. What these reach besides is not counted: what is reported is a
lower bound.
"""

from collections.abc import Generator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
UNWATCHED = {TESTS / name for name in ("attacks", "browser", "failures", "properties")}


class Watching:
    """Has coverage look away from the setup to the teardown of what need not be watched."""

    def __init__(self, config: pytest.Config) -> None:
        self._plugins = config.pluginmanager
        self._unwatched: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        seen: set[str] = set()
        for item in items:
            test = item.nodeid.partition("[")[0]
            again = test in seen and "server_dsn" in getattr(item, "fixturenames", ())
            if again or UNWATCHED.intersection(item.path.parents):
                self._unwatched.add(item.nodeid)
            seen.add(test)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        coverage = getattr(self._plugins.getplugin("_cov"), "cov_controller", None)
        if coverage is None or item.nodeid not in self._unwatched:
            return (yield)
        coverage.pause()
        try:
            return (yield)
        finally:
            coverage.resume()
