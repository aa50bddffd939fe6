"""What a bundle says of itself: the list of everything in it, signed by the cell that made it.

``manifest.json`` is JSON as RFC 8785 canonicalises it: one object, every field present, names sorted, no blanks, no floats.
``manifest.sig`` is one line: the Ed25519 signature (RFC 8032) over ``PREFIX`` and those bytes, in base64, so that no signature
which the key ever makes for anything else can pass for a bundle's. The key is the one that signs the cell's receipts.
"""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from domicile.crypto.signatures import SIGNATURE_BYTES, SigningKey, VerifyKey
from domicile.domain.errors import BundleInvalid

FORMAT: Literal["domicile-bundle/1"] = "domicile-bundle/1"
PREFIX = b"domicile-bundle/1\n"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"

_Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Size = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class BundleKind(StrEnum):
    """What a bundle holds: everything of a tenant, or what there is of one person."""

    TENANT = "tenant"
    SUBJECT = "subject"


class Why(StrEnum):
    """Why something was left out."""

    POLICY = "policy"  # whoever made the bundle may not read it
    UNREADABLE = "unreadable"  # it was removed meanwhile, or does not open


class Entry(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One file of the bundle. ``size`` is in bytes; ``what`` says what it is in a fixed word."""

    path: str
    sha256: _Sha256
    size: _Size
    what: str


class Withheld(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What belongs in the bundle and was left out; ``what`` is ``document``, ``conversation``, or ``answers``
    for some of the answers in a conversation that is there."""

    id: UUID
    reason: Why
    what: str


class Manifest(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """``bundle_digest`` is that of the policies that decided what is in it; ``key_id`` names the key that signed it.

    Fields without a default have to be present when it is read, so every one has none. ``made_at`` is RFC 3339 in UTC.
    """

    bundle_digest: str
    cell: str
    entries: tuple[Entry, ...]
    format: Literal["domicile-bundle/1"]
    key_id: str
    kind: BundleKind
    made_at: str
    region: str
    tenant: str
    tenant_id: UUID
    withheld: tuple[Withheld, ...]


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(Manifest)
_WHOLE = "Ask for the bundle again, as it was when it was made."


def encode(manifest: Manifest) -> bytes:
    """The canonical bytes."""
    return _encoder.encode(manifest)


def decode(body: bytes) -> Manifest:
    """The manifest of those bytes; raises ``BundleInvalid`` for anything that ``encode`` would not have written."""
    try:
        manifest = _decoder.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise BundleInvalid("The manifest does not have the form of one.", hint=_WHOLE) from None
    if encode(manifest) != body:
        raise BundleInvalid("The manifest is not written in its canonical form.", hint=_WHOLE)
    return manifest


def signature(body: bytes, key: SigningKey) -> bytes:
    """The content of ``manifest.sig``."""
    return base64.b64encode(key.sign(PREFIX + body)) + b"\n"


def verify(manifest: Manifest, signed: bytes, key: VerifyKey) -> None:
    """Raises ``BundleInvalid`` unless the key signed exactly this manifest."""
    if manifest.key_id != key.id:
        raise BundleInvalid(
            f"The bundle was signed with key {manifest.key_id[:16]}…, not with the key that was given, {key.id[:16]}….",
            hint="Give the key of the cell that made it: 'domicile receipt key' or /v1/receipts/key there.",
        )
    if not key.verifies(_signature_bytes(signed), PREFIX + encode(manifest)):
        raise BundleInvalid("The signature does not fit: the manifest was altered after it was signed.", hint=_WHOLE)


def _signature_bytes(signed: bytes) -> bytes:
    try:
        raw = base64.b64decode(signed.removesuffix(b"\n"), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != SIGNATURE_BYTES or base64.b64encode(raw) + b"\n" != signed:
        raise BundleInvalid("The signature is not written as one is.", hint=_WHOLE)
    return raw
