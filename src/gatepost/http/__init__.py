"""The web: who calls, what a route needs, and how every answer looks."""
