"""Receipts of erasures: one for each store, which says how much was there, was removed and was found when it was read back.

What is signed is ``PREFIX`` and the statement's canonical bytes (``signed_receipt``), so that no signature that the key makes
for anything else can pass for one of these. There is no content in a receipt, no name of a person, and of a data subject not
even the digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from domicile.crypto.signatures import SigningKey, VerifyKey
from domicile.crypto.signed_receipt import canonical, check, read, sign
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
        return ErasureReceipt(sign(self._key, signed_bytes(statement)), statement)


def signed_bytes(statement: Statement) -> bytes:
    """What the signature is made over."""
    return PREFIX + canonical(statement)


def encode(receipts: Iterable[ErasureReceipt]) -> bytes:
    """All receipts of an erasure, canonically."""
    return canonical(list(receipts))


def decode(body: bytes) -> list[ErasureReceipt]:
    """What ``encode`` gave: for receipts of our own, which are not verified."""
    return msgspec.json.decode(body, type=list[ErasureReceipt])


def verify(body: bytes, key: VerifyKey, *, cell: str = "", region: str = "") -> Sequence[Statement]:
    """The statements of a receipt, a list of them, or an erasure that has some, if the key signed exactly each.

    ``cell`` and ``region`` are whose key it is; empty verifies whatever it signed. Raises ``ReceiptInvalid``, saying what is
    wrong, for everything else. Needs no cell and no network.
    """
    receipts = read(body, list[ErasureReceipt], _receipts_in, most=MOST_BYTES, whole=_WHOLE)
    if not receipts:
        raise ReceiptInvalid("There is no receipt in the file.", hint=_WHOLE)
    for each in receipts:
        message = signed_bytes(each.statement)
        check(each.statement, message, each.signature, key, cell=cell, region=region, whole=_WHOLE)
    return [each.statement for each in receipts]


def _receipts_in(seen: Any) -> Any:
    if isinstance(seen, dict):
        return [seen] if "statement" in seen else seen.get("receipts")
    return seen
