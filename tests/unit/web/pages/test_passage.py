"""A document's text with its passage marked."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.domain.errors import CallerError
from domicile.web.pages.passage import WINDOW, Span, render_text

TEXT = """# Leave

Intro with [a link](https://evil.example/x), ![a picture](https://evil.example/y.png) and <b>HTML</b>.

## Annual leave

You have **30 days** of leave. More words.

- item one
- item two

| who | days |
|-----|------|
| all | 30   |

```
code here
```

---

The end.
"""
_MARKS = re.compile(r'</?mark[^>]*>| class="passage"')


def _marked(words: str, until: str = "") -> str:
    start = TEXT.index(words)
    end = TEXT.index(until, start) + len(until) if until else start + len(words)
    return str(render_text(TEXT, Span(start, end)).html)


def test_the_passage_is_marked_within_its_blocks() -> None:
    """Also across emphasis; the first mark has the id that the citation's link leads to."""
    html = _marked("You have", "of leave.")
    assert '<mark id="passage">You have </mark><strong><mark>30 days</mark></strong><mark> of leave.</mark> More' in html


def test_a_passage_through_headings_lists_tables_and_code_keeps_them_whole() -> None:
    """One mark within each block; rows, rules and fences stay what they are."""
    html = _marked("## Annual", "The end.")
    assert '<h2><mark id="passage">Annual leave</mark></h2>' in html
    assert "<li><mark>item two</mark></li>" in html
    assert "<td><mark>30</mark></td>" in html
    assert '<pre class="passage"><code>code here' in html
    assert "<p><mark>The end.</mark></p>" in html


def test_only_the_rows_of_the_passage_are_marked() -> None:
    """A row ends with a bar, and the mark must end before it."""
    text = "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\nAfter.\n"
    html = str(render_text(text, Span(text.index("| 1"), text.index("| 3"))).html)
    assert "<td><mark>2</mark></td>" in html
    assert "<td>3</td>" in html
    assert "<p>After.</p>" in html


@given(st.integers(0, len(TEXT) + 50), st.integers(0, len(TEXT) + 50))
def test_marks_never_change_how_the_document_reads(one: int, other: int) -> None:
    """Wherever a passage begins and ends: without the marks the page is the same."""
    span = Span(min(one, other), max(one, other))
    assert _MARKS.sub("", str(render_text(TEXT, span).html)) == str(render_text(TEXT, None).html)


@given(st.text(alphabet="ab #*_`|-\n[]()!<>&~1.", max_size=120), st.integers(0, 120), st.integers(1, 60))
def test_marks_never_change_any_document(text: str, start: int, length: int) -> None:
    """Nor for Markdown that nobody would write."""
    assert _MARKS.sub("", str(render_text(text, Span(start, start + length)).html)) == str(render_text(text, None).html)


def test_nothing_in_a_document_leads_or_loads_elsewhere() -> None:
    """Links and pictures keep their words only; HTML stays text."""
    html = str(render_text(TEXT, None).html)
    assert "evil.example" not in html
    assert "a link" in html
    assert "&lt;b&gt;HTML&lt;/b&gt;" in html
    assert "<a" not in html
    assert "<img" not in html


def test_private_characters_of_the_document_do_not_become_marks() -> None:
    """Only the passage decides where marks are."""
    assert "<mark" not in str(render_text("a \ue000b\ue001 c", None).html)


def test_a_long_document_is_shown_around_its_passage() -> None:
    """With the passage in it, and saying so."""
    text = "word " * 100_000
    shown = render_text(text, Span(300_000, 300_020))
    assert shown.excerpt
    assert shown.marked
    assert len(shown.html) < 2 * WINDOW
    assert not render_text("short", None).excerpt


@pytest.mark.parametrize("text", ["", "1", "1-", "-1", "9-3", "a-b", "1-2-3", "1" * 11 + "-2"])
def test_a_range_that_is_none_is_refused(text: str) -> None:
    """Rather than shown without a mark, as if it were there."""
    with pytest.raises(CallerError):
        Span.parse(text)
