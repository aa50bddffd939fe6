"""The parent's side of the bulk embedding process."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

import domicile
from domicile.adapters.embeddings.threads import PATIENT
from domicile.adapters.embeddings.weights import Weights
from domicile.domain.errors import EmbedderUnavailable
from domicile.ports.vector_index import Vector

#: Seconds without work after which the process is ended, and its memory with it.
IDLE_SECONDS = 60.0
_SOURCE_ROOT = Path(domicile.__file__).resolve().parents[1]


class BulkEmbedder:
    """Started when there is work, ended when there has been none for a while; restarted once if it dies over some texts."""

    def __init__(self, weights: Weights, dtype: str, idle_seconds: float = IDLE_SECONDS) -> None:
        self._weights = weights
        self._dtype = dtype
        self._idle_seconds = idle_seconds
        self._starting = asyncio.Lock()
        self._child: _Child | None = None
        self._calls = 0
        self._idle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        self._closed = False

    async def embed(self, texts: Sequence[str]) -> Vector:
        """Shape (len(texts), dimensions). Raises ``EmbedderUnavailable`` when the process dies twice, or is not to start.

        Concurrent calls are answered in turn, and the next one's texts wait at the process while it computes.
        """
        frame = msgspec.msgpack.encode(list(texts))
        self._begin()
        try:
            for _ in range(2):
                with contextlib.suppress(_Ended):
                    raw = await (await self._running()).ask(frame)
                    return np.frombuffer(raw, dtype=np.float32).reshape(len(texts), self._weights.dimensions)
        finally:
            self._finish()
        raise EmbedderUnavailable("The bulk embedding process ended twice.")

    async def close(self) -> None:
        """End the process, whatever it is doing: calls that wait for it fail."""
        self._closed = True
        self._begin()  # a call that never finishes, so nothing is idle any more
        await self._end()
        async with self._starting:  # one that was just being started or ended
            await self._end()

    async def _running(self) -> _Child:
        async with self._starting:
            if self._closed:
                raise EmbedderUnavailable("The embedder is closed.")
            if self._child is None or self._child.has_ended:
                await self._end()
                self._child = await _Child.start(str(self._weights.folder), str(self._weights.window), self._dtype)
            return self._child

    def _begin(self) -> None:
        self._calls += 1
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _finish(self) -> None:
        self._calls -= 1
        if not self._calls:
            self._idle = asyncio.get_running_loop().call_later(self._idle_seconds, self._begin_to_end)

    def _begin_to_end(self) -> None:
        self._ending = asyncio.create_task(self._end_if_idle(), name="end-idle-bulk-embedding")

    async def _end_if_idle(self) -> None:
        async with self._starting:  # whoever comes meanwhile waits, and starts the next one
            if not self._calls:
                await self._end()

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.end()


class _Ended(Exception):
    """The process is gone, and with it the answer."""


class _Child:
    """One process with the questions that it has not answered yet, oldest first."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise EmbedderUnavailable("The bulk embedding process has no pipes.")
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self._waiting: deque[asyncio.Future[bytes]] = deque()
        self._reading = asyncio.create_task(self._read(), name="read-bulk-embeddings")

    @classmethod
    async def start(cls, *arguments: str) -> _Child:
        try:
            process = await asyncio.create_subprocess_exec(
                # -P: the working folder is no place to import from.
                *(sys.executable, "-P", "-m", "domicile.adapters.egress.child"),
                *("domicile.adapters.embeddings.bulk_child", *arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,  # a library's complaint may quote the text
                env={**PATIENT, "PYTHONPATH": str(_SOURCE_ROOT), "PATH": ""},
            )
        except OSError as error:
            raise EmbedderUnavailable("The bulk embedding process cannot be started.") from error
        return cls(process)

    @property
    def has_ended(self) -> bool:
        return self._reading.done()

    async def ask(self, frame: bytes) -> bytes:
        """The answer to the frame; raises ``_Ended`` where there will be none. Safe to cancel."""
        if self.has_ended:
            raise _Ended
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        # Nothing may come between these two lines: answers are told apart by their order alone.
        self._waiting.append(answer)
        self._stdin.write(len(frame).to_bytes(4, "big") + frame)
        with contextlib.suppress(OSError):  # whoever reads will notice, too
            await self._stdin.drain()
        return await answer

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reading
        self._stdin.close()
        with contextlib.suppress(OSError):
            await self._stdin.wait_closed()

    async def _read(self) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    length = int.from_bytes(await self._stdout.readexactly(4), "big")
                    raw = await self._stdout.readexactly(length)
                    answer = self._waiting.popleft()
                    if not answer.done():  # its caller may have been cancelled
                        answer.set_result(raw)
        finally:
            for answer in self._waiting:
                if not answer.done():
                    answer.set_exception(_Ended())
