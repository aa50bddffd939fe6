"""Templates and what every page has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.web.pages.rendering import local_path


@pytest.mark.parametrize("path", ["/", "/conversations/1?a=b#c", "/documents/x?passage=1-2"])
def test_a_path_of_this_site_is_kept(path: str) -> None:
    """So that whoever had to sign in comes back to where they were."""
    assert local_path(path) == path


@pytest.mark.parametrize(
    "text",
    ["", "//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)", "/a\r\nSet-Cookie: x", "evil"],
)
def test_nothing_leads_to_another_site(text: str) -> None:
    """Such a place becomes the start page."""
    assert local_path(text) == "/"


@given(st.text(max_size=80))
def test_whatever_is_asked_for_it_is_a_path_of_ours(text: str) -> None:
    """One slash in front and not two, nothing unprintable."""
    path = local_path(text)
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))
    assert path.isprintable()
