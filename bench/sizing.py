"""How many workers and how much disk so many users need, computed from what was measured."""

from dataclasses import dataclass

from bench.results import Results
from bench.tables import number

USERS = (1_000_000, 100_000_000)
ACTIVE_A_DAY = 0.2
SIGN_INS_A_MONTH = 4
REQUESTS_A_DAY = 100
PEAK = 3
REFRESH_MINUTES = 20
ACTIVE_MINUTES_A_DAY = 60
HISTORY_DAYS = 90
BUSY = 0.5
DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What so many users need at the peak.

    Attributes:
        checks, refreshes, logins: a second, at the peak.
        worker_cores, database_cores: half busy at the peak.
        bcrypt_cores: wholly busy at the peak, and besides.
        users_gb, sessions_gb, events_gb: on the disk, indexes and history among them.
    """

    users: int
    checks: float
    refreshes: float
    logins: float
    worker_cores: float
    bcrypt_cores: float
    database_cores: float
    users_gb: float
    sessions_gb: float
    events_gb: float


def need(results: Results, users: int) -> Need:
    """Compute the need of so many users.

    Raises:
        ValueError: a row that it rests on was not measured.
    """
    me, refresh, bcrypt = (results.row(key) for key in ("me-granian", "refresh", "bcrypt"))
    if not (me and refresh and bcrypt and me.samples and refresh.samples and bcrypt.samples):
        raise ValueError("the rows me-granian, refresh and bcrypt are needed")
    active = users * ACTIVE_A_DAY
    checks = active * REQUESTS_A_DAY / DAY * PEAK
    refreshes_a_day = active * ACTIVE_MINUTES_A_DAY / REFRESH_MINUTES
    refreshes = refreshes_a_day / DAY * PEAK
    logins_a_day = users * SIGN_INS_A_MONTH / 30
    logins = logins_a_day / DAY * PEAK
    workers = checks * (me.median("cpu_us") or 0) + refreshes * (refresh.median("cpu_us") or 0)
    database = checks * (me.median("database_us") or 0) + refreshes * (refresh.median("database_us") or 0)
    rows_kept = users + (refreshes_a_day + logins_a_day) * HISTORY_DAYS
    events = (refreshes_a_day + 2 * logins_a_day) * HISTORY_DAYS
    return Need(
        users=users,
        checks=checks,
        refreshes=refreshes,
        logins=logins,
        worker_cores=workers / 1e6 / BUSY,
        bcrypt_cores=logins / (bcrypt.median() or 1),
        database_cores=database / 1e6 / BUSY,
        users_gb=users * results.facts["user_bytes"] / 1e9,
        sessions_gb=rows_kept * results.facts["used_session_bytes"] / 1e9,
        events_gb=events * results.facts["event_bytes"] / 1e9,
    )


def markdown(results: Results) -> str:
    """Return the sizing as a table."""
    needs = [need(results, users) for users in USERS]
    lines = [
        "| Users | " + " | ".join(f"{each.users:,}" for each in needs) + " |",
        "|---|" + "---|" * len(needs),
    ]
    for words, name, unit in (
        ("Session checks at the peak", "checks", "/s"),
        ("Refreshes at the peak", "refreshes", "/s"),
        ("Logins at the peak", "logins", "/s"),
        ("Cores for workers, half busy", "worker_cores", ""),
        ("Cores for bcrypt besides", "bcrypt_cores", ""),
        ("Cores for PostgreSQL, half busy", "database_cores", ""),
        ("Disk for users", "users_gb", " GB"),
        (f"Disk for sessions, {HISTORY_DAYS} days of them", "sessions_gb", " GB"),
        (f"Disk for the audit trail, {HISTORY_DAYS} days", "events_gb", " GB"),
    ):
        lines.append(
            f"| {words} | " + " | ".join(number(getattr(each, name)) + unit for each in needs) + " |"
        )
    return "\n".join(lines)


def assumptions() -> str:
    """Return what is assumed of the users, in words."""
    return (
        f"Assumed: {ACTIVE_A_DAY:.0%} of the users come on a day, send {REQUESTS_A_DAY} requests each and "
        f"stay for {ACTIVE_MINUTES_A_DAY} minutes, their client refreshes every {REFRESH_MINUTES}; everybody "
        f"signs in {SIGN_INS_A_MONTH} times a month; the peak is {PEAK} times the mean; what has "
        f"ended is kept for {HISTORY_DAYS} days (`SESSION_HISTORY_DAYS`)."
    )
