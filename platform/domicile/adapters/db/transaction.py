"""One transaction on one connection: everything that is executed goes through here and fails in the domain's words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Executable, Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domicile.adapters.db.sqlite import OneTripConnection
from domicile.adapters.db.translation import translated
from domicile.domain.errors import DatabaseUnavailable, DomicileError

_T = TypeVar("_T")

#: What goes with a statement: its values, or a list of them to execute it with each.
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]

#: Seconds that a writer waits for its turn on an embedded database before it is told that the database is busy. Also what
#: ends a task that waits for a turn which it holds itself.
TURN_SECONDS = 30.0


class Transaction:
    """Rolled back unless ``commit`` returns.

    After a failed statement it can only be rolled back: both databases may have done so already, and would take what comes
    next for a transaction of its own.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._failure: DomicileError | None = None

    @property
    def on_postgres(self) -> bool:
        return self._connection.dialect.name == "postgresql"

    async def all(self, statement: Executable, parameters: Parameters | None = None) -> Sequence[Row[Any]]:
        """Every row."""
        return (await self._execute(statement, parameters)).all()  # type: ignore[no-any-return]

    async def first(self, statement: Executable, parameters: Parameters | None = None) -> Row[Any] | None:
        """The first row, or None."""
        return (await self._execute(statement, parameters)).first()  # type: ignore[no-any-return]

    async def run(self, statement: Executable, parameters: Parameters | None = None) -> int:
        """Execute what gives no rows; gives how many it touched, where the driver counts them (not for many at once)."""
        return (await self._execute(statement, parameters)).rowcount  # type: ignore[no-any-return]

    async def run_and_commit(self, statement: Executable, parameters: Parameters) -> None:
        """Execute what gives no rows, and ``commit``: on an embedded database in one trip to its thread."""
        raw = self._connection.sync_connection
        driver = raw.connection.driver_connection if raw is not None else None
        if isinstance(driver, OneTripConnection):
            driver.commit_with_next()
        await self.run(statement, parameters)
        await self.commit()

    async def run_sync(self, run: Callable[[Connection], _T]) -> _T:
        """Run a function that needs a synchronous connection, such as a migration, in this transaction."""
        try:
            with translated():
                return await self._connection.run_sync(run)
        except DomicileError as error:
            self._failure = error
            raise

    async def commit(self) -> None:
        """Durable when this returns. Raises the first failure again, if there was one."""
        if self._failure is not None:
            raise self._failure
        try:
            with translated():
                await self._connection.commit()
        except DomicileError as error:
            self._failure = error
            raise

    async def _execute(self, statement: Executable, parameters: Parameters | None) -> Any:
        try:
            with translated():
                return await self._connection.execute(statement, parameters)
        except DomicileError as error:
            self._failure = error
            raise


@asynccontextmanager
async def transaction(
    engine: AsyncEngine, turn: asyncio.Lock | None = None, *, closing: Callable[[], bool] = lambda: False
) -> AsyncIterator[Transaction]:
    """A transaction on a connection of the engine's pool, when it is this writer's turn.

    Once ``closing`` says so, nobody looks after what is given back to the pool any more, and the connection is closed here.
    """
    async with _taken(turn):
        with translated():
            connection = await engine.connect()
        try:
            yield Transaction(connection)
        finally:
            with translated():
                if closing():
                    (await connection.get_raw_connection()).detach()
                await connection.close()


@asynccontextmanager
async def _taken(turn: asyncio.Lock | None) -> AsyncIterator[None]:
    """Hold the turn; asyncio's lock gives it to whoever waits longest."""
    if turn is None:
        yield
        return
    try:
        async with asyncio.timeout(TURN_SECONDS):
            await turn.acquire()
    except TimeoutError:
        raise DatabaseUnavailable(f"No turn to write for {TURN_SECONDS:.0f} seconds.") from None
    try:
        yield
    finally:
        turn.release()
