"""Residency receipts: a signed statement of where everything was that an answer was made from and with.

The statement's canonical bytes are JSON as RFC 8785 canonicalises it, as for audit events: one object, every field present,
names sorted, no blanks, no floats. The signature is Ed25519 (RFC 8032) over ``PREFIX`` and those bytes, so that no signature
which the key ever makes for anything else can pass for a receipt's. There is no content in a receipt, and nobody's name.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import msgspec

from domicile.audit.encoding import timestamp
from domicile.crypto.signatures import SigningKey, VerifyKey
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
                return cls.of(VerifyKey(_bytes(text.strip())))
            published = msgspec.json.decode(text, type=cls)
            if published.key_id != published.verify_key.id:
                raise ReceiptInvalid("The key does not have the id that is written beside it.", hint=_FETCH_KEY)
        except (msgspec.DecodeError, ValueError):
            raise ReceiptInvalid("What was given as the key is not an Ed25519 public key.", hint=_FETCH_KEY) from None
        return published

    @property
    def verify_key(self) -> VerifyKey:
        return VerifyKey(_bytes(self.public_key))


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
        return Receipt(_base64(self._key.sign(signed_bytes(statement))), statement)


_encoder = msgspec.json.Encoder(order="sorted")
_FETCH_KEY = "Fetch the cell's key from /v1/receipts/key, or print it with 'domicile receipt key'."


def signed_bytes(statement: Statement) -> bytes:
    """What the signature is made over."""
    return PREFIX + _encoder.encode(statement)


def encode(receipt: Receipt) -> bytes:
    """The whole receipt, canonically."""
    return _encoder.encode(receipt)


def verify(body: bytes, key: PublishedKey) -> Statement:
    """The statement of a receipt, or of an answer that has one, if the key signed exactly it.

    Raises ``ReceiptInvalid``, saying what is wrong, for everything else. Needs no cell and no network.
    """
    receipt = _parsed(body)
    statement = receipt.statement
    if key.cell and (statement.cell, statement.cell_region) != (key.cell, key.cell_region):
        raise ReceiptInvalid(
            f"The receipt is of cell '{statement.cell}' in {statement.cell_region}; "
            f"the key belongs to cell '{key.cell}' in {key.cell_region}.",
            hint="Fetch the key of the cell that gave the answer.",
        )
    if statement.key_id != key.key_id:
        raise ReceiptInvalid(
            f"The receipt was signed with key {statement.key_id[:16]}…, not with the key that was given, {key.key_id[:16]}….",
            hint="Give the key that the cell had when it answered: a key that was replaced goes on verifying its receipts.",
        )
    try:
        signature = _bytes(receipt.signature)
    except ValueError:
        raise ReceiptInvalid("The signature is not base64.", hint=_WHOLE) from None
    if not key.verify_key.verifies(signature, signed_bytes(statement)):
        raise ReceiptInvalid("The signature does not fit: the receipt was altered after it was signed.", hint=_WHOLE)
    return statement


_WHOLE = "Ask whoever gave it to you for the receipt as it came with the answer."


def _parsed(body: bytes) -> Receipt:
    """Strictly: what a reader could see otherwise than the signature means it is refused, repeated names included."""
    if len(body) > MOST_BYTES:
        raise ReceiptInvalid("The file is too large to be a receipt.")
    try:
        seen = json.loads(body, object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError):
        raise ReceiptInvalid("The file is not JSON: it is no receipt, or was cut off.", hint=_WHOLE) from None
    if isinstance(seen, dict) and "statement" not in seen:
        seen = seen.get("receipt", seen)  # a whole answer was saved
    try:
        receipt = msgspec.convert(seen, Receipt)
    except msgspec.ValidationError as error:
        raise ReceiptInvalid(f"The file does not have a receipt's form: {error}.", hint=_WHOLE) from None
    if json.loads(encode(receipt)) != seen:
        raise ReceiptInvalid("A value is not written in its canonical form.", hint=_WHOLE)
    return receipt


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ReceiptInvalid("A field occurs twice.", hint=_WHOLE)
    return found


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("not base64") from None
