"""What is measured: which program is started how, what it is asked, and who must be in its answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bench.seeds import Credential

Group = Literal["limit", "gatepost", "app", "peer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A server.

    Attributes:
        key: its name, for the log.
        command: of a port.
        environment: of a port, all of it.
        directory: where it is started.
    """

    key: str
    command: Callable[[int], Sequence[object]]
    environment: Callable[[int], Mapping[str, str]]
    directory: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One row of session checks.

    Attributes:
        key, group, name: of its row.
        program: which server.
        path: what is asked.
        credentials: what is sent, one of them at random a request.
        knows: the answer holds the caller's e-mail, and a token of nobody's is refused; not so of a limit.
        in_header: the e-mail stands in this header, where there is no body.
        refusals: how a token of nobody's is answered.
        closes: the server closes the connection after each answer.
        note: what a reader should know.
    """

    key: str
    group: Group
    name: str
    program: Program
    path: str
    credentials: Sequence[Credential] = field(repr=False)
    knows: bool = True
    in_header: str | None = None
    refusals: Sequence[int] = (401,)
    refused_body: bytes | None = None
    closes: bool = False
    note: str | None = None
