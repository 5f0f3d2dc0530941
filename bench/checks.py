"""Before a server is measured: does it say who calls, and does it refuse those who are nobody?"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

from bench.failures import Wrong
from bench.rawhttp import Answer, connection
from bench.seeds import Credential
from bench.subjects import Subject

CALLERS = 50


@dataclass(frozen=True, slots=True)
class Checked:
    """Attributes:
    size: mean bytes of the good answers, head and all.
    body: bytes of the body of one.
    closes: the server does not keep the connection.
    """

    size: float
    body: int
    closes: bool


async def check(subject: Subject, port: int) -> Checked:
    """Ask as several users and as nobody.

    Raises:
        Wrong: an answer is another one than it should be.
    """
    callers = random.sample(list(subject.credentials), min(CALLERS, len(subject.credentials)))
    answers = []
    async with connection(port) as asked:
        for caller in callers:
            answer = await asked.request("GET", subject.path, caller.headers)
            _check_good(subject, caller, answer)
            answers.append(answer)
        if subject.knows:
            for headers in _nobody(callers[0]):
                _check_refused(subject, callers[0], await asked.request("GET", subject.path, headers))
    return Checked(
        size=sum(answer.size for answer in answers) / len(answers),
        body=len(answers[0].body),
        closes=answers[0].headers.get("connection", "").lower() == "close",
    )


def _check_good(subject: Subject, caller: Credential, answer: Answer) -> None:
    if not 200 <= answer.status < 300:
        raise Wrong(f"{subject.name} answered {answer.status} to a user: {answer.body[:200]!r}")
    if not subject.knows:
        return
    told = answer.headers.get(subject.in_header, "") if subject.in_header else answer.body.decode()
    if not re.search(rf"(?<![\w.]){re.escape(caller.email)}(?![\w.])", told):
        raise Wrong(f"{subject.name} answered as somebody else than {caller.email}: {told[:200]}")


def _check_refused(subject: Subject, caller: Credential, answer: Answer) -> None:
    by_body = subject.refused_body is not None and answer.body == subject.refused_body
    if not (answer.status in subject.refusals or by_body) or caller.email.encode() in answer.body:
        raise Wrong(f"{subject.name} answered {answer.status} to a token of nobody's: {answer.body[:200]!r}")


def _nobody(caller: Credential) -> Iterator[dict[str, str]]:
    """Yield headers of nobody: none, one of a good form that was never issued, and a good one, altered."""
    yield {}
    for name, value in caller.headers.items():
        head, separator, token = value.rpartition("=" if name == "Cookie" else " ")
        yield {name: f"{head}{separator}{uuid4()}"}
        middle = len(token) // 2
        other = "0" if token[middle] != "0" else "1"
        yield {name: f"{head}{separator}{token[:middle]}{other}{token[middle + 1 :]}"}
