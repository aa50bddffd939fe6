"""Chunks of several documents, pooled so that the embedding model's batches are full; a long document takes several windows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from domicile.domain.documents import Chunk
from domicile.ingestion.reading import ReadDocument


@dataclass(frozen=True, slots=True)
class Segment:
    """The chunks of one document that are in a window, each with what is embedded for it.

    ``last`` says that the document is complete with it.
    """

    source: ReadDocument
    chunks: Sequence[Chunk]
    texts: Sequence[str]
    last: bool


Window = list[Segment]


def chunk_count(window: Window) -> int:
    return sum(len(segment.chunks) for segment in window)


def completed(window: Window) -> list[ReadDocument]:
    """The documents of which nothing comes after this window."""
    return [segment.source for segment in window if segment.last]


async def windows(documents: AsyncGenerator[ReadDocument, None], size: int) -> AsyncGenerator[Window, None]:
    """Windows of ``size`` chunks, the last one of what is left. Closes the source."""
    window: Window = []
    async with aclosing(documents):
        async for document in documents:
            taken = 0
            while taken < len(document.chunks):
                part = slice(taken, taken + size - chunk_count(window))
                chunks = document.chunks[part]
                taken += len(chunks)
                window.append(Segment(document, chunks, document.texts[part], taken == len(document.chunks)))
                if chunk_count(window) == size:
                    yield window
                    window = []
    if window:
        yield window
