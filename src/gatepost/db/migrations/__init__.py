"""The schema, as Alembic versions whose SQL is plain text in `sql/`."""
