"""The envelope: what it holds, and that nothing but the right key and context opens it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as st
from tests.vectors.envelope_decoder import opened

from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.envelope import OVERHEAD_BYTES, key_id_of, seal, unseal, unwrap, wrap
from domicile.crypto.keys import DataKey
from domicile.domain.errors import DecryptionFailed
from domicile.domain.values import Region

secrets = st.binary(min_size=32, max_size=32)
keys = st.builds(DataKey, st.uuids(), secrets)
words = st.text(st.characters(codec="utf-8"), max_size=40)
contexts = st.builds(
    EncryptionContext,
    st.uuids(),
    st.sampled_from([Region("eu-de"), Region("eu-fr"), Region("us-va")]),
    st.uuids(),
    words,
    st.sampled_from(Part),
)

KEY = DataKey(UUID(int=7), b"k" * 32)
CONTEXT = EncryptionContext(UUID(int=1), Region("eu-de"), UUID(int=2), "v1/0", Part.CHUNK)


@given(keys, contexts, st.binary(max_size=2000))
def test_what_was_sealed_opens(key: DataKey, context: EncryptionContext, plaintext: bytes) -> None:
    """Whatever is sealed opens under the same key and context, and the envelope names its key."""
    envelope = seal(key, context, plaintext)
    assert unseal(key, context, envelope) == plaintext
    assert key_id_of(envelope) == key.id


@given(keys, contexts, st.binary(max_size=200), st.data())
def test_a_flipped_bit_anywhere_fails(key: DataKey, context: EncryptionContext, plaintext: bytes, data: st.DataObject) -> None:
    """No single bit of an envelope can change unnoticed: header, commitment, nonce, ciphertext or tag."""
    envelope = bytearray(seal(key, context, plaintext))
    bit = data.draw(st.integers(0, len(envelope) * 8 - 1))
    envelope[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DecryptionFailed):
        unseal(key, context, bytes(envelope))


def test_every_bit_of_one_envelope_counts() -> None:
    """The same, for every bit of one envelope rather than for a sample."""
    sealed = seal(KEY, CONTEXT, b"x")
    for bit in range(len(sealed) * 8):
        altered = bytearray(sealed)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DecryptionFailed):
            unseal(KEY, CONTEXT, bytes(altered))


@given(contexts, st.binary(max_size=200), st.data())
def test_a_cut_or_extended_envelope_fails(context: EncryptionContext, plaintext: bytes, data: st.DataObject) -> None:
    """Bytes missing or added at either end are noticed."""
    envelope = seal(KEY, context, plaintext)
    cut = data.draw(st.integers(0, len(envelope) - 1))
    more = data.draw(st.binary(min_size=1, max_size=40))
    for altered in (envelope[:cut], envelope[len(envelope) - cut :], envelope + more, more + envelope):
        with pytest.raises(DecryptionFailed):
            unseal(KEY, context, altered)


@given(contexts, contexts)
def test_another_context_fails(sealed_for: EncryptionContext, opened_for: EncryptionContext) -> None:
    """Only the context it was sealed for opens an envelope."""
    envelope = seal(KEY, sealed_for, b"x")
    if sealed_for == opened_for:
        assert unseal(KEY, opened_for, envelope) == b"x"
        return
    with pytest.raises(DecryptionFailed):
        unseal(KEY, opened_for, envelope)


@pytest.mark.parametrize(
    "changes",
    [
        {"tenant_id": UUID(int=9)},
        {"region": Region("us-va")},
        {"object_id": UUID(int=9)},
        {"version": "v1/1"},
        {"part": Part.TEXT},
        {"tenant_id": CONTEXT.object_id, "object_id": CONTEXT.tenant_id},
    ],
)
def test_each_field_of_the_context_counts(changes: dict[str, object]) -> None:
    """Changing or swapping any one field of the context makes the envelope unreadable."""
    with pytest.raises(DecryptionFailed):
        unseal(KEY, replace(CONTEXT, **changes), seal(KEY, CONTEXT, b"x"))


@given(keys, keys)
def test_another_key_fails(one: DataKey, other: DataKey) -> None:
    """Only the key it was sealed with opens an envelope; same id and other secret, or same secret and other id, do not."""
    if one == other:
        return
    with pytest.raises(DecryptionFailed):
        unseal(other, CONTEXT, seal(one, CONTEXT, b"x"))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_envelope_fail(noise: bytes) -> None:
    """Arbitrary bytes neither open nor crash."""
    with pytest.raises(DecryptionFailed):
        unseal(KEY, CONTEXT, noise)


def test_the_failure_tells_nothing() -> None:
    """Every failure is the same error with the same text and no exception behind it."""
    envelope = seal(KEY, CONTEXT, b"x")
    other = DataKey(KEY.id, b"o" * 32)
    failures = []
    for key, context, altered in (
        (KEY, CONTEXT, b""),
        (KEY, CONTEXT, envelope[:-1] + bytes([envelope[-1] ^ 1])),
        (KEY, CONTEXT, b"\x02" + envelope[1:]),
        (other, CONTEXT, envelope),
        (KEY, replace(CONTEXT, version=""), envelope),
    ):
        with pytest.raises(DecryptionFailed) as caught:
            unseal(key, context, altered)
        failures.append(caught.value)
    assert {str(failure) for failure in failures} == {DecryptionFailed.title}
    assert all(failure.__cause__ is None and failure.__context__ is None for failure in failures)


def test_the_format_byte_by_byte() -> None:
    """Version, algorithm, key id, commitment, nonce, ciphertext and tag stand where the documentation says."""
    envelope = seal(KEY, CONTEXT, b"plaintext")
    assert envelope[:2] == b"\x01\x02"
    assert envelope[2:18] == KEY.id.bytes
    assert envelope[18:50] == KEY.sealing().header[18:]
    assert len(envelope) == len(b"plaintext") + OVERHEAD_BYTES == 9 + 78


def test_the_overhead_stays_within_its_budget() -> None:
    """A chunk of 800 bytes is stored in at most 1.15 times its size."""
    assert len(seal(KEY, CONTEXT, b"c" * 800)) <= 800 * 1.15


def test_an_envelope_sealed_before_still_opens() -> None:
    """The format is frozen: an envelope sealed by the first version opens for ever."""
    envelope = bytes.fromhex(
        "010100000000000000000000000000000007f8d0749d3411c886a46bea322037e14b0763b32d7f39a5c703ed5da3594443c5b9d0cbdc952e7b6d57e893d53ba92266d313c67f89d7521cff99c47aa1befe673963d5adcdd5621bd88be73e80"
    )
    assert unseal(KEY, CONTEXT, envelope) == b"a frozen envelope"


def test_nonces_and_ciphertexts_never_repeat() -> None:
    """The same plaintext sealed a thousand times gives a thousand different nonces and ciphertexts."""
    envelopes = [seal(KEY, CONTEXT, b"same") for _ in range(1000)]
    assert len({each[50:62] for each in envelopes}) == len({each[62:] for each in envelopes}) == 1000


@pytest.mark.parametrize("noise", [b"", b"\x01\x01", b"\x02\x01" + bytes(100), b"\x01\x03" + bytes(100), bytes(77)])
def test_only_an_envelope_names_a_key(noise: bytes) -> None:
    """Asking bytes that are no envelope for their key fails like opening them does."""
    with pytest.raises(DecryptionFailed):
        key_id_of(noise)


VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "envelope.json").read_text("utf-8"))["cases"]


@pytest.mark.parametrize("case", VECTORS, ids=[case["name"] for case in VECTORS])
def test_the_published_vectors(case: dict[str, Any]) -> None:
    """What the documentation alone is enough to read, the product reads, and neither opens what was altered or moved."""
    envelope, secret = bytes.fromhex(case["envelope"]), bytes.fromhex(case["secret"])
    expected = bytes.fromhex(case["plaintext"]) if case["valid"] else None
    assert opened(envelope, secret, case["context"]) == expected
    named = case["context"]
    context = EncryptionContext(
        UUID(named["tenant"]),
        Region(named["region"]),
        UUID(named["object"]),
        named["version"],
        Other(named["part"]),
    )
    key_id = UUID(bytes=envelope[2:18])
    if expected is None:
        with pytest.raises(DecryptionFailed):
            unseal(DataKey(key_id, secret), context, envelope)
    else:
        assert unseal(DataKey(key_id, secret), context, envelope) == expected


@given(keys, contexts, st.binary(max_size=300))
def test_an_independent_decoder_reads_what_is_sealed(key: DataKey, context: EncryptionContext, plaintext: bytes) -> None:
    """For any key, context and content."""
    named = {
        "tenant": str(context.tenant_id),
        "region": context.region.name,
        "object": str(context.object_id),
        "version": context.version,
        "part": context.part.value,
    }
    assert opened(seal(key, context, plaintext), bytes(key.secret), named) == plaintext


def test_each_context_has_a_key_of_its_own() -> None:
    """Which is why a nonce cannot come twice under one: the AES key of one part opens no other part's ciphertext."""
    first, second = CONTEXT, replace(CONTEXT, version="v1/1")
    envelope = seal(KEY, first, b"x")
    nonce, body, header = envelope[50:62], envelope[62:], envelope[:50]
    assert KEY.sealing().cipher(first.encode()).decrypt(nonce, body, header + first.encode()) == b"x"
    with pytest.raises(InvalidTag):
        KEY.sealing().cipher(second.encode()).decrypt(nonce, body, header + first.encode())


class Other(str):
    """A part that may be none of ours, as an attacker would name one."""

    @property
    def value(self) -> str:
        return str(self)


def test_wrapping_takes_the_context_encoded() -> None:
    """``wrap`` and ``seal`` are the same format, so that a key provider can be handed bytes."""
    assert unseal(KEY, CONTEXT, wrap(KEY, CONTEXT.encode(), b"x")) == b"x"
    assert unwrap(KEY, CONTEXT.encode(), seal(KEY, CONTEXT, b"x")) == b"x"
