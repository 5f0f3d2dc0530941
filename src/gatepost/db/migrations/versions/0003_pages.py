"""What pages and the console ask for: links, statistics, a search, and word of each event."""

from alembic import op

from gatepost.db.migrations.statements import statements

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run `sql/0003/`."""
    for statement in statements(revision):
        op.execute(statement)
