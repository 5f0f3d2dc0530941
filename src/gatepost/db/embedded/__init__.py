"""A PostgreSQL of one's own under a directory, for whoever has not set DATABASE_URL.

What lies in the directory:

    pgdata/        the data, with the server's socket inside
    postgres.log   the server's messages
    lock           held while the server is started or stopped
    users          held, shared, by every process that uses the server

Both locks are `flock`s, which the kernel drops when a process ends however it ends: `kill -9` leaves nothing
behind that would have to be told from something living. The server outlives the process that started it; the
last process that stops using it ends it, and after a crash the next one to come attaches to it.
"""

from gatepost.db.embedded.binaries import find_binaries
from gatepost.db.embedded.server import EmbeddedServer

__all__ = ["EmbeddedServer", "find_binaries"]
