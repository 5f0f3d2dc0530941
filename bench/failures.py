"""Why a measurement can't be had, or may not be believed."""


class BenchError(Exception):
    """The run can't go on; the message says what to do."""


class NotMeasured(BenchError):
    """One row is left out, and why is printed where its figure would stand."""


class Wrong(BenchError):
    """A server answered something else than it should: its speed means nothing."""
