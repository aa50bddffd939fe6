"""Embedders without a model: the words of a text are hashed, so texts that share words lie near one another."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from domicile.domain.errors import EmbedderUnavailable
from domicile.ports.vector_index import SparseVector, Vector

_WORD = re.compile(r"\w+")


def _terms(text: str) -> Counter[int]:
    """Term ids (CRC-32 of the lower-cased word) with how often each occurs."""
    return Counter(zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in _WORD.findall(text.lower()))


class HashEmbedder:
    """Unit vectors that are the same in every process and on every machine. ``broken`` makes every call fail."""

    def __init__(self, dimensions: int = 64, model: str = "hash") -> None:
        self.model = model
        self.dimensions = dimensions
        self.dtype = "float32"
        self.broken = False

    async def embed_query(self, text: str) -> Vector:
        self._check()
        return self._vector(text)

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        self._check()
        vectors = [self._vector(text) for text in texts]
        return np.stack(vectors) if vectors else np.empty((0, self.dimensions), dtype=np.float32)

    async def close(self) -> None:
        """Nothing is held open."""

    def _check(self) -> None:
        if self.broken:
            raise EmbedderUnavailable()

    def _vector(self, text: str) -> Vector:
        vector = np.zeros(self.dimensions, dtype=np.float32)
        for term, occurrences in _terms(text).items():
            sign = 1.0 if term & 0x8000_0000 else -1.0
            vector[term % self.dimensions] += sign * occurrences
        length = float(np.linalg.norm(vector))
        if length == 0.0:  # A text without words still needs a direction.
            vector[0] = length = 1.0
        return np.asarray(vector / length, dtype=np.float32)


class HashSparseEncoder:
    """Term frequencies without stemming; the language is accepted and makes no difference."""

    def encode_passages(self, texts: Sequence[str], language: str) -> list[SparseVector]:
        return [self.encode_query(text) for text in texts]

    def encode_query(self, text: str) -> SparseVector:
        terms = sorted(_terms(text).items())
        return SparseVector(tuple(term for term, _ in terms), tuple(float(count) for _, count in terms))


class WholeTextCounter:
    """A token counter whose tokeniser splits at white space: ``window`` words make a full text."""

    def __init__(self, window: int = 256) -> None:
        self.window = window

    @property
    def tokenizer_json(self) -> str:
        return _WORD_LEVEL


_WORD_LEVEL = (
    '{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,'
    '"pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":null,'
    '"model":{"type":"WordLevel","vocab":{"[UNK]":0},"unk_token":"[UNK]"}}'
)
