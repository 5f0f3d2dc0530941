"""Gatepost's own servers, as its documentation runs them, and what they are asked for."""

from collections.abc import Callable, Sequence

from bench.database import Postgres, clean_environment
from bench.places import BENCH, CACHE, PROGRAMS, PYTHON, ROOT
from bench.plan import SECRET_KEY
from bench.seeds import Credential
from bench.subjects import Program, Subject

APPS = BENCH / "apps"
UVICORN = (PYTHON, "-m", "uvicorn", "--host", "127.0.0.1", "--log-level", "warning", "--no-access-log")
GRANIAN = (PROGRAMS / "granian", "--interface", "asgi", "--host", "127.0.0.1", "--log-level", "warning")


def settings(postgres: Postgres, database: str) -> dict[str, str]:
    """Return an environment that is production's, with every default left as it is."""
    return clean_environment() | {
        "ENVIRONMENT": "production",
        "SECRET_KEY": SECRET_KEY,
        "DATABASE_URL": postgres.dsn(database),
        "GATEPOST_HOME": str(CACHE / "home"),
    }


def served(key: str, postgres: Postgres, database: str, **changed: str) -> Program:
    """Return `gatepost serve`, which is granian; with other settings where some are given."""
    return Program(
        key=key,
        command=lambda port: (PROGRAMS / "gatepost", "serve", "--port", port),
        environment=lambda _: settings(postgres, database) | changed,
        directory=ROOT,
    )


def checks(postgres: Postgres, database: str, credentials: Sequence[Credential]) -> list[Subject]:
    """Return the rows of Gatepost's session check."""
    granian = served("gatepost-granian", postgres, database)
    uvicorn = Program(
        key="gatepost-uvicorn",
        command=lambda port: (
            *UVICORN,
            "--port",
            port,
            "--no-proxy-headers",
            "--factory",
            "gatepost.app:create_app",
        ),
        environment=lambda _: settings(postgres, database),
        directory=ROOT,
    )
    route = Program(
        key="route-session",
        command=lambda port: (*UVICORN, "--port", port, "--app-dir", APPS, "session_route:app"),
        environment=lambda _: settings(postgres, database),
        directory=ROOT,
    )
    me, verify = "/api/auth/me", "/api/auth/verify"
    return [
        Subject(
            key="me-granian",
            group="gatepost",
            name="Gatepost /me (gatepost serve)",
            program=granian,
            path=me,
            credentials=credentials,
        ),
        Subject(
            key="me-uvicorn",
            group="gatepost",
            name="Gatepost /me (uvicorn)",
            program=uvicorn,
            path=me,
            credentials=credentials,
        ),
        Subject(
            key="verify-granian",
            group="gatepost",
            name="Gatepost forward-auth /verify",
            program=granian,
            path=verify,
            credentials=credentials,
            in_header="x-gatepost-email",
        ),
        Subject(
            key="route-session",
            group="app",
            name="FastAPI route with CurrentSession",
            program=route,
            path="/notes",
            credentials=credentials,
        ),
    ]


def limits(body: int, credentials: Sequence[Credential]) -> list[Subject]:
    """Return the rows of servers that do nothing: the same bytes on the same servers, and FastAPI alone.

    Args:
        body: bytes to answer with.
        credentials: sent although nobody looks, so that the requests are as long.
    """
    bare = clean_environment() | {"BODY_BYTES": str(body)}
    programs = {
        "hello-granian": ((*GRANIAN, "--working-dir", APPS, "hello:app"), "bare ASGI hello (granian)"),
        "hello-uvicorn": ((*UVICORN, "--app-dir", APPS, "hello:app"), "bare ASGI hello (uvicorn)"),
        "route-open": ((*UVICORN, "--app-dir", APPS, "open_route:app"), "FastAPI route, no authentication"),
    }
    return [
        Subject(
            key=key,
            group="app" if key == "route-open" else "limit",
            name=name,
            program=Program(
                key=key,
                command=_at(command),
                environment=lambda _: bare,
                directory=ROOT,
            ),
            path="/notes" if key == "route-open" else "/",
            credentials=credentials,
            knows=False,
        )
        for key, (command, name) in programs.items()
    ]


def _at(command: Sequence[object]) -> Callable[[int], Sequence[object]]:
    return lambda port: (*command, "--port", port)
