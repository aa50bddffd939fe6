"""An answer's text as HTML."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from domicile.web.pages.answer_text import answer_html

_LINKS = {1: "/documents/1?a=1&b=2", 2: "/documents/2"}
_OURS = re.compile(
    r"</?(?:p|ul|ol|li|pre|code|strong|br)>|</a>|"
    r'<a class="citation" href="/documents/(?:1\?a=1&amp;b=2|2)" data-number="[12]">'
)

#: Text and what becomes of it; the browser's own drawing is tested on the same cases.
CASES = [
    ("Plain words.", "<p>Plain words.</p>"),
    ("One\ntwo\n\nthree", "<p>One<br>two</p><p>three</p>"),
    ("- a\n- b\n\n1. c\n2) d", "<ul><li>a</li><li>b</li></ul><ol><li>c</li><li>d</li></ol>"),
    ("Text\n- item", "<p>Text</p><ul><li>item</li></ul>"),
    ("## Heading\nText", "<p><strong>Heading</strong></p><p>Text</p>"),
    ("**bold** and `code`", "<p><strong>bold</strong> and <code>code</code></p>"),
    ("```py\na < b\n```\nafter", "<pre><code>a &lt; b</code></pre><p>after</p>"),
    ("5 * 3 ** 2", "<p>5 * 3 ** 2</p>"),
    ("Yes [2].", '<p>Yes <a class="citation" href="/documents/2" data-number="2">2</a>.</p>'),
    (
        "Both [1, 2]",
        '<p>Both <a class="citation" href="/documents/1?a=1&amp;b=2" data-number="1">1</a> '
        '<a class="citation" href="/documents/2" data-number="2">2</a></p>',
    ),
    ("None [7] [1, 7]", "<p>None [7] [1, 7]</p>"),
    ("[text](javascript:alert(1))", "<p>[text](javascript:alert(1))</p>"),
    ("<img src=x onerror=alert(1)>", "<p>&lt;img src=x onerror=alert(1)&gt;</p>"),
    ("**<b>** `</code><script>`", "<p><strong>&lt;b&gt;</strong> <code>&lt;/code&gt;&lt;script&gt;</code></p>"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "html"), CASES)
def test_the_subset_of_markdown(text: str, html: str) -> None:
    """Blocks, inline marks and citations; everything else is escaped."""
    assert str(answer_html(text, _LINKS)) == html


@given(st.text(alphabet="ab<>&\"'`*[]()#-.0123456789 \n", max_size=200))
def test_no_tag_comes_through_but_ours(text: str) -> None:
    """What remains once our own tags are taken away has no bracket of HTML left."""
    rest = _OURS.sub("", str(answer_html(text, _LINKS)))
    assert "<" not in rest
    assert ">" not in rest
    assert '"' not in rest


@given(st.text(alphabet="abc <>&", min_size=1, max_size=80))
def test_words_are_never_lost(text: str) -> None:
    """Every word of a plain line is still there, escaped."""
    html = str(answer_html(text, {}))
    assert all(str(escape(word)) in html for word in text.split())
