"""How long and how often things are measured."""

from dataclasses import asdict, dataclass
from typing import Any

CONNECTIONS = 32
USERS = 10_000
SESSIONS = 100_000
TOKENS = 2_000
STORM_CLIENTS = 16
LOGIN_CLIENTS = 4
BCRYPT_ROUNDS = 12
PASSWORD = "securepassword123"
SECRET_KEY = "rZ4vK9mQ2xT7bN5cW8pL1dF6hJ3sY0gA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The lengths of a run.

    Attributes:
        quick: a short look, not a measurement to publish.
        rounds: each row is measured once in every round, one row after another.
        seconds: of load for a sample.
        warm_seconds: of load before it that is not counted.
        login_seconds: for the rows that wait for bcrypt, some four a second.
        memory_requests: how many requests the worker answers while its memory is watched.
        starts: how often a server is started.
        overload: logins that are sent at once.
    """

    quick: bool
    rounds: int
    seconds: float
    warm_seconds: float
    login_seconds: float
    memory_requests: int
    starts: int
    overload: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "connections": CONNECTIONS,
            "users": USERS,
            "sessions": SESSIONS,
            "tokens": TOKENS,
            "storm_clients": STORM_CLIENTS,
            "bcrypt_rounds": BCRYPT_ROUNDS,
        }


FULL = Plan(
    quick=False,
    rounds=5,
    seconds=5,
    warm_seconds=1,
    login_seconds=12,
    memory_requests=1_000_000,
    starts=5,
    overload=200,
)

QUICK = Plan(
    quick=True,
    rounds=2,
    seconds=2,
    warm_seconds=1,
    login_seconds=4,
    memory_requests=100_000,
    starts=1,
    overload=100,
)
