"""Ed25519 keys as they are written and named."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.crypto.signatures import SigningKey, VerifyKey

seeds = st.binary(min_size=32, max_size=32)


@given(seeds)
def test_a_key_is_written_in_base64_and_named_by_its_hash(seed: bytes) -> None:
    """Reading what was written gives the same key, and whoever has the key can work out its id."""
    key = SigningKey(seed).public
    assert VerifyKey.parse(key.text) == key
    assert key.id == hashlib.sha256(key.raw).hexdigest()


@pytest.mark.parametrize("text", ["", "AAAA", "not a key", "é" * 44, "A" * 44, SigningKey(bytes(32)).public.text + "AAAA"])
def test_what_is_no_key_is_refused(text: str) -> None:
    """Too short, too long, or not base64."""
    with pytest.raises(ValueError, match=r".+"):
        VerifyKey.parse(text)


@given(seeds, st.binary(max_size=64))
def test_only_the_very_message_verifies(seed: bytes, message: bytes) -> None:
    """What is no signature at all is just one that does not verify."""
    key = SigningKey(seed)
    assert key.public.verifies(key.sign(message), message)
    assert not key.public.verifies(key.sign(message), message + b"\n")
    assert not key.public.verifies(key.sign(message)[:-1], message)
    assert "seed" not in repr(key)
