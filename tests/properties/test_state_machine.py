"""Users, tabs, mailboxes, lost answers, a thief and time, at random, on a database, against a model.

After every step it holds what the tables have of every user, session, link and challenge that there ever was,
and what each would open, without using it. `make fuzz` looks longer.
"""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from tests.conftest import AsApp
from tests.features.email.conftest import resting
from tests.properties.machine.factors import FactorSteps
from tests.properties.machine.mail import MailSteps
from tests.properties.machine.passkeys import PasskeySteps
from tests.properties.machine.steps import FUZZ, Steps
from tests.properties.machine.tokens import TokenSteps
from tests.properties.model.factors import World
from tests.properties.model.sessions import GRACE
from tests.properties.model.users import OWNER, THIEF, ModelUser
from tests.properties.workers import Workers

__all__ = ["resting"]

TICK = timedelta(microseconds=1)
BOUNDED = settings(
    stateful_step_count=40,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
PROFILE = settings(BOUNDED, print_blob=True) if FUZZ else BOUNDED


class Everything(PasskeySteps, FactorSteps, MailSteps, TokenSteps):
    """All of it together."""


class SecondFactors(PasskeySteps, FactorSteps):
    """Factors without what ends most sessions."""


MACHINES: dict[type[Steps], int] = {TokenSteps: 20, MailSteps: 15, SecondFactors: 20, Everything: 10}
"""What is tried → how many examples of it, in a run of all tests."""


@pytest.mark.parametrize("steps", MACHINES, ids=lambda steps: steps.__name__)
@pytest.mark.usefixtures("resting")
def test_whatever_happens_all_is_as_the_model_has_it(
    steps: type[Steps], server_dsn: str, template: str, as_app: AsApp, tmp_path: Path
) -> None:
    with asyncio.Runner() as runner:
        workers = Workers(runner)
        runner.run(workers.open(server_dsn, template, as_app, tmp_path))
        try:
            examples = MACHINES[steps] * FUZZ // sum(MACHINES.values()) if FUZZ else MACHINES[steps]
            machine = type("Machine", (steps,), {"workers": workers, "wanted": examples})
            run_state_machine_as_test(machine, settings=settings(PROFILE, max_examples=examples))
        finally:
            runner.run(workers.close())


@pytest.mark.parametrize("fault", ["replaced", "grace", "lost", "stolen", "confirmed", "absolute"])
def test_the_model_itself_would_tell(fault: str) -> None:
    """Holds the model against what the contract says, so that it does not err as the code might."""
    world = World()
    user = ModelUser("ada@example.com", 1)
    first = world.start(user, "a" * 36, OWNER)
    world.now = first.absolute_end - timedelta(minutes=1)
    first.expires_at = first.absolute_end
    if fault == "confirmed":
        second = world.confirm(first, "b" * 36, OWNER)
        assert (first.refusal(world.now), first.is_fresh(world.now)) == (None, False)
        assert world.repeated(first, OWNER) is None
        world.come(second)
        assert (first.refusal(world.now), second.is_fresh(world.now)) == ("session_replaced", True)
        assert (world.held(first, OWNER), world.held(first, THIEF)) == (second, None)
        return
    second = world.replace(first, "b" * 36, OWNER)
    if fault == "replaced":
        assert (first.refusal(world.now), second.refusal(world.now)) == ("session_replaced", None)
    elif fault == "grace":
        world.come(second)
        world.now += GRACE - TICK
        assert (world.repeated(first, OWNER), world.held(first, OWNER)) == (second, second)
        world.now += TICK
        assert (world.repeated(first, OWNER), world.held(first, OWNER)) == (None, None)
    elif fault == "lost":
        world.now += GRACE
        assert world.repeated(first, OWNER) is second
    elif fault == "stolen":
        assert (world.repeated(first, THIEF), world.held(first, THIEF)) == (None, None)
        assert world.refuse_refresh(first, THIEF) == "session_replaced"
        assert second.refusal(world.now) is None
        world.now += GRACE
        assert world.refuse_refresh(first, THIEF) == "session_replaced"
        assert second.reason == "replayed"
    else:
        assert second.expires_at == first.absolute_end
