"""Where things are."""

from pathlib import Path

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
PEERS = BENCH / "peers"
RESULTS = BENCH / "results"
CACHE = BENCH / ".cache"
"""What can be thrown away: the peers' environments, the scratch PostgreSQL, logs."""
LOGS = CACHE / "logs"
PROGRAMS = ROOT / ".venv" / "bin"
PYTHON = PROGRAMS / "python"
