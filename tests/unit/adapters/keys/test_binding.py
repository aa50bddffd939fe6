"""What a wrapped key is bound to, whatever its provider does about that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.adapters.keys.binding import associated, bound, unbound
from domicile.domain.errors import DecryptionFailed
from domicile.domain.values import Region

EU, US = Region("eu-de"), Region("us-va")
CONTEXTS = st.binary(min_size=1, max_size=64)


@given(st.binary(min_size=1, max_size=64), CONTEXTS)
def test_the_key_comes_back_for_what_it_is_about(key: bytes, context: bytes) -> None:
    """And the key itself is not changed by that."""
    about = associated(EU, context)
    assert unbound(bound(key, about), about) == key


@given(CONTEXTS, CONTEXTS)
def test_no_two_contexts_or_regions_are_alike(one: bytes, other: bytes) -> None:
    """Not even those that begin or end like each other."""
    assert (associated(EU, one) == associated(EU, other)) == (one == other)
    assert associated(EU, one) != associated(US, one)
    with pytest.raises(DecryptionFailed):
        unbound(bound(b"k" * 32, associated(EU, one)), associated(US, one))


@pytest.mark.parametrize("plaintext", [b"", b"short", bytes(32)])
def test_what_is_no_bound_key_is_refused(plaintext: bytes) -> None:
    """A provider that gives back something else gives nothing."""
    with pytest.raises(DecryptionFailed):
        unbound(plaintext, associated(EU, b"context"))


def test_there_is_no_empty_context() -> None:
    """A key that is bound to nothing could be moved anywhere."""
    with pytest.raises(ValueError, match="context"):
        associated(EU, b"")
