"""How Alembic reaches a database: over the connection that ``domicile db upgrade`` hands in, or, for developers,

alembic -x url=sqlite+aiosqlite:///var/scratch.sqlite3 revision --autogenerate -m "…"
"""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from domicile.adapters.db.schema import metadata


def migrate(connection: Connection) -> None:
    # SQLite changes a table by copying it (batch mode); for what is generated here, not for what runs.
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_migrate(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


if context.is_offline_mode():
    raise SystemExit("Migrations run on a database, not into a script: triggers differ between SQLite and PostgreSQL.")
given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
elif url := context.get_x_argument(as_dictionary=True).get("url"):
    asyncio.run(connect_and_migrate(url))
else:
    raise SystemExit("Name the database: alembic -x url=sqlite+aiosqlite:///PATH …; for a cell, use 'domicile db upgrade'.")
