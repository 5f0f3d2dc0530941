"""The figures of the overview, on a month of a million users."""

import time
from collections.abc import Callable

from bench.failures import Wrong
from bench.measures.history import FAILURES, crowded, crowds
from bench.results import Sample
from gatepost.features.addresses.places import Place
from gatepost.features.addresses.service import Addresses
from gatepost.gate import Gate
from gatepost.models import Period
from gatepost.services.overview import Kind, Overview

ALERTS = 3
"""Addresses of which the page says what to make of them."""


async def _ask(gate: Gate, period: Period) -> Overview:
    found = await gate.overview.figures(period)
    named = (each.ip_address for each in found.addresses[:ALERTS])
    await gate.service(Addresses).activities([Place.of(address) for address in named if address])
    return found


async def sample(
    gate: Gate, period: Period, number: int, *, events: int, busy: Callable[[], float] = lambda: 0.0
) -> Sample:
    """Ask once to warm up, and once for the milliseconds it takes, and those that PostgreSQL works.

    Raises:
        Wrong: it did not count what was put in.
    """
    await _ask(gate, period)
    begun, worked = time.perf_counter(), busy()
    found = await _ask(gate, period)
    taken, worked = 1000 * (time.perf_counter() - begun), busy() - worked
    counted = {series.kind: series.total for series in found.series}[Kind.FAILURES]
    in_crowds = sum(each.failures for each in crowds(events))
    # A period begins with a whole step, so that it has one step less at the least.
    expected = (events - crowded(events)) / FAILURES * (period.length / Period.MONTH.length)
    if not expected * (1 - 1.1 / period.points) <= counted - in_crowds <= expected * 1.01:
        raise Wrong(f"{counted:,} failed logins in {period}, and not {expected + in_crowds:,.0f}")
    return Sample(value=taken, round=number, database_us=1e6 * worked)
