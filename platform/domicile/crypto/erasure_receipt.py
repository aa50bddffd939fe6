"""Receipts of erasures: one for each store, which says how much was there, was removed and was found when it was read back.

What is signed is ``PREFIX`` and the statement as RFC 8785 canonicalises JSON, as for answers' receipts: every field present,
names sorted, no blanks, no floats. No signature that the key makes for anything else can pass for one of these. There is no
content in a receipt, no name of a person, and of a data subject not even the digest.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from domicile.crypto.signatures import SigningKey, VerifyKey
from domicile.domain.erasures import ErasedStore, ErasureKind
from domicile.domain.errors import ReceiptInvalid

FORMAT: Literal["domicile-erasure-receipt/1"] = "domicile-erasure-receipt/1"
PREFIX = b"domicile-erasure-receipt/1\n"
#: Bytes that a file of receipts may have when it is verified: far more than four have.
MOST_BYTES = 1024 * 1024

_Count = Annotated[int, msgspec.Meta(ge=0)]


class Statement(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What is signed. Times are RFC 3339 in UTC.

    ``before`` counts what the store held, ``removed`` what is gone of it, ``found_after`` what reading it back found, and
    ``kept`` what stays because of a legal hold or of policy. ``audit_id`` is the event that the erasure ended with.
    """

    audit_id: UUID
    before: _Count
    cell: str
    cell_region: str
    erasure_id: UUID
    finished_at: str
    format: Literal["domicile-erasure-receipt/1"]
    found_after: _Count
    kept: _Count
    key_id: str
    kind: ErasureKind
    removed: _Count
    requested_at: str
    store: ErasedStore
    tenant_id: UUID


class ErasureReceipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``signature`` is 64 bytes in base64."""

    signature: str
    statement: Statement


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """What a receipt says of one store."""

    store: ErasedStore
    before: int
    removed: int
    found_after: int


_encoder = msgspec.json.Encoder(order="sorted")
_WHOLE = "Ask whoever gave it to you for the receipts as the erasure gave them."


class ErasureSigner:
    """Signs for one cell."""

    def __init__(self, *, key: SigningKey, cell: str, region: str) -> None:
        self._key = key
        self._cell = cell
        self._region = region

    def sign(self, counts: StoreCounts, **facts: Any) -> ErasureReceipt:
        """The receipt of one store; ``facts`` are the fields of the statement that it does not know itself."""
        statement = Statement(
            before=counts.before,
            cell=self._cell,
            cell_region=self._region,
            format=FORMAT,
            found_after=counts.found_after,
            key_id=self._key.public.id,
            removed=counts.removed,
            store=counts.store,
            **facts,
        )
        return ErasureReceipt(base64.b64encode(self._key.sign(signed_bytes(statement))).decode(), statement)


def signed_bytes(statement: Statement) -> bytes:
    """What the signature is made over."""
    return PREFIX + _encoder.encode(statement)


def encode(receipts: Iterable[ErasureReceipt]) -> bytes:
    """All receipts of an erasure, canonically."""
    return _encoder.encode(list(receipts))


def decode(body: bytes) -> list[ErasureReceipt]:
    """What ``encode`` gave: for receipts of our own, which are not verified."""
    return msgspec.json.decode(body, type=list[ErasureReceipt])


def verify(body: bytes, key: VerifyKey, *, cell: str = "", region: str = "") -> Sequence[Statement]:
    """The statements of a receipt, a list of them, or an erasure that has some, if the key signed exactly each.

    ``cell`` and ``region`` are whose key it is; empty verifies whatever it signed. Raises ``ReceiptInvalid``, saying what is
    wrong, for everything else. Needs no cell and no network.
    """
    return [_verified(each, key, cell, region) for each in _parsed(body)]


def _verified(receipt: ErasureReceipt, key: VerifyKey, cell: str, region: str) -> Statement:
    statement = receipt.statement
    if cell and (statement.cell, statement.cell_region) != (cell, region):
        raise ReceiptInvalid(
            f"The receipt is of cell '{statement.cell}' in {statement.cell_region}; "
            f"the key belongs to cell '{cell}' in {region}.",
            hint="Fetch the key of the cell that erased.",
        )
    if statement.key_id != key.id:
        raise ReceiptInvalid(
            f"The receipt was signed with key {statement.key_id[:16]}…, not with the key that was given, {key.id[:16]}….",
            hint="Give the key that the cell had when it erased: a key that was replaced goes on verifying its receipts.",
        )
    try:
        signature = base64.b64decode(receipt.signature, validate=True)
    except (binascii.Error, ValueError):
        raise ReceiptInvalid("The signature is not base64.", hint=_WHOLE) from None
    if not key.verifies(signature, signed_bytes(statement)):
        raise ReceiptInvalid("The signature does not fit: the receipt was altered after it was signed.", hint=_WHOLE)
    return statement


def _parsed(body: bytes) -> list[ErasureReceipt]:
    """Strictly: what a reader could see otherwise than the signature means it is refused, repeated names included."""
    if len(body) > MOST_BYTES:
        raise ReceiptInvalid("The file is too large to be receipts of an erasure.", hint=_WHOLE)
    try:
        seen = json.loads(body, object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError):
        raise ReceiptInvalid("The file is not JSON: it is no receipt, or was cut off.", hint=_WHOLE) from None
    if isinstance(seen, dict):
        seen = [seen] if "statement" in seen else seen.get("receipts")
    try:
        receipts = msgspec.convert(seen, list[ErasureReceipt])
    except msgspec.ValidationError as error:
        raise ReceiptInvalid(f"The file does not have the form of an erasure's receipts: {error}.", hint=_WHOLE) from None
    if not receipts:
        raise ReceiptInvalid("There is no receipt in the file.", hint=_WHOLE)
    if json.loads(encode(receipts)) != seen:
        raise ReceiptInvalid("A value is not written in its canonical form.", hint=_WHOLE)
    return receipts


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ReceiptInvalid("A field occurs twice.", hint=_WHOLE)
    return found
