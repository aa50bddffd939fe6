"""Whom a document is about: one digest for one person, however the identifier was typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.domain.errors import CallerError, InvalidText
from domicile.domain.subjects import LONGEST_IDENTIFIER, MOST_SUBJECTS, identifier, identifiers, subject_digest

KEY = b"k" * 32


@given(st.text(max_size=60))
def test_what_was_normalised_stays_as_it_is(text: str) -> None:
    """So that a digest that was made from a stored list equals the one made at ingestion."""
    try:
        once = identifier(text)
    except CallerError:
        return
    assert identifier(once) == once
    assert subject_digest(KEY, once) == subject_digest(KEY, text)


@pytest.mark.parametrize(
    "same", ["ada@acme.example", "  ADA@Acme.Example\t", "\uff41da@acme.example", "\u00a0Ada@ACME.example"]
)
def test_case_width_and_space_do_not_make_another_person(same: str) -> None:
    """As people type them."""
    assert subject_digest(KEY, same) == subject_digest(KEY, "ada@acme.example")


def test_another_person_or_another_tenants_key_is_another_digest() -> None:
    """Nothing of one tenant can be matched with another's, and the identifier is not in its digest."""
    digests = {subject_digest(KEY, "p-4711"), subject_digest(KEY, "p-4712"), subject_digest(b"j" * 32, "p-4711")}
    assert len(digests) == 3
    assert all(b"4711" not in each for each in digests)


@pytest.mark.parametrize("wrong", ["", "  ", "x" * (LONGEST_IDENTIFIER + 1)])
def test_what_names_nobody_is_refused(wrong: str) -> None:
    """Neither nothing nor a text."""
    with pytest.raises(CallerError):
        identifier(wrong)


def test_text_that_cannot_be_stored_is_refused() -> None:
    """As everywhere."""
    with pytest.raises(InvalidText):
        identifier("a\x00b")


def test_each_is_named_once_and_not_too_many() -> None:
    """In the order given."""
    assert identifiers(["B", "a", "b"]) == ("b", "a")
    with pytest.raises(CallerError):
        identifiers(map(str, range(MOST_SUBJECTS + 1)))
