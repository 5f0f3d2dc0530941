"""What schemathesis is told about signing in; it imports this in a process of its own."""

import os
from typing import Any
from uuid import uuid4

import httpx
import schemathesis

PASSWORD = "securepassword123"
# One for all: what each `httpx.post` prepares for TLS takes longer than the request.
CLIENT = httpx.Client(base_url=os.environ["GATEPOST_TEST_URL"])


def _token(path: str, body: dict[str, str]) -> str:
    response = CLIENT.post(f"/api/auth/{path}", json=body)
    return str(response.json()["data"]["token"])


@schemathesis.hook
def filter_case(_context: object, case: "schemathesis.Case[Any]") -> bool:
    """Envoy asks by the method of the request that it is to let through: there any method is right."""
    return case.method == "GET" or not case.path.endswith("/verify/envoy")


# One who only looks keeps a token; whoever changes something is somebody new, who may change the password.
# What is for administrators, or for anybody, changes nothing of whoever asks.
OTHERS = r"^/api/auth/(admin|login|register|setup)(/|$)"


@(
    schemathesis.auth(refresh_interval=None)
    .apply_to(method="GET")
    .apply_to(method=["POST", "PATCH", "DELETE"], path_regex=OTHERS)
)
class Reader:
    """Signs in once."""

    token: str | None = None

    def get(self, _case: object, _context: object) -> str:
        if Reader.token is None:
            Reader.token = _token("login", {"email": "reader@example.com", "password": PASSWORD})
        return Reader.token

    def set(self, case: "schemathesis.Case[Any]", token: str, _context: object) -> None:
        case.headers["Authorization"] = f"Bearer {token}"


@(
    schemathesis.auth(refresh_interval=None)
    .apply_to(method=["POST", "PATCH", "DELETE"])
    .skip_for(path_regex=OTHERS)
)
class Writer:
    """Registers for each request."""

    def get(self, _case: object, _context: object) -> str:
        email = f"{uuid4().hex}@example.com"
        return _token("register", {"email": email, "name": "Writer", "password": PASSWORD})

    def set(self, case: "schemathesis.Case[Any]", token: str, _context: object) -> None:
        case.headers["Authorization"] = f"Bearer {token}"
