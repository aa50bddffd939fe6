"""How a wrapped key is stored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.clock import FixedClock

from domicile.adapters.keys.wrapped import By, WrappedBy
from domicile.crypto.envelope import wrap
from domicile.crypto.keys import DataKey
from domicile.domain.errors import DecryptionFailed


@given(st.sampled_from(By), st.binary(min_size=1, max_size=300), st.binary(min_size=1, max_size=300))
def test_what_was_encoded_is_parsed(by: By, version: bytes, body: bytes) -> None:
    """By whoever wrapped it, and by nobody else."""
    encoded = WrappedBy(by, version, body).encode()
    assert WrappedBy.parse(by, encoded) == WrappedBy(by, version, body)
    for other in set(By) - {by}:
        with pytest.raises(DecryptionFailed):
            WrappedBy.parse(other, encoded)


@given(st.sampled_from(By), st.binary(max_size=64))
def test_any_bytes_are_parsed_or_refused(by: By, found: bytes) -> None:
    """Nothing else comes out of a damaged row."""
    try:
        parsed = WrappedBy.parse(by, found)
    except DecryptionFailed:
        return
    assert parsed.encode() == found


def test_an_envelope_is_none_of_these() -> None:
    """What a key file has wrapped cannot be taken for what a service has."""
    envelope = wrap(DataKey(FixedClock().new_id(), b"k" * 32), b"context", b"key")
    for by in By:
        with pytest.raises(DecryptionFailed):
            WrappedBy.parse(by, envelope)
