"""Residency receipts: a signed statement of where everything was that an answer was made from and with.

The signature is Ed25519 (RFC 8032) over ``PREFIX`` and the statement's canonical bytes (``signed_receipt``), so that no
signature which the key ever makes for anything else can pass for a receipt's. There is no content in a receipt, and nobody's
name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import msgspec

from domicile.audit.encoding import timestamp
from domicile.crypto.signatures import SigningKey, VerifyKey
from domicile.crypto.signed_receipt import canonical, check, read, sign
from domicile.domain.documents import DocumentAttributes
from domicile.domain.errors import ReceiptInvalid
from domicile.domain.principals import Caller
from domicile.domain.values import Region
from domicile.policy.regions import Transfer
from domicile.ports.clock import Clock

FORMAT: Literal["domicile-receipt/1"] = "domicile-receipt/1"
PREFIX = b"domicile-receipt/1\n"
#: Bytes that a receipt, or an answer with one, may have when it is verified: more than any has.
MOST_BYTES = 16 * 1024 * 1024


class Located(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model, and the region it is in."""

    name: str
    region: str


class DocumentPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: UUID
    region: str


class TransferNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The entry of ``regions.yaml`` under which content flowed to the model's region, in that entry's own words."""

    id: str
    source: str
    target: str
    basis: str
    reference: str

    @classmethod
    def of(cls, transfer: Transfer) -> TransferNote:
        return cls(transfer.id, transfer.source, transfer.target, transfer.basis, transfer.reference)


class Statement(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What is signed. Fields without a default have to be present when it is read, so every one has none.

    ``model`` is None where no passage was found, so that no model was asked. ``time`` is RFC 3339 in UTC.
    """

    access_region: str
    answer_id: UUID
    audit_id: UUID
    bundle_digest: str
    cell: str
    cell_region: str
    documents: tuple[DocumentPlace, ...]
    embedding: Located
    format: Literal["domicile-receipt/1"]
    key_id: str
    model: Located | None
    policies: tuple[str, ...]
    tenant_id: UUID
    time: str
    transfers: tuple[TransferNote, ...]


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``signature`` is 64 bytes in base64."""

    signature: str
    statement: Statement


class PublishedKey(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What a receipt is verified with. ``key_id`` is the SHA-256 of the key's 32 bytes, in hex; ``public_key`` is base64.

    A key given without its cell (``cell`` empty) verifies whatever it signed.
    """

    algorithm: Literal["Ed25519"] = "Ed25519"
    cell: str = ""
    cell_region: str = ""
    key_id: str
    public_key: str

    @classmethod
    def of(cls, key: VerifyKey, cell: str = "", cell_region: str = "") -> PublishedKey:
        return cls(cell=cell, cell_region=cell_region, key_id=key.id, public_key=key.text)

    @classmethod
    def parse(cls, text: str) -> PublishedKey:
        """From the document that a cell publishes, or from the key alone in base64; raises ``ReceiptInvalid``."""
        try:
            if not text.lstrip().startswith("{"):
                return cls.of(VerifyKey.parse(text.strip()))
            published = msgspec.json.decode(text, type=cls)
            if published.key_id != published.verify_key.id:
                raise ReceiptInvalid("The key does not have the id that is written beside it.", hint=_FETCH_KEY)
        except (msgspec.DecodeError, ValueError):
            raise ReceiptInvalid("What was given as the key is not an Ed25519 public key.", hint=_FETCH_KEY) from None
        return published

    @property
    def verify_key(self) -> VerifyKey:
        return VerifyKey.parse(self.public_key)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a receipt states of one answer. ``model`` is None if none was asked."""

    answer_id: UUID
    audit_id: UUID
    bundle_digest: str
    documents: Sequence[DocumentAttributes]
    model: Located | None
    policies: Sequence[str]
    transfers: Sequence[Transfer]


class Receipts:
    """Signs for one cell. ``embedding`` is the model that turns questions into vectors."""

    def __init__(self, *, key: SigningKey, cell: str, region: Region, embedding: Located, clock: Clock) -> None:
        self._key = key
        self._embedding = embedding
        self._clock = clock
        self.published = PublishedKey.of(key.public, cell, region.name)

    @property
    def signing_key(self) -> SigningKey:
        """For what else the cell makes statements with; each kind of them under a prefix of its own."""
        return self._key

    def issue(self, caller: Caller, facts: Facts) -> Receipt:
        """The signed receipt, as of now."""
        places = {each.document_id: each.region.name for each in facts.documents}
        statement = Statement(
            access_region=caller.access_region,
            answer_id=facts.answer_id,
            audit_id=facts.audit_id,
            bundle_digest=facts.bundle_digest,
            cell=self.published.cell,
            cell_region=self.published.cell_region,
            documents=tuple(DocumentPlace(id_, places[id_]) for id_ in sorted(places)),
            embedding=self._embedding,
            format=FORMAT,
            key_id=self.published.key_id,
            model=facts.model,
            policies=tuple(sorted(facts.policies)),
            tenant_id=caller.tenant.id,
            time=timestamp(self._clock.now()),
            transfers=tuple(map(TransferNote.of, facts.transfers)),
        )
        return Receipt(sign(self._key, signed_bytes(statement)), statement)


_FETCH_KEY = "Fetch the cell's key from /v1/receipts/key, or print it with 'domicile receipt key'."
_WHOLE = "Ask whoever gave it to you for the receipt as it came with the answer."


def signed_bytes(statement: Statement) -> bytes:
    """What the signature is made over."""
    return PREFIX + canonical(statement)


def encode(receipt: Receipt) -> bytes:
    """The whole receipt, canonically."""
    return canonical(receipt)


def verify(body: bytes, key: PublishedKey) -> Statement:
    """The statement of a receipt, or of an answer that has one, if the key signed exactly it.

    Raises ``ReceiptInvalid``, saying what is wrong, for everything else. Needs no cell and no network.
    """
    receipt = read(body, Receipt, _receipt_in, most=MOST_BYTES, whole=_WHOLE)
    statement, cell, region = receipt.statement, key.cell, key.cell_region
    message = signed_bytes(statement)
    check(statement, message, receipt.signature, key.verify_key, cell=cell, region=region, whole=_WHOLE)
    return statement


def _receipt_in(seen: Any) -> Any:
    if isinstance(seen, dict) and "statement" not in seen:
        return seen.get("receipt", seen)  # a whole answer was saved
    return seen
