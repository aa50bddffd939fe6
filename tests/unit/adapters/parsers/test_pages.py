"""Where pages lie in the Markdown made of a PDF."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domicile.adapters.parsers.pages import page_spans


def _node(text: str, page: int | None) -> dict[str, object]:
    return {"content": {"text": text}, "page": page}


def test_paragraphs_are_found_again_behind_markup_and_escapes() -> None:
    """Letters and digits are all that is compared, so characters outside ASCII count as one each."""
    text = "# Größe – Übersicht\n\nErste Seite.\n\n## Zweites\n\n\\- Punkt 2\\!\n"
    nodes = [_node("Größe – Übersicht", 1), _node("Erste\nSeite.", 1), _node("Zweites", 2), _node("- Punkt 2!", 2)]
    assert page_spans(text, nodes) == [(1, 0, text.index("## Zweites")), (2, text.index("## Zweites"), len(text))]


def test_a_page_may_begin_inside_a_joined_paragraph() -> None:
    """The converter joins what continues over a page break."""
    text = "This sentence goes on over the page break to its end."
    nodes = [_node("This sentence goes on", 1), _node("over the page break to its end.", 2)]
    assert page_spans(text, nodes) == [(1, 0, 22), (2, 22, len(text))]


def test_what_is_not_found_is_left_out() -> None:
    """A running header was dropped from the text; the page is found by its next paragraph, and an empty page not at all."""
    text = "One.\n\nThree."
    nodes = [_node("One.", 1), _node("CONFIDENTIAL", 3), _node("Three.", 3), _node("no page", None)]
    assert page_spans(text, nodes) == [(1, 0, 6), (3, 6, 12)]


def test_no_nodes_give_no_pages() -> None:
    """As for formats that have none."""
    assert page_spans("text", []) == []


@given(st.text(max_size=80), st.lists(st.tuples(st.text(max_size=10), st.integers(1, 5)), max_size=8))
def test_spans_ascend_and_lie_in_the_text(text: str, nodes: list[tuple[str, int]]) -> None:
    """Whatever the library says about its paragraphs."""
    spans = page_spans(text, [_node(words, page) for words, page in nodes])
    edges = [edge for _, start, end in spans for edge in (start, end)]
    assert edges == sorted(edges)
    assert all(0 <= edge <= len(text) for edge in edges)
    assert [page for page, _, _ in spans] == sorted({page for page, _, _ in spans})
