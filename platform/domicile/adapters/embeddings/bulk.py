"""The parent's side of the bulk embedding process."""

from __future__ import annotations

import asyncio
import contextlib
import sys
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
    """Started when there is work, ended when there has been none for a while; restarted once if it dies."""

    def __init__(self, weights: Weights, dtype: str, idle_seconds: float = IDLE_SECONDS) -> None:
        self._weights = weights
        self._dtype = dtype
        self._idle_seconds = idle_seconds
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._ending: asyncio.TimerHandle | None = None

    async def embed(self, texts: Sequence[str]) -> Vector:
        """Shape (len(texts), dimensions). Raises ``EmbedderUnavailable`` when the process dies twice."""
        frame = msgspec.msgpack.encode(list(texts))
        async with self._turn:
            self._keep()
            try:
                for _ in range(2):
                    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                        return await self._ask(frame, len(texts))
                    await self._end()
            except asyncio.CancelledError:
                await self._end()  # its answer would be taken for the next one's
                raise
            finally:
                self._ending = asyncio.get_running_loop().call_later(self._idle_seconds, self._end_idle)
        raise EmbedderUnavailable("The bulk embedding process ended twice.")

    async def close(self) -> None:
        self._keep()
        await self._end()

    async def _ask(self, frame: bytes, count: int) -> Vector:
        process = self._process or await self._start()
        assert process.stdin is not None  # noqa: S101 - both are pipes, see _start
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(len(frame).to_bytes(4, "big") + frame)
        await process.stdin.drain()
        length = int.from_bytes(await process.stdout.readexactly(4), "big")
        raw = await process.stdout.readexactly(length)
        return np.frombuffer(raw, dtype=np.float32).reshape(count, self._weights.dimensions)

    async def _start(self) -> asyncio.subprocess.Process:
        arguments = (str(self._weights.folder), str(self._weights.window), self._dtype)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "domicile.adapters.embeddings.bulk_child",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**PATIENT, "PYTHONPATH": str(_SOURCE_ROOT), "PATH": ""},
            start_new_session=True,  # an interrupt at the terminal is the parent's to handle
        )
        return self._process

    def _keep(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None

    def _end_idle(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process = None

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
