"""Proofs, challenges and the application's own ids."""

from alembic import op

from gatepost.db.migrations.statements import statements

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run `sql/0005/`."""
    for statement in statements(revision):
        op.execute(statement)
