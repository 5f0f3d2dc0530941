"""The first schema: `users`, `user_sessions` and `auth_events`; tables that exist are adopted.

There is no way down: a version before the first would be a database without its history.
"""

from alembic import op

from gatepost.db.migrations.statements import statements

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run `sql/0001/`."""
    for statement in statements(revision):
        op.execute(statement)
