"""A receipt that was made or changed by somebody else: each is found, and the message says what is wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.clock import FixedClock
from tests.fakes.people import caller, document
from tests.fakes.receipts import memory_receipts

from domicile.answers.receipts import Facts, Located, PublishedKey, encode, verify
from domicile.domain.errors import ReceiptInvalid
from domicile.domain.values import Region
from domicile.policy.regions import DataKind, Transfer

CELL = memory_receipts(FixedClock())
BOARD = Transfer("board", "eu-de", "us-va", frozenset({DataKind.CONTENT}), "SCC", "Module 1", None)
FACTS = Facts(
    answer_id=UUID(int=1),
    audit_id=UUID(int=2),
    bundle_digest="ab" * 32,
    documents=[document(), document()],
    model=Located("llama", "us-va"),
    policies=["member-documents", "endpoint-region"],
    transfers=[BOARD],
)
RECEIPT = encode(CELL.issue(caller(), FACTS))
READ: dict[str, Any] = json.loads(RECEIPT)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    copy = json.loads(RECEIPT)
    change(copy)
    return json.dumps(copy).encode()


def test_an_honest_receipt_verifies_however_it_was_saved() -> None:
    """As it came, written with indentation and in another order, or inside the whole answer."""
    expected = verify(RECEIPT, CELL.published)
    assert (expected.cell, expected.model, expected.policies) == ("test", FACTS.model, ("endpoint-region", "member-documents"))
    assert [(each.id, each.basis) for each in expected.transfers] == [("board", "SCC")]
    assert len(expected.documents) == 1  # named once, however many passages it gave
    other_order = {name: READ[name] for name in sorted(READ, reverse=True)}
    for saved in (json.dumps(other_order, indent=2), json.dumps({"text": "An answer", "receipt": READ})):
        assert verify(saved.encode(), CELL.published) == expected


def test_the_key_alone_verifies_too() -> None:
    """Somebody who only kept the 32 bytes can still check."""
    assert verify(RECEIPT, PublishedKey.parse(CELL.published.public_key)).cell == "test"
    assert PublishedKey.parse(json.dumps({name: getattr(CELL.published, name) for name in CELL.published.__struct_fields__}))


@pytest.mark.parametrize(
    ("forged", "says"),
    [
        (changed(lambda r: r["statement"].update(cell_region="us-va")), "belongs to cell 'test' in eu-de"),
        (changed(lambda r: r["statement"].update(cell="other")), "is of cell 'other'"),
        (changed(lambda r: r["statement"]["documents"][0].update(region="us-va")), "altered"),
        (changed(lambda r: r["statement"]["model"].update(region="eu-de")), "altered"),
        (changed(lambda r: r["statement"].update(transfers=[])), "altered"),
        (changed(lambda r: r["statement"].update(access_region="eu-de")), "altered"),
        (changed(lambda r: r["statement"].update(time="2020-01-01T00:00:00.000000Z")), "altered"),
        (changed(lambda r: r["statement"]["documents"].append(r["statement"]["documents"][0])), "altered"),
        (changed(lambda r: r["statement"].update(remark="approved")), "remark"),
        (changed(lambda r: r.update(remark="approved")), "remark"),
        (changed(lambda r: r["statement"].pop("policies")), "policies"),
        (changed(lambda r: r["statement"].update(format="domicile-receipt/2")), "format"),
        (changed(lambda r: r["statement"].update(key_id="0" * 64)), "signed with key 0000"),
        (changed(lambda r: r.update(signature="")), "altered"),
        (changed(lambda r: r.update(signature="!!!")), "not base64"),
        (changed(lambda r: r.update(signature=base64.b64encode(bytes(64)).decode())), "altered"),
        (RECEIPT[:-20], "cut off"),
        (b"", "cut off"),
        (b"[]", "form"),
        (b"null", "form"),
        (b"\xff\xfe", "cut off"),
        (b"[" * 100_000, "cut off"),
        (RECEIPT.replace(b'"cell":"test"', b'"cell":"test","cell":"test"'), "twice"),
        (b" " * (16 * 1024 * 1024 + 1), "too large"),
    ],
)
def test_what_was_tampered_with_is_refused_and_named(forged: bytes, says: str) -> None:
    """Members changed, added, repeated or left out; the signature emptied or replaced; the file cut off."""
    with pytest.raises(ReceiptInvalid, match=says):
        verify(forged, CELL.published)


def test_another_cells_receipt_or_key_does_not_pass() -> None:
    """A cell cannot speak for another, nor a key be passed off under another's id."""
    other = memory_receipts(FixedClock(), b"whatever" * 4, "other", Region("eu-fr"))
    with pytest.raises(ReceiptInvalid, match="is of cell 'other' in eu-fr"):
        verify(encode(other.issue(caller(), FACTS)), CELL.published)
    impostor = memory_receipts(FixedClock(), b"whatever" * 4)  # the same name and region, another key
    with pytest.raises(ReceiptInvalid, match="not with the key that was given"):
        verify(encode(impostor.issue(caller(), FACTS)), CELL.published)
    relabelled = changed(lambda r: r["statement"].update(key_id=impostor.published.key_id))
    with pytest.raises(ReceiptInvalid, match="altered"):
        verify(relabelled, impostor.published)
    with pytest.raises(ReceiptInvalid, match="does not have the id"):
        PublishedKey.parse(json.dumps({"key_id": CELL.published.key_id, "public_key": impostor.published.public_key}))


@pytest.mark.parametrize(
    "text", ["", "{}", "not a key", "AAAA", '{"public_key": 3, "key_id": "x"}', '{"key_id": "x", "public_key": "%"}']
)
def test_what_is_no_key_is_refused(text: str) -> None:
    """Before any receipt is looked at."""
    with pytest.raises(ReceiptInvalid):
        PublishedKey.parse(text)


@given(st.integers(0, len(RECEIPT) - 1), st.integers(1, 255))
def test_no_changed_byte_passes_as_another_statement(position: int, change: int) -> None:
    """Every single byte counts: either the receipt is refused, or it says just what it said before."""
    forged = bytearray(RECEIPT)
    forged[position] ^= change
    try:
        read = verify(bytes(forged), CELL.published)
    except ReceiptInvalid:
        return
    assert read == verify(RECEIPT, CELL.published)


def test_a_receipt_names_no_person_and_no_credential() -> None:
    """Whoever is handed one learns where data was, and not whose question it was."""
    asking = replace(caller(), request_id="request-77")
    text = encode(CELL.issue(asking, FACTS)).decode()
    for secret in (str(asking.principal.id), asking.principal.login, "request-77", str(asking.credential_id)):
        assert secret not in text
