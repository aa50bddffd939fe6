"""Heading paths of Markdown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.ingestion.headings import HeadingMap

TEXT = """Intro

# Handbook

About it.

## Leave ##

Body of leave.

```
# not a heading
```

Still leave.

### *Sick* [leave](http://example.org)

Sick body.

Travel
------

Travel body.

- item
---

After a rule.
"""


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("Intro", ()),
        ("About it", ("Handbook",)),
        ("Body of leave", ("Handbook", "Leave")),
        ("Still leave", ("Handbook", "Leave")),
        ("Sick body", ("Handbook", "Leave", "Sick leave")),
        ("Travel body", ("Handbook", "Travel")),
        ("After a rule", ("Handbook", "Travel")),
        ("## Leave", ("Handbook", "Leave")),
        ("# Handbook", ("Handbook",)),
    ],
)
def test_the_path_leads_from_the_outermost_heading_to_the_place(place: str, path: tuple[str, ...]) -> None:
    """Code fences and rules are no headings; emphasis and links are no part of a heading's words."""
    assert HeadingMap(TEXT).path_at(TEXT, TEXT.index(place)) == path


def test_a_run_of_headings_counts_to_its_end() -> None:
    """A chunk that begins with several headings stands under all of them."""
    text = "# One\n\n## Two\n\n### Three\n\nBody"
    assert HeadingMap(text).path_at(text, 0) == ("One", "Two", "Three")


def test_a_heading_of_seven_marks_or_without_a_space_is_none() -> None:
    """As CommonMark has it."""
    text = "#tag\n\n####### seven\n\nBody"
    assert HeadingMap(text).path_at(text, text.index("Body")) == ()


@given(st.text(alphabet="#=-`~ \nab\\*[]()", max_size=200), st.data())
def test_any_text_has_a_path_everywhere(text: str, data: st.DataObject) -> None:
    """No text makes the scanner fail, and no heading in a path spans lines."""
    start = data.draw(st.integers(0, len(text)))
    assert all("\n" not in heading for heading in HeadingMap(text).path_at(text, start))
