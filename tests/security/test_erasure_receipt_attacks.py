"""Receipts of an erasure that were made or changed by somebody else: each is found, and the message says what is wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.receipts import memory_erasure_signer

from domicile.answers.receipts import PREFIX as ANSWERS
from domicile.crypto.bundle_signature import PREFIX as BUNDLES
from domicile.crypto.erasure_receipt import PREFIX, ErasureSigner, Statement, StoreCounts, encode, signed_bytes, verify
from domicile.crypto.signatures import SigningKey
from domicile.domain.erasures import ErasedStore, ErasureKind
from domicile.domain.errors import ReceiptInvalid
from domicile.domain.values import Region

KEY = SigningKey(b"receipts" * 4)
FACTS: dict[str, Any] = {
    "audit_id": UUID(int=1),
    "erasure_id": UUID(int=2),
    "finished_at": "2026-01-02T03:04:05.000006Z",
    "kept": 1,
    "kind": ErasureKind.SUBJECT,
    "requested_at": "2026-01-02T03:00:00.000000Z",
    "tenant_id": UUID(int=3),
}
RECEIPTS = encode(memory_erasure_signer().sign(StoreCounts(store, 5, 5, 0), **FACTS) for store in ErasedStore)
READ: list[dict[str, Any]] = json.loads(RECEIPTS)
#: Another value of the same form for every field of the statement.
OTHERWISE: dict[str, Any] = {
    "audit_id": str(UUID(int=9)),
    "before": 6,
    "cell": "other",
    "cell_region": "eu-fr",
    "erasure_id": str(UUID(int=9)),
    "finished_at": "2026-01-02T03:04:05.000007Z",
    "format": "domicile-erasure-receipt/2",
    "found_after": 1,
    "kept": 0,
    "key_id": "0" * 64,
    "kind": "document",
    "removed": 4,
    "requested_at": "2026-01-01T03:00:00.000000Z",
    "store": "database",
    "tenant_id": str(UUID(int=9)),
}


def changed(change: Callable[[list[dict[str, Any]]], object]) -> bytes:
    copy = json.loads(RECEIPTS)
    change(copy)
    return json.dumps(copy).encode()


def test_honest_receipts_verify_however_they_were_saved() -> None:
    """All of them, one alone, or within the erasure; with indentation and in another order; with or without whose key it is."""
    expected = verify(RECEIPTS, KEY.public, cell="test", region="eu-de")
    assert [each.store for each in expected] == list(ErasedStore)
    whole = {"id": "x", "state": "done", "receipts": [dict(reversed(each.items())) for each in READ]}
    for saved in (json.dumps(READ, indent=2), json.dumps(whole)):
        assert verify(saved.encode(), KEY.public) == expected
    assert verify(json.dumps(READ[0]).encode(), KEY.public) == expected[:1]


@pytest.mark.parametrize("name", Statement.__struct_fields__)
def test_no_field_can_be_changed(name: str) -> None:
    """Not one of them, in the last receipt of four."""
    with pytest.raises(ReceiptInvalid):
        verify(changed(lambda read: read[-1]["statement"].update({name: OTHERWISE[name]})), KEY.public)


@pytest.mark.parametrize("name", Statement.__struct_fields__)
def test_no_field_can_be_left_out(name: str) -> None:
    """Nor is there a default for any."""
    with pytest.raises(ReceiptInvalid, match=name):
        verify(changed(lambda read: read[0]["statement"].pop(name)), KEY.public)


@pytest.mark.parametrize(
    ("forged", "says"),
    [
        (changed(lambda read: read[0].update(signature=read[1]["signature"])), "altered"),
        (changed(lambda read: read[0].update(signature="")), "altered"),
        (changed(lambda read: read[0].update(signature="!!!")), "not base64"),
        (changed(lambda read: read[0].update(signature=base64.b64encode(bytes(64)).decode())), "altered"),
        (changed(lambda read: read[0].update(remark="all fine")), "remark"),
        (changed(lambda read: read[0]["statement"].update(remark="all fine")), "remark"),
        (changed(lambda read: read[0]["statement"].update(found_after=-1)), "form"),
        (changed(lambda read: read[0]["statement"].update(tenant_id=UUID(int=3).hex)), "canonical"),
        (RECEIPTS.replace(b'"before":5', b'"before":5,"before":5', 1), "twice"),
        (RECEIPTS[:-20], "cut off"),
        (b"[]", "no receipt"),
        (b"{}", "form"),
        (b"null", "form"),
        (b"\xff\xfe", "cut off"),
        (b"[" * 100_000, "cut off"),
        (b" " * (1024 * 1024 + 1), "too large"),
    ],
)
def test_what_was_tampered_with_is_refused_and_named(forged: bytes, says: str) -> None:
    """Signatures swapped, emptied or replaced; members added, repeated or cut off."""
    with pytest.raises(ReceiptInvalid, match=says):
        verify(forged, KEY.public, cell="test", region="eu-de")


def test_another_cells_receipt_or_key_does_not_pass() -> None:
    """A cell cannot speak for another, nor a key sign for it."""
    other = memory_erasure_signer(b"whatever" * 4, "other", Region("eu-fr"))
    with pytest.raises(ReceiptInvalid, match="is of cell 'other' in eu-fr"):
        verify(encode([other.sign(StoreCounts(ErasedStore.KEYS, 1, 1, 0), **FACTS)]), KEY.public, cell="test", region="eu-de")
    impostor = memory_erasure_signer(b"whatever" * 4)
    with pytest.raises(ReceiptInvalid, match="not with the key that was given"):
        verify(encode([impostor.sign(StoreCounts(ErasedStore.KEYS, 1, 1, 0), **FACTS)]), KEY.public)
    relabelled = changed(lambda read: read[0]["statement"].update(key_id=SigningKey(b"whatever" * 4).public.id))
    with pytest.raises(ReceiptInvalid, match="altered"):
        verify(relabelled, SigningKey(b"whatever" * 4).public)


def test_no_signature_for_anything_else_passes_for_a_receipts() -> None:
    """What the same key signs for answers, or anybody for policies, has another beginning."""
    assert len({PREFIX, ANSWERS, BUNDLES}) == 3
    (statement,) = verify(json.dumps(READ[0]).encode(), KEY.public)
    body = signed_bytes(statement).removeprefix(PREFIX)
    for prefix in (ANSWERS, BUNDLES, b""):
        copy = json.loads(RECEIPTS)[0]
        copy["signature"] = base64.b64encode(KEY.sign(prefix + body)).decode()
        with pytest.raises(ReceiptInvalid, match="altered"):
            verify(json.dumps(copy).encode(), KEY.public)


@given(st.integers(0, len(RECEIPTS) - 1), st.integers(1, 255))
def test_no_changed_byte_passes_as_another_statement(position: int, change: int) -> None:
    """Every single byte counts: either the receipts are refused, or they say just what they said before."""
    forged = bytearray(RECEIPTS)
    forged[position] ^= change
    try:
        read = verify(bytes(forged), KEY.public)
    except ReceiptInvalid:
        return
    assert read == verify(RECEIPTS, KEY.public)


def test_the_signer_is_bound_to_its_cell() -> None:
    """Whatever facts it is given."""
    signer = ErasureSigner(key=KEY, cell="test", region="eu-de")
    with pytest.raises(TypeError):
        signer.sign(StoreCounts(ErasedStore.KEYS, 1, 1, 0), cell="other", **FACTS)
