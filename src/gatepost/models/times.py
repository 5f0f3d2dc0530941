"""Times as the contract writes them."""

from datetime import UTC, datetime


def as_utc(at: datetime) -> datetime:
    """Return a time that somebody typed, as UTC where it says nothing else."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def utc_text(at: datetime) -> str:
    """Return a time as the contract writes it: ISO 8601, UTC, `Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
