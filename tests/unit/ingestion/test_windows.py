"""Pooling chunks of several documents."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any
from unittest.mock import sentinel

from hypothesis import given
from hypothesis import strategies as st

from domicile.domain.documents import Chunk
from domicile.ingestion.reading import ReadDocument
from domicile.ingestion.windows import chunk_count, completed, windows

ANY: Any = sentinel.any


def _document(chunks: int) -> ReadDocument:
    made = [Chunk(ordinal, f"text {ordinal}", 0, 0) for ordinal in range(chunks)]
    return ReadDocument(ANY, ANY, ANY, ANY, made, [f"prefix {chunk.text}" for chunk in made])


@given(st.lists(st.integers(1, 20), max_size=8), st.integers(1, 9))
async def test_every_chunk_is_in_one_window_and_every_window_but_the_last_is_full(sizes: list[int], size: int) -> None:
    """In order, each with its own embedding text, and each document complete exactly once, with its last chunk."""
    documents = [_document(chunks) for chunks in sizes]

    async def source() -> AsyncGenerator[ReadDocument, None]:
        for document in documents:
            yield document

    made = [window async for window in windows(source(), size)]
    assert [chunk_count(window) for window in made[:-1]] == [size] * (len(made) - 1)
    segments = [segment for window in made for segment in window]
    assert [chunk for segment in segments for chunk in segment.chunks] == [
        chunk for document in documents for chunk in document.chunks
    ]
    assert all(
        text == f"prefix {chunk.text}"
        for segment in segments
        for chunk, text in zip(segment.chunks, segment.texts, strict=True)
    )
    assert [id(document) for window in made for document in completed(window)] == [id(each) for each in documents]
    assert all(segment.chunks[-1] is segment.source.chunks[-1] for segment in segments if segment.last)
