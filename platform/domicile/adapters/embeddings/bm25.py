"""BM25 term weights (Robertson and Zaragoza 2009), computed by the engine that also searches them, without any download.

A term's id is a hash of its stem. Inverse document frequency is not in the weights: the index computes it when it searches.

Accents are folded ("conges" finds "congés"), and compatibility forms too, since PDFs are full of ligatures.

German writes in one word what others write in several, and a stemmer leaves it whole. Besides its words a German document
therefore has the first and the last letters of each as terms of their own, and a German question has every run of as many
letters: "Urlaubstage" finds "Jahresurlaub". No dictionary is needed, and documents in other languages are not touched.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from unicodedata import combining, normalize

import qdrant_edge

from domicile.ports.vector_index import SparseVector

#: Words of an average chunk without its stop words, which lengths are compared with. Set too high, BM25 hardly tells a short
#: chunk from a long one, and long ones win by the number of their words.
_AVERAGE_WORDS = 40.0
#: ISO 639-1 to the engine's names of languages that it has both a stemmer and stop words for.
_LANGUAGES = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hu": "hungarian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "tr": "turkish",
}
#: Languages whose compounds are found by their parts; measured for German only.
_COMPOUNDING = frozenset({"de"})
#: Letters of a part, and what one weighs in a question beside a whole word's 1. Only the ends of a document's words are kept:
#: every run of its letters would find as much and take twice the room (docs/ingestion.md has the figures).
_PART, _PART_WEIGHT = 4, 0.6
#: BM25's own constants, as the engine has them, for the parts that it knows nothing of.
_K, _B = 1.2, 0.75
_LETTERS = re.compile(r"[^\W\d_]{4,}")
_INFLECTION = re.compile(r"(?<=\w{4})(?:e[nrsm]?|n|s)\Z")


class Bm25Encoder:
    """Implements ``SparseEncoder``. ``languages`` are those whose stemmers are applied to every query."""

    def __init__(self, languages: Sequence[str]) -> None:
        self._languages = tuple(dict.fromkeys(languages)) or ("",)

    def encode_passages(self, texts: Sequence[str], language: str) -> list[SparseVector]:
        # A document in a language that no query is stemmed in is found by its words as they are.
        language = language if language in self._languages else ""
        vectors = [_sparse(_model(language).embed_document(normalize("NFKC", text))) for text in texts]
        if language not in _COMPOUNDING:
            return vectors
        return [_joined(vector, _ends(text)) for vector, text in zip(vectors, texts, strict=True)]

    def encode_query(self, text: str) -> SparseVector:
        """Each term once, in every form that some document may have it in."""
        folded = normalize("NFKC", text)
        vectors = {language: _model(language).embed_query(folded) for language in (*self._languages, "")}
        weights: dict[int, float] = {}
        for vector in vectors.values():
            weights.update(zip(vector.indices, vector.values, strict=True))
        # The language that knows most of the question's words as stop words leaves the fewest terms: that is its language.
        fewest = min(len(vector.indices) for vector in vectors.values())
        if any(len(vectors[language].indices) == fewest for language in _COMPOUNDING & vectors.keys()):
            weights = dict.fromkeys(_runs(text), _PART_WEIGHT) | weights
        return SparseVector(tuple(sorted(weights)), tuple(weights[term] for term in sorted(weights)))


@cache
def _model(language: str) -> qdrant_edge.Bm25:
    name = _LANGUAGES.get(language)
    if name:
        return qdrant_edge.Bm25(qdrant_edge.Bm25Config(avg_len=_AVERAGE_WORDS, ascii_folding=True, language=name))
    return qdrant_edge.Bm25(
        qdrant_edge.Bm25Config(
            avg_len=_AVERAGE_WORDS,
            ascii_folding=True,
            stemmer=qdrant_edge.DisabledStemmer(),
            stopwords=qdrant_edge.StopwordsSet(),
        )
    )


def _sparse(vector: qdrant_edge.SparseVector) -> SparseVector:
    return SparseVector(tuple(vector.indices), tuple(vector.values))


def _joined(vector: SparseVector, parts: dict[int, float]) -> SparseVector:
    weights = parts | dict(zip(vector.indices, vector.values, strict=True))
    return SparseVector(tuple(weights), tuple(weights.values()))


def _ends(text: str) -> dict[int, float]:
    """The beginnings and ends of a document's words, weighted as BM25 weighs words."""
    words = list(_words(text))
    counts = Counter(_term(part) for word in words for part in {word[:_PART], word[-_PART:]})
    length = _K * (1 - _B + _B * len(words) / _AVERAGE_WORDS)
    return {term: count * (_K + 1) / (count + length) for term, count in counts.items()}


def _runs(text: str) -> Iterator[int]:
    """Every run of letters of a question's words that a document's word may begin or end with."""
    for word in _words(text):
        yield from (_term(word[start : start + _PART]) for start in range(len(word) - _PART + 1))


def _words(text: str) -> Iterator[str]:
    """The longer words, without accents and inflections."""
    decomposed = normalize("NFKD", text.lower().replace("ß", "ss"))
    for match in _LETTERS.finditer("".join(letter for letter in decomposed if not combining(letter))):
        yield _INFLECTION.sub("", match.group())


def _term(part: str) -> int:
    """A hash that no word has: words are hashed by the engine, and otherwise."""
    return zlib.crc32(part.encode("utf-8", "replace"))
