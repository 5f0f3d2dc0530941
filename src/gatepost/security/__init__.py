"""Pure functions on keys, tokens, passwords and what a person may be called: no I/O, no clock."""
