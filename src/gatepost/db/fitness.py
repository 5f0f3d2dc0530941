"""Whether a database is one that Gatepost can work in, asked at every start."""

from gatepost.db.pool import Connection
from gatepost.errors import DatabaseUnfit
from gatepost.log import get_logger

log = get_logger("gatepost.db")

_LOOK = """
    SELECT pg_encoding_to_char(d.encoding) AS encoding,
        current_setting('default_transaction_read_only') = 'on' AS is_read_only,
        ARRAY(
            SELECT c.relname::text FROM pg_class c
            WHERE c.oid IN (to_regclass('users'), to_regclass('user_sessions')) AND row_security_active(c.oid)
        ) AS hidden
    FROM pg_database d
    WHERE d.datname = current_database()
"""


async def check(conn: Connection) -> None:
    """Make sure that the database holds text of any script; warn of what hides rows or keeps from writing.

    Raises:
        DatabaseUnfit: its encoding is not UTF8.
    """
    row = await conn.fetchrow(_LOOK)
    if row is None:
        return
    if row["encoding"] != "UTF8":
        raise DatabaseUnfit(
            f"The database has the encoding {row['encoding']}, which can't hold every name and e-mail: create"
            " one with ENCODING 'UTF8' TEMPLATE template0, and move the tables with pg_dump"
        )
    if row["is_read_only"]:
        log.warning("default_transaction_read_only is on: see gatepost doctor")
    if row["hidden"]:
        log.warning("row-level security is in force for this role: see gatepost doctor", tables=row["hidden"])
