"""Throttles, failures in a row, and what cookies add to a session; purging the trail is its owner's."""

from alembic import op

from gatepost.db.migrations.statements import statements

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run `sql/0002/`."""
    for statement in statements(revision):
        op.execute(statement)
