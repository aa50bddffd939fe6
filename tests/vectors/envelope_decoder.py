"""Reads envelopes by docs/encryption.md alone, without the product: what an auditor or another implementation would write."""

from __future__ import annotations

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FIELDS = ("tenant", "region", "object", "version", "part")


def encoded(context: dict[str, str]) -> bytes:
    """Each field as four bytes of length, big-endian, and its UTF-8 text."""
    texts = [context[name].encode() for name in FIELDS]
    return b"".join(len(text).to_bytes(4, "big") + text for text in texts)


def derived(secret: bytes, key_id: bytes, info: bytes) -> bytes:
    """HKDF-SHA-256, the key's id as salt, 32 bytes."""
    return HKDF(SHA256(), 32, key_id, info).derive(secret)


def opened(envelope: bytes, secret: bytes, context: dict[str, str]) -> bytes | None:
    """The plaintext; None for anything that does not open."""
    if len(envelope) < 78 or envelope[0] != 1 or envelope[1] not in (1, 2):
        return None
    algorithm, key_id, commitment = envelope[1], envelope[2:18], envelope[18:50]
    nonce, body = envelope[50:62], envelope[62:]
    about = encoded(context)
    expected = derived(secret, key_id, b"domicile/envelope/%d/commitment" % algorithm)
    if not hmac.compare_digest(commitment, expected):
        return None
    info = b"domicile/envelope/%d/encryption" % algorithm + (about if algorithm == 2 else b"")
    try:
        return AESGCM(derived(secret, key_id, info)).decrypt(nonce, body, envelope[:50] + about)
    except InvalidTag:
        return None
