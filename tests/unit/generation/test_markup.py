"""Mark-up goes, words stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.generation.markup import plain


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("**30 days** of `leave`", "30 days of leave"),
        ("see [the form](https://example.org/a_(b)?x=1 'title') now", "see the form now"),
        ("get [paid back][guide-4] or [local][] travel", "get paid back or local travel"),
        ("Head on over!](/travel/guide-4/) Now.", "Head on over! Now."),
        ("![logo](https://example.org/x.png) Text", "Text"),
        (r"\*\*Vorgang\*\*: 2\.", "Vorgang: 2."),
        ('Ask in {% slack_channel "admins" %}.', "Ask in admins."),
        ("a {% alert %} b {{ x }} c", "a b c"),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
        ("one\n  two\tthree", "one two three"),
        ("<b>bold</b> 1 < 2", "bold 1 < 2"),
    ],
)
def test_marks_are_taken_away(markdown: str, text: str) -> None:
    """Links keep their label, emphasis its words; what only looks like a mark stays."""
    assert plain(markdown) == text


@given(st.text("ab *_`[](){}%<>!\\|#\n", max_size=60))
def test_no_letter_is_invented(markdown: str) -> None:
    """Whatever the marks are, the letters that remain were there, in that order."""
    rest = iter(markdown)
    assert all(letter in rest for letter in plain(markdown) if letter.isalpha())


@pytest.mark.parametrize("run", ["*", "[", "`", "_", "{%", "<a", "![](", "\\", "* a", "[a](b", "|"])
def test_a_hostile_run_of_marks_takes_no_more_than_it_is_worth(run: str) -> None:
    """A chunk full of half-open marks is read to its end."""
    assert isinstance(plain(run * (4000 // len(run))), str)
