"""Embeddings computed on this machine: questions in this process, bulk work in another one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from domicile.adapters.embeddings.bulk import BulkEmbedder
from domicile.adapters.embeddings.threads import processors, wait_patiently
from domicile.adapters.embeddings.weights import Weights
from domicile.domain.errors import EmbedderUnavailable
from domicile.ports.vector_index import Vector

if TYPE_CHECKING:
    from domicile.adapters.embeddings.encoder import Encoder

#: Questions that one forward pass takes at most; the others wait for the next.
_QUESTIONS = 32


class LocalEmbedder:
    """Implements ``Embedder``. ``load`` has to be awaited once; it takes seconds, in a thread."""

    def __init__(self, weights: Weights, dtype: str) -> None:
        self.model = weights.name
        self.dimensions = weights.dimensions
        self.dtype = dtype
        self._weights = weights
        self._bulk = BulkEmbedder(weights, dtype)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embed")
        self._encoder: Encoder | None = None
        self._waiting: list[tuple[str, asyncio.Future[Vector]]] = []
        self._working: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Read the weights, and compute once, which lets torch allocate what it needs.

        Raises ``EmbedderUnavailable`` for weights that are the declared ones and yet no model that can be computed.
        """
        try:
            self._encoder = await asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            raise EmbedderUnavailable("The weights are not of a model that can be computed.") from error

    async def embed_query(self, text: str) -> Vector:
        future: asyncio.Future[Vector] = asyncio.get_running_loop().create_future()
        self._waiting.append((text, future))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work(), name="embed-questions")
        return await future

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return await self._bulk.embed(texts)

    async def close(self) -> None:
        await self._bulk.close()
        await asyncio.to_thread(self._thread.shutdown)

    def _load(self) -> Encoder:
        wait_patiently()
        from domicile.adapters.embeddings.encoder import Encoder

        # Half of the processors: the other half is left to the index, the database and whoever else is served.
        encoder = Encoder(
            self._weights.folder, window=self._weights.window, dtype=self.dtype, threads=max(1, processors() // 2)
        )
        encoder.encode(["warm"])
        return encoder

    async def _work(self) -> None:
        """While one batch is computed the next one gathers; a question that is alone waits for nobody."""
        while self._waiting:
            batch, self._waiting = self._waiting[:_QUESTIONS], self._waiting[_QUESTIONS:]
            try:
                vectors = await self._encoded([text for text, _ in batch])
            except (EmbedderUnavailable, RuntimeError, TypeError, ValueError) as error:
                self._fail(batch, error)
                continue
            for (_, future), vector in zip(batch, vectors, strict=True):
                if not future.done():
                    future.set_result(vector)

    async def _encoded(self, texts: list[str]) -> Vector:
        if self._encoder is None:
            raise EmbedderUnavailable("The embedding model has not been loaded.")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._encoder.encode, texts)

    @staticmethod
    def _fail(batch: Sequence[tuple[str, asyncio.Future[Vector]]], cause: Exception) -> None:
        """Each caller gets an error of its own, without the words of the library, which may quote the text."""
        for _, future in batch:
            if not future.done():
                future.set_exception(EmbedderUnavailable(str(cause) if isinstance(cause, EmbedderUnavailable) else ""))
