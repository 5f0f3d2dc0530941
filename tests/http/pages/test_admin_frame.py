"""Who may see the console: administrators with a fresh session."""

ORIGIN = "http://localhost:8000"
