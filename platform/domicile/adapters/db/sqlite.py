"""SQLite behind SQLAlchemy, with one trip to the connection's thread per statement.

The dialect's own driver makes four (open a cursor, execute, fetch, close) and two more to begin a transaction; each is a
switch between threads, which under load costs more than the statement. Here a statement takes its transaction's ``BEGIN``
along, and comes back with all of its rows.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

import aiosqlite
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

_T = TypeVar("_T")

#: Statements that each connection keeps prepared: more than this adapter has.
_PREPARED_STATEMENTS = 256
#: Connections that readers share, and how many more may be opened at a peak; each is a thread and a few hundred kB.
READERS = 6
READERS_AT_PEAK = 26

#: FULL: a commit is on the disk when it returns. ``secure_delete``: a deleted key is overwritten, not merely unlinked.
_PRAGMAS = ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON", "trusted_schema = OFF")


def reading_engine(path: str, busy_seconds: float) -> AsyncEngine:
    """Connections that cannot write, each with its own snapshot; in WAL mode they never wait for the writer."""
    connect = _connector(path, busy_seconds, *_PRAGMAS, "query_only = ON")
    return _engine(path, lambda: ReadingConnection(connect, "BEGIN"), READERS, READERS_AT_PEAK)


def writing_engine(path: str, busy_seconds: float) -> AsyncEngine:
    """The one connection that writes. It takes SQLite's write lock at once, so that no transaction fails half-way for it."""
    connect = _connector(path, busy_seconds, "journal_mode = WAL", *_PRAGMAS)
    return _engine(path, lambda: OneTripConnection(connect, "BEGIN IMMEDIATE"), 1, 0)


def _connector(path: str, busy_seconds: float, *pragmas: str) -> Callable[[], sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            path,
            timeout=busy_seconds,
            isolation_level=None,  # BEGIN, COMMIT and ROLLBACK are ours
            check_same_thread=False,
            cached_statements=_PREPARED_STATEMENTS,
        )
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    return connect


def _engine(path: str, make: Callable[[], OneTripConnection], size: int, more_at_peak: int) -> AsyncEngine:
    async def open_connection(*_: Any, **__: Any) -> OneTripConnection:
        connection = make()
        try:
            await connection
        except sqlite3.Error:
            # Its thread still has to end; left alone, it would report to an event loop that may be closed by then.
            await asyncio.to_thread(connection._thread.join)  # noqa: SLF001
            raise
        return connection

    return create_async_engine(
        URL.create("sqlite+aiosqlite", database=path),
        async_creator=open_connection,
        pool_size=size,
        max_overflow=more_at_peak,
        hide_parameters=True,
    )


class OneTripConnection(aiosqlite.Connection):
    """What SQLAlchemy's dialect needs of an aiosqlite connection, with fewer trips to its thread."""

    def __init__(self, connector: Callable[[], sqlite3.Connection], begin: str) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._begin = begin
        self._begun = False
        # Like SQLAlchemy's own: a connection that is never closed does not keep the process from ending.
        self._thread.daemon = True

    def cursor(self) -> OneTripCursor:  # type: ignore[override]  # the dialect asks for no more than this cursor has
        return OneTripCursor(self)

    async def in_transaction_do(self, run: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run the function in the connection's thread, in the transaction, which is begun first if there is none."""
        self._begun = True
        return await self._execute(self._do, run)  # type: ignore[no-any-return, no-untyped-call]

    async def commit(self) -> None:
        await super().commit()
        self._begun = False

    async def rollback(self) -> None:
        """Nothing to wait for when nothing was begun since the last commit, which is how every unit of work ends."""
        if self._begun:
            await super().rollback()
            self._begun = False

    def _do(self, run: Callable[[sqlite3.Connection], _T]) -> _T:
        if not self._conn.in_transaction:
            self._conn.execute(self._begin)
        return run(self._conn)


class ReadingConnection(OneTripConnection):
    """Does not wait for the end of a transaction that changed nothing; the next one queues behind it in the same thread."""

    async def rollback(self) -> None:
        if self._begun:
            self._begun = False
            self._tx.put_nowait((None, self._conn.rollback))


class OneTripCursor:
    """Executes and fetches in one trip; after that everything is here."""

    def __init__(self, connection: OneTripConnection) -> None:
        self._connection = connection
        self._rows: Sequence[Any] = ()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        def run(connection: sqlite3.Connection) -> tuple[sqlite3.Cursor, Sequence[Any]]:
            cursor = connection.execute(sql, parameters)
            return cursor, cursor.fetchall()

        await self._take(run)

    async def executemany(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        await self._take(lambda connection: (connection.executemany(sql, parameters), ()))

    async def fetchall(self) -> Sequence[Any]:
        return self._rows

    async def close(self) -> None:
        self._rows = ()

    async def _take(self, run: Callable[[sqlite3.Connection], tuple[sqlite3.Cursor, Sequence[Any]]]) -> None:
        cursor, self._rows = await self._connection.in_transaction_do(run)
        self.description, self.rowcount, self.lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid
