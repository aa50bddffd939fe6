"""The envelope: how content is stored wherever it is stored.

version (1 byte, 1) · algorithm (1, 1) · key id (16) · key commitment (32) · nonce (12) · ciphertext and tag (n + 16)

AES-256-GCM (NIST SP 800-38D) under a key derived from the data key. Associated data is everything before the nonce and the
encoded encryption context, which is never stored: whoever opens an envelope has to know what it is about.

The commitment is derived from the same data key under another label, as the AWS Encryption SDK's committing suites do. GCM
alone does not commit to its key: one ciphertext can be made to open under two keys to two texts. Here the second key's
commitment would have to collide in SHA-256.

Nonces are 96 random bits. A data key belongs to one document version or one conversation and seals some thousands of
envelopes: for 2**16 under one key the chance that any nonce repeats is below 2**-65. Nothing has to be counted or
stored, so no crash, restored backup or second process can make a nonce repeat.
"""

from __future__ import annotations

import hmac
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag

from domicile.crypto.context import EncryptionContext
from domicile.crypto.keys import DataKey
from domicile.domain.errors import DecryptionFailed

_PREFIX = b"\x01\x01"  # version 1, algorithm 1
_KEY_ID = slice(2, 18)
_COMMITMENT = slice(18, 50)
_NONCE = slice(50, 62)
_BODY = slice(62, None)
_TAG_BYTES = 16

#: Bytes that an envelope has more than its plaintext.
OVERHEAD_BYTES = _NONCE.stop + _TAG_BYTES


def seal(key: DataKey, context: EncryptionContext, plaintext: bytes) -> bytes:
    """The plaintext as an envelope that only this key opens, and only for this context. At most 2**31 - 1 bytes."""
    return wrap(key, context.encode(), plaintext)


def unseal(key: DataKey, context: EncryptionContext, envelope: bytes) -> bytes:
    """The plaintext. Raises ``DecryptionFailed`` for anything that is not as it was sealed, and never says what."""
    return unwrap(key, context.encode(), envelope)


def wrap(key: DataKey, context: bytes, plaintext: bytes) -> bytes:
    """As ``seal``, for key providers, which are handed their context encoded."""
    header = _header(key)
    nonce = os.urandom(_NONCE.stop - _NONCE.start)
    return header + nonce + key.sealing().cipher.encrypt(nonce, plaintext, header + context)


def unwrap(key: DataKey, context: bytes, envelope: bytes) -> bytes:
    """As ``unseal``, for key providers."""
    plaintext = _open(key, context, envelope)
    if plaintext is None:
        # Raised here and not where it failed, so that not even a chained exception tells what went wrong.
        raise DecryptionFailed()
    return plaintext


def key_id_of(envelope: bytes) -> UUID:
    """Which data key opens the envelope. Only a claim until it did; raises ``DecryptionFailed`` if it is no envelope."""
    if len(envelope) < OVERHEAD_BYTES or envelope[: len(_PREFIX)] != _PREFIX:
        raise DecryptionFailed()
    return UUID(bytes=envelope[_KEY_ID])


def _header(key: DataKey) -> bytes:
    return _PREFIX + key.id.bytes + key.sealing().commitment


def _open(key: DataKey, context: bytes, envelope: bytes) -> bytes | None:
    header = _header(key)
    if len(envelope) < OVERHEAD_BYTES or not hmac.compare_digest(header, envelope[: _COMMITMENT.stop]):
        return None
    try:
        return key.sealing().cipher.decrypt(envelope[_NONCE], envelope[_BODY], header + context)
    except InvalidTag:
        return None
