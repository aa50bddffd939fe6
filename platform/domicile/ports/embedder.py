"""Text to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from domicile.ports.vector_index import SparseVector, Vector


class Embedder(Protocol):
    """Dense vectors of unit length in float32. Raises ``EmbedderUnavailable``."""

    @property
    def model(self) -> str: ...
    @property
    def dimensions(self) -> int: ...
    @property
    def dtype(self) -> str: ...

    async def embed_query(self, text: str) -> Vector:
        """One question's vector, shape (dimensions,). Concurrent calls share a batch. Text past the model's window is cut."""
        ...

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        """Shape (len(texts), dimensions), in the order given. Bulk work: yields the processor to questions."""
        ...

    async def close(self) -> None: ...


class SparseEncoder(Protocol):
    """BM25 term weights. Documents are stemmed in their own language; queries in every language of the cell at once."""

    def encode_passages(self, texts: Sequence[str], language: str) -> list[SparseVector]:
        """``language`` is an ISO 639-1 code; one without a stemmer is only lower-cased and split."""
        ...

    def encode_query(self, text: str) -> SparseVector: ...


class TokenCounter(Protocol):
    """The embedding model's own tokeniser, as far as chunking needs it."""

    @property
    def window(self) -> int:
        """Tokens that the model reads of one text, special tokens included."""
        ...

    @property
    def tokenizer_json(self) -> str: ...
