"""The schema: a folder of plain SQL for each version, in `sql/`."""
