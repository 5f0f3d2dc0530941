"""Holds a run of the whole suite against the tests that `gatepost.asvs` names as proofs.

A requirement is met because a test shows it. A run in which such a test was deselected or skipped shows
nothing, and fails. A run of a part of the suite is left alone.
"""

from collections.abc import Iterable

import pytest

from gatepost.asvs import State, requirements
from gatepost.features import FEATURES


def named() -> set[str]:
    """Return the tests that prove what is met."""
    return {test for each in requirements(FEATURES) if each.state is State.MET for test in each.tests}


def missed(wanted: Iterable[str], ran: Iterable[str]) -> list[str]:
    """Return the tests that were wanted and did not run, whatever parameters they take."""
    return sorted(set(wanted) - {test.partition("[")[0] for test in ran})


def is_whole(config: pytest.Config) -> bool:
    """Say whether all of the suite was asked for."""
    option = config.option
    parts = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "collectonly", "stepwise")
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not any(
        getattr(option, part, None) for part in parts
    )


class Proofs:
    """Notes which tests ran; with several workers, in the process that hears of all of them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._ran: set[str] = set()
        self._missed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and not report.skipped:
            self._ran.add(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(self._config, "workerinput") or not is_whole(self._config):
            return
        if session.shouldstop or session.shouldfail:
            return  # it was cut short, which is told already
        self._missed = missed(named(), self._ran)
        if self._missed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for test in self._missed:
            terminalreporter.write_line(
                f"PROOF MISSING {test} did not run, which gatepost.asvs names", red=True
            )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Proofs(config))
