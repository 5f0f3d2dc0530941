"""The garbage collector of a process that answers requests."""

import gc
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from gatepost.http.collector import THRESHOLDS, settle


@pytest.fixture(autouse=True)
def collector_as_it_was() -> Iterator[None]:
    """Settle anew in each test, and leave the collector of the test's process as it was."""
    thresholds = gc.get_threshold()
    settle.cache_clear()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


async def test_the_first_lifespan_of_a_process_settles_it(app: FastAPI) -> None:
    gc.unfreeze()
    gc.set_threshold(700, 10, 10)
    async with app.state.gatepost.lifespan():
        pass
    assert gc.get_threshold() == THRESHOLDS
    assert gc.get_freeze_count() > 10_000
    gc.unfreeze()
    settle()
    assert gc.get_freeze_count() == 0


def test_an_application_keeps_the_higher_thresholds_that_it_has_set() -> None:
    gc.set_threshold(50_000, 5, 5)
    settle()
    assert gc.get_threshold() == (50_000, 5, 5)
