"""Passages as short quotations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.web.pages.quote import quoted_text


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("## 1. Leave\n\nYou have **30 days**.", "1. Leave\nYou have 30 days."),
        ("| a | b |\n|---|:--|\n| 1 | 2 |", "a · b\n1 · 2"),
        ("> quoted `code`", "quoted code"),
        ("See [the policy](http://x/y) ![logo](l.png)", "See the policy logo"),
        ("A *word* and 2 * 3 * 4", "A word and 2 * 3 * 4"),
        ("- item\n- other", "- item\n- other"),
        ("", ""),
    ],
)
def test_markdown_loses_its_marks_and_keeps_its_words(text: str, quote: str) -> None:
    """A card shows what the document says, not how it is written."""
    assert quoted_text(text) == quote


@given(st.text(max_size=200))
def test_any_text_can_be_quoted(text: str) -> None:
    """Without an empty line, and never longer than it was, but for the dots between cells."""
    quote = quoted_text(text)
    assert all(line.strip() for line in quote.split("\n")) or quote == ""
    assert len(quote) <= 3 * len(text)
