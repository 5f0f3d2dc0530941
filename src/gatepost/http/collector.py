"""The garbage collector of a process that answers requests."""

import gc
from functools import cache

THRESHOLDS = (20_000, 20, 50)
"""How often to look for cycles: what requests make is freed by reference counts almost always."""


@cache
def settle() -> None:
    """Have the collector leave alone what was imported and made so far; once a process.

    Walking all the modules of an application again and again is what makes one request in a hundred wait
    for 40 ms. An application that has set thresholds of its own, higher ones, keeps them.
    """
    gc.collect()
    gc.freeze()
    if gc.get_threshold()[0] < THRESHOLDS[0]:
        gc.set_threshold(*THRESHOLDS)
