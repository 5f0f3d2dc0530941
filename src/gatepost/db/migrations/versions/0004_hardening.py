"""What two assessments asked of the schema."""

from alembic import op

from gatepost.db.migrations.statements import statements

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run `sql/0004/`."""
    for statement in statements(revision):
        op.execute(statement)
