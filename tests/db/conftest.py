"""What is done to the schema is done as the owner of its tables."""

from collections.abc import AsyncIterator

import pytest
from tests.conftest import SCHEMAS, scratch_database

from gatepost.db.migrate import migrate
from gatepost.models import UserIdType


@pytest.fixture
def dsn(owner_dsn: str) -> str:
    """A migrated database of this test alone."""
    return owner_dsn


@pytest.fixture
async def integer_dsn(server_dsn: str, anyio_backend: str) -> AsyncIterator[str]:
    """A migrated database with integers as ids, as in the guide, whatever the run has."""
    async with scratch_database(server_dsn, "template0") as dsn:
        await migrate(dsn, UserIdType.INTEGER, features=SCHEMAS)
        yield dsn
