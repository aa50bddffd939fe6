"""Text files to characters, titles and languages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.adapters.parsers.plaintext import decode, first_heading, language_of, split_front_matter


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_common_encodings_are_told_apart(encoding: str) -> None:
    """Without anybody saying which one it is."""
    text = "Urlaubsanspruch für Beschäftigte – 30 Tage"
    assert decode(text.encode(encoding)) == text


def test_a_declared_encoding_is_believed_when_it_is_not_utf_8() -> None:
    """HTML of East Asia and Eastern Europe names its own; a name that does not exist counts for nothing."""
    page = "<meta charset='{0}'>Привет"
    assert decode(page.format("koi8-r").encode("koi8-r"), declared=True).endswith("Привет")
    assert "Привет" not in decode(page.format("koi8-r").encode("koi8-r"))
    assert decode(b"<meta charset='nonsense-8'>caf\xe9", declared=True).endswith("café")


def test_line_ends_become_one_kind() -> None:
    """Offsets count characters, and stores see one convention."""
    assert decode(b"a\r\nb\rc\n") == "a\nb\nc\n"


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_become_text_that_stores_can_hold(content: bytes, declared: bool) -> None:
    """No NUL, no lone surrogate, no failure."""
    decode(content, declared=declared).replace("\x00", "!").encode("utf-8")
    assert "\x00" not in decode(content, declared=declared)


@pytest.mark.parametrize(
    ("text", "title", "rest"),
    [
        ("---\ntitle: Sick leave\nkeywords: a, b\n---\n\nBody", "Sick leave", "Body"),
        ('---\ntitle: "Quoted: yes"\n---\nBody', "Quoted: yes", "Body"),
        ("---\nlayout: page\n---\nBody", "", "Body"),
        ("---\n---\nBody", "", "Body"),
        ("Body\n\n---\ntitle: no\n---\n", "", "Body\n\n---\ntitle: no\n---\n"),
        ("---\nA rule at the top, never closed", "", "---\nA rule at the top, never closed"),
    ],
)
def test_front_matter_gives_the_title_and_is_no_part_of_the_text(text: str, title: str, rest: str) -> None:
    """Only a block at the very beginning is front matter."""
    assert split_front_matter(text) == (title, rest)


def test_the_first_heading_is_found() -> None:
    """Without its marks."""
    assert first_heading("text\n\n## Part one ##\n\n# Two") == "Part one"
    assert first_heading("no heading") == ""


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("You are entitled to twelve weeks of paid leave for the birth of a child.", "en"),
        ("Der Anspruch auf Urlaub beträgt dreißig Tage und wird von der Abteilung bestätigt.", "de"),
        ("Les employés ont droit à des congés payés pour une durée de cinq semaines.", "fr"),
        ("| 1 | 2 | 3 |", ""),
        ("", ""),
    ],
)
def test_the_language_is_told_by_its_function_words(text: str, language: str) -> None:
    """And left open where there are too few of them."""
    assert language_of(text) == language
