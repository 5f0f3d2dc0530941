"""What is done to the schema is done as the owner of its tables."""

import pytest


@pytest.fixture
def dsn(owner_dsn: str) -> str:
    """A migrated database of this test alone."""
    return owner_dsn
