"""Which workers of a shared queue are alive.

Each holds an advisory lock in its name for as long as its database session lives (PostgreSQL manual, section 13.3.5). A lock
that somebody else can take belongs to a worker that is gone, however it went: a container that was replaced by one of another
name never comes back for its jobs, and nothing else would tell.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Keeps these locks apart from anybody else's in the same database: "DOMI" in ASCII.
_SPACE = 0x444F4D49


class WorkerLease:
    """One worker's. Calls block, and raise ``SQLAlchemyError`` when the session is lost: ``close`` and ``renew`` then."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._connection: Connection | None = None
        self._held = False

    def renew(self) -> None:
        """Hold this worker's lock; a predecessor of the same name may keep it for a while after its death."""
        if self._connection is None:
            self._connection = _connection(self._url)
        # One who holds it already takes it once more, which succeeds at once, and lets go once: the session answers.
        taken = self._call("pg_try_advisory_lock", self._name)
        if self._held:
            self._call("pg_advisory_unlock", self._name)
        self._held = taken

    def is_dead(self, name: str) -> bool:
        """Whether no worker of that name holds its lock."""
        return self._call("pg_try_advisory_lock", name) and self._call("pg_advisory_unlock", name)

    def close(self) -> None:
        """Let go of the lock."""
        from sqlalchemy.exc import SQLAlchemyError

        connection, self._connection, self._held = self._connection, None, False
        if connection is not None:
            with contextlib.suppress(SQLAlchemyError):  # A lost session holds nothing any more.
                connection.close()

    def _call(self, function: str, name: str) -> bool:
        from sqlalchemy import text

        if self._connection is None:
            return False
        statement = text(f"SELECT {function}(:space, hashtext(:name))")
        return bool(self._connection.execute(statement, {"space": _SPACE, "name": name}).scalar())


def _connection(url: str) -> Connection:
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url
    from sqlalchemy.pool import NullPool

    address = make_url(url).set(drivername="postgresql+psycopg")
    return create_engine(address, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect()
