"""A document's text to chunks, measured in the embedding model's own tokens."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from domicile.domain.documents import Chunk
from domicile.ingestion.headings import HeadingMap
from domicile.ingestion.tables import TableMap, is_header
from domicile.ports.embedder import TokenCounter
from domicile.ports.parser import PageSpan, ParsedDocument

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: A chunk is full once it has this many tokens, and has at most that many. Below, a passage answers too little on its own;
#: above, its vector is a mean of too much, and a handful of them crowds a small model's context.
FULL, MOST = 64, 200
#: A piece of fewer tokens (a heading, the line before a list) is joined to what it belongs to.
SMALL = 24
#: Share of the window that a chunk's title and headings may take.
_PREFIX_SHARE = 0.4
#: Characters of a title or heading that are repeated before each of its chunks.
_NAME_LENGTH = 80
#: Characters by which a document's ratio of characters to tokens is judged, and the margin left for its being uneven.
_SAMPLE, _MARGIN = 1_000, 0.9
#: Tokens that joining two pieces may add.
_SEAM = 2
_HEADING = re.compile(r"[ ]{0,3}#{1,6}[ \t]")


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    text: str
    tokens: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


class Chunker:
    """Cuts where the text itself pauses: at headings, paragraphs, sentences and words, in that order of preference.

    ``counter`` is the embedding model's. The splitter itself measures in characters and every piece is then counted in tokens
    once: letting it call the tokeniser for each cut that it considers takes twenty times as long. The same document is always
    cut the same way. Safe to call from several threads, and slow enough to belong in one.
    """

    def __init__(self, counter: TokenCounter) -> None:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(counter.tokenizer_json)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer: Tokenizer = tokenizer
        #: Tokens that the model leaves for a text's own words.
        self._window = max(1, counter.window - tokenizer.num_special_tokens_to_add(is_pair=False))
        self._most = min(MOST, self._window)
        self._prefix = lru_cache(maxsize=256)(self._named)

    def chunk(self, document: ParsedDocument) -> list[Chunk]:
        """In order and without overlap; each text is exactly ``document.text[start:end]``.

        Each one's ``embedding_text`` fits the model's window.
        """
        marked_up = document.media_type != "text/plain"
        headings, tables = HeadingMap(document.text if marked_up else ""), TableMap(document.text if marked_up else "")
        whole = _Piece(0, document.text, self._estimate(document.text))
        pieces = _joined(document.text, list(self._cut(whole, self._most, marked_up)), self._most)
        chunks: list[Chunk] = []
        for piece in pieces:
            path = headings.path_at(document.text, piece.start)
            # Kept beside the text and not in it: a chunk's offsets, and with them what a citation opens, have to stay true.
            under = tables.header_at(piece.start)
            path = (*path, under) if under else path
            room = self._window - self._prefix(document.title, path)[1]
            for part in [piece] if piece.tokens <= room else self._cut(piece, room, marked_up):
                page = _page_at(document.pages, part.start)
                chunks.append(Chunk(len(chunks), part.text, part.start, part.end, path, page))
        return chunks

    def embedding_text(self, title: str, chunk: Chunk) -> str:
        """What is embedded and indexed for a chunk: ``title > headings``, a line break, and its text.

        Of a path too long for the window the outer names go first.
        """
        prefix, _ = self._prefix(title, chunk.headings)
        return f"{prefix}\n{chunk.text}" if prefix else chunk.text

    def _named(self, title: str, headings: tuple[str, ...]) -> tuple[str, int]:
        """The prefix with its number of tokens. Neighbours share theirs, so ``_prefix`` remembers the latest."""
        # A header row is left out: the same names before every piece of a table make the pieces alike, and the one that is
        # looked for is harder to find (measured: docs/ingestion.md).
        names = [name[:_NAME_LENGTH] for name in dict.fromkeys((title, *headings)) if name and not is_header(name)]
        while names:
            prefix = " > ".join(names)
            if (tokens := self._count([prefix])[0]) <= _PREFIX_SHARE * self._window:
                return prefix, tokens
            names.pop(0)
        return "", 0

    def _cut(self, piece: _Piece, most: int, marked_up: bool) -> Iterator[_Piece]:
        """Pieces of at most ``most`` tokens (or of one character)."""
        per_token = len(piece.text) / max(1, piece.tokens)
        capacity = max(1, min(int(most * per_token * _MARGIN), len(piece.text) - 1))
        splitter = MarkdownSplitter if marked_up else TextSplitter
        found = splitter((min(capacity, max(1, int(FULL * per_token))), capacity)).chunk_indices(piece.text)
        counts = self._count([text for _, text in found])
        for (offset, text), tokens in zip(found, counts, strict=True):
            part = _Piece(piece.start + offset, text, tokens)
            if tokens <= most or len(text) <= 1:
                yield part
            else:
                yield from self._cut(part, most, marked_up)

    def _estimate(self, text: str) -> int:
        sample = text[:_SAMPLE]
        return max(1, round(self._count([sample])[0] * len(text) / max(1, len(sample))))

    def _count(self, texts: list[str]) -> list[int]:
        return [len(each) for each in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


def _joined(text: str, pieces: list[_Piece], most: int) -> list[_Piece]:
    """Pieces too small to stand alone become one with a neighbour: a heading with what it is about, a rest with its start."""
    joined: list[_Piece] = []
    for piece in pieces:
        if joined and _belong_together(joined[-1], piece, most):
            first = joined.pop()
            piece = _Piece(first.start, text[first.start : piece.end], first.tokens + piece.tokens + _SEAM)  # noqa: PLW2901
        joined.append(piece)
    return joined


def _belong_together(first: _Piece, second: _Piece, most: int) -> bool:
    if first.tokens + second.tokens + _SEAM > most:
        return False
    if _HEADING.match(second.text):
        return first.tokens < SMALL and all(_HEADING.match(line) for line in first.text.splitlines() if line.strip())
    return first.tokens < SMALL or second.tokens < SMALL


def _page_at(pages: Sequence[PageSpan], offset: int) -> int | None:
    index = bisect_right(pages, offset, key=lambda span: span.start) - 1
    return pages[index].page if index >= 0 and offset < pages[index].end else None
