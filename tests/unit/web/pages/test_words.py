"""The pages' words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.domain.values import Classification, Role
from domicile.web.pages.words import LANGUAGES, preferred_language, words_in

_PLACEHOLDER = re.compile(r"{\w+}")


def test_both_languages_have_every_word_with_the_same_placeholders() -> None:
    """A missing one would break a page for half of its readers."""
    english, german = (words_in(language) for language in LANGUAGES)
    assert english.keys() == german.keys()
    for key, words in english.items():
        assert words, key
        assert german[key], key
        assert sorted(_PLACEHOLDER.findall(words)) == sorted(_PLACEHOLDER.findall(german[key])), key


@pytest.mark.parametrize(
    "name", [f"role.{each.value}" for each in Role] + [f"classification.{each.label}" for each in Classification]
)
def test_whatever_the_pages_name_by_its_value_has_words(name: str) -> None:
    """A page that has to say it would fail instead."""
    assert all(words_in(language)[name] for language in LANGUAGES)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("fr,de;q=0.4,en;q=0.3", "de"),
        ("fr", "en"),
        ("de;q=0", "en"),
        ("de;q=nonsense,en;q=0.1", "en"),
    ],
)
def test_the_language_is_the_one_that_the_header_prefers(header: str, language: str) -> None:
    """English where it names none of ours."""
    assert preferred_language(header) == language


@given(st.text(max_size=300))
def test_no_header_breaks_the_choice(header: str) -> None:
    """Whatever is sent, it is one of ours."""
    assert preferred_language(header) in LANGUAGES
