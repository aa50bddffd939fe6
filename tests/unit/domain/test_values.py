"""The small values: what is one, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.domain.errors import CallerError, InvalidText
from domicile.domain.values import Classification, Region, clean_text, slug

SLUG_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"


@pytest.mark.parametrize("name", ["eu-de", "us-va", "eu-fr-par", "ap-south-1"])
def test_a_region_is_written_like_this(name: str) -> None:
    """A region prints as its name, so that every message shows what was declared."""
    assert str(Region(name)) == name


@pytest.mark.parametrize(
    "name", ["", "eu", "EU-DE", "eu_de", "eu-de ", "eu-de\n", "-eu-de", "eu--de", "europe-de", "eu-" + "x" * 13]
)
def test_anything_else_is_no_region(name: str) -> None:
    """There is no empty region and no default one."""
    with pytest.raises(CallerError):
        Region(name)


def test_a_long_wrong_region_is_not_repeated_whole() -> None:
    """What a caller sent comes back in an error only in part."""
    with pytest.raises(CallerError) as raised:
        Region("x" * 10_000)
    assert len(str(raised.value)) < 120


def test_classifications_are_ordered() -> None:
    """A clearance is compared with a classification, so the order is part of the policy."""
    assert Classification.PUBLIC < Classification.INTERNAL < Classification.CONFIDENTIAL < Classification.RESTRICTED


@pytest.mark.parametrize("level", Classification)
def test_a_classification_is_parsed_from_its_own_label(level: Classification) -> None:
    """In any case of letters."""
    assert Classification.parse(level.label) is Classification.parse(level.label.upper()) is level


@pytest.mark.parametrize("label", ["", "secret", "public ", "1", "__class__"])
def test_no_other_word_is_a_classification(label: str) -> None:
    """A misspelt one must not become the lowest; the error lists the words there are."""
    with pytest.raises(CallerError) as raised:
        Classification.parse(label)
    assert "restricted" in raised.value.advice


@given(st.text(SLUG_LETTERS, min_size=1, max_size=64))
def test_a_slug_is_given_back_as_it_is_or_refused(text: str) -> None:
    """It is never changed: two names that differ stay different."""
    if text.startswith("-") or text.endswith("-"):
        with pytest.raises(CallerError):
            slug(text)
    else:
        assert slug(text) == text


@pytest.mark.parametrize("text", ["", "A", "a b", "a/b", "..", "ä", "a\n", "a" * 65])
def test_what_is_no_slug(text: str) -> None:
    """Nothing that could be a path, another case of the same name, or longer than a name is."""
    with pytest.raises(CallerError):
        slug(text)


@given(st.text())
def test_clean_text_is_what_can_be_stored(text: str) -> None:
    """Whatever comes through can be encoded and has no NUL; the rest is refused, and nothing is changed."""
    try:
        cleaned = clean_text(text)
    except InvalidText:
        assert "\x00" in text
    else:
        assert cleaned == text
        assert b"\x00" not in cleaned.encode("utf-8")


@pytest.mark.parametrize("code", [0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0])
def test_half_a_character_is_refused(code: int) -> None:
    """A lone surrogate, wherever it stands, and NUL."""
    character = chr(code)
    for text in (character, f"a{character}", f"{character}a"):
        with pytest.raises(InvalidText):
            clean_text(text)
