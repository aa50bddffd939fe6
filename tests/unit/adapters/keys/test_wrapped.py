"""How a wrapped key is stored."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.uuids())
def test_an_envelope_is_no_services(key_id: UUID) -> None:
    """What a key file has wrapped is not taken for what a service has. For a token's it may be, which does not open it."""
    envelope = wrap(DataKey(key_id, b"k" * 32), b"context", b"key")
    for by in (By.AWS_KMS, By.VAULT):
        with pytest.raises(DecryptionFailed):
            WrappedBy.parse(by, envelope)
