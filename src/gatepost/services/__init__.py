"""Decisions and transactions: no web framework, no SQL. One class a noun, wired by `gate.py`."""
