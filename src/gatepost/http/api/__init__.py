"""The HTTP API, one file a noun; `routes.py` is its table of contents."""
