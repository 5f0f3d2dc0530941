import asyncio

from alembic import context
from database import engine
from gatepost.sqlalchemy import include_name
from models import Base
from sqlalchemy import Connection


def run(connection: Connection) -> None:
    # Without include_name, autogenerate would drop Gatepost's tables.
    context.configure(connection=connection, target_metadata=Base.metadata, include_name=include_name)
    with context.begin_transaction():
        context.run_migrations()


async def main() -> None:
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(main())
