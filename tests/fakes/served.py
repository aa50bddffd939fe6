"""A cell that is really served: Granian on a port of this machine, in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from tests.fakes.cell import MemoryCell, open_memory_cell, populate

from domicile.ports.generator import Generator
from domicile.web.server import serve_cell

_SECONDS = 120

Cell = TypeVar("Cell")
Result = TypeVar("Result")


@dataclass
class Served(Generic[Cell]):
    """Where the cell answers. ``run`` does something with it on its own loop, from the test's thread."""

    url: str
    cell: Cell
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(_SECONDS)


@contextmanager
def serving(opening: Callable[[int], AbstractAsyncContextManager[Any]]) -> Iterator[Served[Any]]:
    """Serve the cell that ``opening`` opens for a port, until the block ends."""
    port = _free_port()
    ready, stop = threading.Event(), asyncio.Event()
    made: list[Served[Any]] = []
    failures: list[BaseException] = []

    async def serve() -> None:
        async with opening(port) as cell:
            made.append(Served(f"http://127.0.0.1:{port}", cell, asyncio.get_running_loop()))
            await serve_cell(cell, stop=stop, started=ready.set)

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # noqa: BLE001 - raised in the test's thread instead
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="served-cell")
    thread.start()
    try:
        assert ready.wait(_SECONDS)
        if failures:
            raise failures[0]
        yield made[0]
    finally:
        if made:
            made[0].loop.call_soon_threadsafe(stop.set)
        thread.join(_SECONDS)


@contextmanager
def serving_memory_cell(folder: Path, generator: Generator | None = None) -> Iterator[Served[MemoryCell]]:
    """The populated cell of the fakes, served."""

    @asynccontextmanager
    async def opening(port: int) -> AsyncIterator[MemoryCell]:
        async with open_memory_cell(folder, generator=generator, port=port) as cell:
            await populate(cell)
            yield cell

    with serving(opening) as served:
        yield served


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
