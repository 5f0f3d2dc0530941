"""The SQL: one file a table, each statement in the function that runs it; `conn` is the first argument.

Statements take the time as a parameter, where NULL means the database's own clock.
"""
