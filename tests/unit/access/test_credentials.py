"""What credentials look like."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.access.credentials import (
    acceptable_password,
    login_name,
    looks_like_api_key,
    new_api_key,
    session_id,
    stored_hash,
)
from domicile.domain.errors import CallerError


def test_an_api_key_shows_its_prefix_and_nothing_else() -> None:
    """A key is its public prefix and 256 random bits; no two are alike."""
    made = [new_api_key() for _ in range(200)]
    for prefix, secret in made:
        assert re.fullmatch(r"dom_[a-z2-7]{8}", prefix)
        assert re.fullmatch(re.escape(prefix) + r"_[A-Za-z0-9_-]{43}", secret)
        assert looks_like_api_key(secret)
    assert len({secret[-43:] for _, secret in made}) == 200


@given(st.text())
def test_any_text_can_be_hashed(text: str) -> None:
    """Whatever someone presents as a credential has a hash, which is how it is looked up."""
    assert len(stored_hash(text)) == 32
    assert stored_hash(text) != stored_hash(text + "x")


def test_a_sessions_id_is_stable() -> None:
    """The same session has the same id in every event."""
    assert session_id(stored_hash("token")) == session_id(stored_hash("token")) != session_id(stored_hash("other"))


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_a_login_has_one_form(text: str) -> None:
    """A login that is accepted is accepted again unchanged, whatever its case, spaces around it or composition."""
    try:
        login = login_name(text)
    except CallerError:
        return
    assert login_name(login) == login == login_name(f"  {text} ")


@pytest.mark.parametrize("text", ["", " ", "a b", "a\nb", "a\x00", "\ud800", "x" * 255, "\u202eevil"])
def test_what_cannot_be_a_login(text: str) -> None:
    """Empty, spaced, invisible, overlong and broken texts are refused."""
    with pytest.raises(CallerError):
        login_name(text)


@pytest.mark.parametrize("text", ["short", "x" * 11, "x" * 1025, "twelve chars\x00"])
def test_what_cannot_be_a_password(text: str) -> None:
    """Too short, too long or unprintable to every store: refused without being repeated."""
    with pytest.raises(CallerError) as caught:
        acceptable_password(text)
    assert text not in str(caught.value)
    assert acceptable_password("x" * 12) == "x" * 12
