"""BM25 term weights (Robertson and Zaragoza 2009), computed by the engine that also searches them, without any download.

A term's id is a hash of its stem. Inverse document frequency is not in the weights: the index computes it when it searches.

Accents are folded ("conges" finds "congés"), and compatibility forms too, since PDFs are full of ligatures.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from unicodedata import normalize

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


class Bm25Encoder:
    """Implements ``SparseEncoder``. ``languages`` are those whose stemmers are applied to every query."""

    def __init__(self, languages: Sequence[str]) -> None:
        self._languages = tuple(dict.fromkeys(languages)) or ("",)

    def encode_passages(self, texts: Sequence[str], language: str) -> list[SparseVector]:
        # A document in a language that no query is stemmed in is found by its words as they are.
        model = _model(language if language in self._languages else "")
        return [_sparse(model.embed_document(normalize("NFKC", text))) for text in texts]

    def encode_query(self, text: str) -> SparseVector:
        """Each term once, in every form that some document may have it in."""
        weights: dict[int, float] = {}
        text = normalize("NFKC", text)
        for language in (*self._languages, ""):
            vector = _model(language).embed_query(text)
            weights.update(zip(vector.indices, vector.values, strict=True))
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
