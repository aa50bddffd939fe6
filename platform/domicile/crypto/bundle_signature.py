"""Signatures of policy bundles: somebody who is trusted with it vouches for exactly these policies.

What is signed is ``PREFIX`` and the statement as RFC 8785 canonicalises JSON, as for receipts: every field present, names
sorted, no blanks, no floats. No signature that a key makes for anything else can pass for a bundle's.

Obligations of whoever verifies one, labelled where they are met:

1. Accept only the bytes that ``sign`` writes, so that no two readers can see different statements under one signature.
2. The statement names the digest of these very policies.
3. The key is one of those that the operator trusts. Without any, nobody is trusted: empty never means anybody.
4. That key signed exactly this statement.

The caller owes two more: the digest is made of the texts that will decide, which are not read again; and where there are
signers, a signature that is missing is refused like one that does not verify.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

import msgspec

from domicile.crypto.signatures import SIGNATURE_BYTES, SigningKey, VerifyKey
from domicile.domain.errors import PolicyInvalid

FORMAT: Literal["domicile-policy-bundle/1"] = "domicile-policy-bundle/1"
PREFIX = b"domicile-policy-bundle/1\n"
#: Bytes that a signature's file may have; one has about 400.
MOST_BYTES = 4096

_Sha256 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Time = Annotated[str, msgspec.Meta(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\Z")]
_Ed25519 = Annotated[bytes, msgspec.Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]

_AS_SIGNED = "Restore the policies and their signature as they were signed, or sign them again with 'domicile policy sign'."


class Statement(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What is signed. ``key_id`` is ``VerifyKey.id``; ``signed_at`` is RFC 3339 in UTC with six digits of microseconds."""

    algorithm: Literal["Ed25519"]
    digest: _Sha256
    format: Literal["domicile-policy-bundle/1"]
    key_id: _Sha256
    signed_at: _Time


class BundleSignature(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A statement, and 64 bytes over it, which are base64 where it is written."""

    signature: _Ed25519
    statement: Statement


_encoder = msgspec.json.Encoder(order="sorted")
_decoder = msgspec.json.Decoder(BundleSignature)


def sign(digest: str, key: SigningKey, signed_at: str) -> BundleSignature:
    """The key's signature of the bundle with that digest."""
    statement = Statement(algorithm="Ed25519", digest=digest, format=FORMAT, key_id=key.public.id, signed_at=signed_at)
    return BundleSignature(signature=key.sign(_signed_bytes(statement)), statement=statement)


def encode(signature: BundleSignature) -> bytes:
    """As it is written to a file: one line."""
    return _encoder.encode(signature) + b"\n"


def read(body: bytes, digest: str) -> BundleSignature:
    """The signature in a file, if it is about the bundle with that digest; whose it is remains to be seen.

    Raises ``PolicyInvalid`` for anything but the bytes that ``encode`` gives, whose line end may be missing.
    """
    if len(body) > MOST_BYTES:
        raise PolicyInvalid("The signature of the policies is too large to be one.", hint=_AS_SIGNED)
    try:
        signature = _decoder.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise PolicyInvalid("The signature of the policies was cut off, altered, or is none.", hint=_AS_SIGNED) from None
    if encode(signature).removesuffix(b"\n") != body.removesuffix(b"\n"):  # (1)
        raise PolicyInvalid("The signature of the policies is not written as it was made.", hint=_AS_SIGNED)
    if signature.statement.digest != digest:  # (2)
        raise PolicyInvalid(
            "The policies are not those that were signed: a file was altered, added or removed, or the signature is of others.",
            hint=_AS_SIGNED,
        )
    return signature


def verify(body: bytes, digest: str, signers: Iterable[VerifyKey]) -> Statement:
    """The statement in a file, if one of the signers made it about the bundle with that digest; raises ``PolicyInvalid``."""
    found = read(body, digest)
    key = next((each for each in signers if each.id == found.statement.key_id), None)
    if key is None:  # (3)
        raise PolicyInvalid(
            f"The policies were signed with key {found.statement.key_id[:16]}…, which this cell does not trust.",
            hint="Have them signed with a key that DOMICILE_POLICY_SIGNERS lists, or list this one if you know whose it is.",
        )
    if not key.verifies(found.signature, _signed_bytes(found.statement)):  # (4)
        raise PolicyInvalid(f"The signature of the policies is not by key {key.id[:16]}…, though it says so.", hint=_AS_SIGNED)
    return found.statement


def _signed_bytes(statement: Statement) -> bytes:
    return PREFIX + _encoder.encode(statement)
