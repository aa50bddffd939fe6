"""Embeddings computed on this machine: questions in this process, bulk work in another one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

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
T = TypeVar("T")


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
        self._closed = False

    async def load(self) -> None:
        """Read the weights, and compute once, which lets torch allocate what it needs.

        Raises ``EmbedderUnavailable`` for weights that are the declared ones and yet no model that can be computed.
        """
        loaded = await self._in_thread(self._load)
        if isinstance(loaded, BaseException):
            raise EmbedderUnavailable("The weights are not of a model that can be computed.") from loaded
        self._encoder = loaded

    async def embed_query(self, text: str) -> Vector:
        if self._encoder is None or self._closed:
            raise EmbedderUnavailable("The embedding model is not loaded.")
        future: asyncio.Future[Vector] = asyncio.get_running_loop().create_future()
        self._waiting.append((_encodable(text), future))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work(self._encoder), name="embed-questions")
        return await future

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        if not texts:
            return np.empty((0, self.dimensions), dtype=np.float32)
        return await self._bulk.embed([_encodable(text) for text in texts])

    async def close(self) -> None:
        """Answer the questions that were asked, end the bulk process, and take no more of either."""
        self._closed = True
        await self._bulk.close()
        if self._working is not None:
            await self._working
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

    async def _work(self, encoder: Encoder) -> None:
        """While one batch is computed the next one gathers; a question that is alone waits for nobody."""
        while self._waiting:
            batch, self._waiting = self._waiting[:_QUESTIONS], self._waiting[_QUESTIONS:]
            vectors = await self._in_thread(encoder.encode, [text for text, _ in batch])
            for position, (_, future) in enumerate(batch):
                if future.done():  # its caller was cancelled
                    continue
                if isinstance(vectors, BaseException):
                    # Without the words of the library, which may quote the text.
                    future.set_exception(EmbedderUnavailable("The embedding model failed."))
                else:
                    future.set_result(vectors[position])

    async def _in_thread(self, compute: Callable[..., T], *arguments: object) -> T | BaseException:
        """The result, or what was raised: the libraries raise nothing more specific than ``Exception``."""
        loop = asyncio.get_running_loop()
        (outcome,) = await asyncio.gather(loop.run_in_executor(self._thread, compute, *arguments), return_exceptions=True)
        return outcome


def _encodable(text: str) -> str:
    """A lone surrogate would make the whole batch fail, and with it other callers' questions."""
    return text.encode("utf-8", "replace").decode("utf-8")
