"""Steps with second factors: apps, recovery codes, sign-ins and confirmations that wait for one."""

from tests.properties.machine.steps import Steps


class FactorSteps(Steps):
    """What is done with second factors."""
