"""The words of the pages, in each language."""

from __future__ import annotations

import pytest

from domicile.domain.values import Classification, Role
from domicile.web.pages.words import LANGUAGES, words_in


@pytest.mark.parametrize(
    "name", [f"role.{each.value}" for each in Role] + [f"classification.{each.label}" for each in Classification]
)
def test_whatever_the_pages_name_by_its_value_has_words(name: str) -> None:
    """A page that has to say it would fail instead."""
    assert all(words_in(language)[name] for language in LANGUAGES)
