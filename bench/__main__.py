"""`python -m bench`: measure, write the results, show them."""

import argparse
import asyncio
import signal
import sys

from bench.cores import check_programs
from bench.failures import BenchError
from bench.places import ROOT
from bench.plan import FULL, QUICK
from bench.progress import Progress
from bench.report import keep, publish, show


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make bench", description="Measure Gatepost beside its peers and its limits."
    )
    parser.add_argument(
        "--quick", action="store_true", help="a look in under three minutes; nothing is published"
    )
    parser.add_argument(
        "--growth", action="store_true", help="from ten thousand to ten million sessions, nothing else"
    )
    parser.add_argument(
        "--trail", action="store_true", help="the overview and pages over ten million events, nothing else"
    )
    parser.add_argument("--render", action="store_true", help="measure nothing, write tables and charts anew")
    asked = parser.parse_args()
    # Told to end, it takes its servers down as it does at Ctrl-C.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        check_programs()
        if not asked.render:
            measure(quick=asked.quick, growth=asked.growth, trail=asked.trail)
        publish()
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def measure(*, quick: bool, growth: bool, trail: bool) -> None:
    plan = QUICK if quick else FULL
    with Progress() as progress:
        if growth:
            from bench.growth import grow

            results = asyncio.run(grow(plan, progress))
        elif trail:
            from bench.trail import watch

            results = asyncio.run(watch(plan, progress))
        else:
            from bench.run import run

            results = asyncio.run(run(plan, progress))
    path = keep(results)
    show(results)
    sys.stderr.write(f"Written to {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    sys.exit(main())
