"""SQLite behind SQLAlchemy, with as few trips to a connection's thread as can be.

The dialect's own driver makes four for a statement (open a cursor, execute, fetch, close) and two more to begin a transaction;
each is a switch between threads, which costs ten times what looking up a row does. Here a statement takes its transaction's
``BEGIN`` along and comes back with all of its rows, and a short one that only reads makes no trip at all.
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
#: Steps of SQLite's machine (about a third of a millisecond) that a statement may take where it is asked, in the event loop.
#: One that takes more is stopped, and executed again in the connection's thread.
_STEPS_AT_ONCE = 20_000
_NOT_AT_ONCE = frozenset({sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_BUSY})
#: Connections that readers share, and how many more may be opened at a peak; each is a thread and a few hundred kB.
READERS = 6
READERS_AT_PEAK = 26

#: FULL: a commit is on the disk when it returns. ``secure_delete``: a deleted key is overwritten, not merely unlinked.
_PRAGMAS = ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON", "trusted_schema = OFF")


def reading_engine(path: str, busy_seconds: float) -> AsyncEngine:
    """Connections that cannot write, each with its own snapshot; in WAL mode they never wait for the writer."""
    connect = _connector(path, busy_seconds, *_PRAGMAS, "query_only = ON", "busy_timeout = 0")
    return _engine(path, lambda: ReadingConnection(connect, "BEGIN", busy_seconds), READERS, READERS_AT_PEAK)


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
        except (sqlite3.Error, asyncio.CancelledError):
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
        self._commits_next = False
        # Like SQLAlchemy's own: a connection that is never closed does not keep the process from ending.
        self._thread.daemon = True

    def cursor(self) -> OneTripCursor:  # type: ignore[override]  # the dialect asks for no more than this cursor has
        return OneTripCursor(self)

    async def in_transaction_do(self, run: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run the function in the connection's thread, in the transaction, which is begun first if there is none."""
        self._begun = True
        return await self._execute(self._do, run)  # type: ignore[no-any-return, no-untyped-call]

    def commit_with_next(self) -> None:
        """The next statement ends its transaction in the same trip, if it succeeds; ``commit`` then has nothing left to do."""
        self._commits_next = True

    async def commit(self) -> None:
        if self._begun:
            await super().commit()
            self._begun = False

    async def rollback(self) -> None:
        """Nothing to wait for when nothing was begun since the last commit, which is how every unit of work ends."""
        self._commits_next = False  # asked for by a statement that never came here; the next unit of work has not asked
        if self._begun:
            await super().rollback()
            self._begun = False

    def _do(self, run: Callable[[sqlite3.Connection], _T]) -> _T:
        commits, self._commits_next = self._commits_next, False
        if not self._conn.in_transaction:
            self._conn.execute(self._begin)
        result = run(self._conn)
        if commits:
            self._conn.commit()
            self._begun = False
        return result


class ReadingConnection(OneTripConnection):
    """Reads where it is asked what takes no longer than a trip to the thread would, and never waits there for another process.

    Reading twice changes nothing, so what turns out to be longer is begun anew in the thread.
    """

    def __init__(self, connector: Callable[[], sqlite3.Connection], begin: str, busy_seconds: float) -> None:
        super().__init__(connector, begin)
        self._busy_milliseconds = int(busy_seconds * 1000)
        # A caller that goes away leaves its statement running; until that ends the connection is its thread's alone.
        self._in_thread = False

    async def in_transaction_do(self, run: Callable[[sqlite3.Connection], _T]) -> _T:
        self._begun = True
        if not self._in_thread:
            try:
                return self._at_once(run)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode not in _NOT_AT_ONCE:
                    raise
        self._in_thread = True
        return await self._execute(self._at_leisure, run)  # type: ignore[no-any-return, no-untyped-call]

    async def rollback(self) -> None:
        """Never waits for the end of a transaction that changed nothing; the next one queues behind it."""
        if not self._begun:
            return
        self._begun = False
        if self._in_thread:
            self._tx.put_nowait((None, self._conn.rollback))
        else:
            self._conn.rollback()

    def _at_once(self, run: Callable[[sqlite3.Connection], _T]) -> _T:
        self._conn.set_progress_handler(_stop, _STEPS_AT_ONCE)
        try:
            return self._do(run)
        finally:
            self._conn.set_progress_handler(None, 0)

    def _at_leisure(self, run: Callable[[sqlite3.Connection], _T]) -> _T:
        self._conn.execute(f"PRAGMA busy_timeout = {self._busy_milliseconds}")
        try:
            return self._do(run)
        finally:
            self._conn.execute("PRAGMA busy_timeout = 0")
            self._in_thread = False


def _stop() -> int:
    return 1


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
