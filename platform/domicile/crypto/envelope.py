"""The envelope: how content is stored wherever it is stored.

version (1 byte, 1) · algorithm (1) · key id (16) · key commitment (32) · nonce (12) · ciphertext and tag (n + 16)

AES-256-GCM (NIST SP 800-38D) under a key that is derived from the data key *and* the encryption context. Associated data is
everything before the nonce and the encoded context, which is never stored: whoever opens an envelope has to know what it is
about. docs/encryption.md has every byte, and ``tests/vectors/envelope.json`` envelopes to compare with.

The commitment is derived from the same data key under another label, as the AWS Encryption SDK's committing suites do. GCM
alone does not commit to its key: one ciphertext can be made to open under two keys to two texts. Here the second key's
commitment would have to collide in SHA-256.

A nonce must never come twice under one AES key. A context names one part of one version of one object, so the key that is
derived for it seals that part and nothing else: once, and again only where a step that was interrupted is repeated. Each
time the nonce is 96 fresh random bits; were a part sealed a thousand times, two would be equal with probability 2**-77.
Nothing has to be counted or stored for that, so no crash, restored backup or second process can make a nonce repeat.

Algorithm 1, which used one AES key for all of a data key's envelopes, is still opened, and no longer made.
"""

from __future__ import annotations

import hmac
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag

from domicile.crypto.context import EncryptionContext
from domicile.crypto.keys import FORMER_PREFIX, PREFIX, DataKey
from domicile.domain.errors import DecryptionFailed

_KEY_ID = slice(2, 18)
_HEADER = slice(0, 50)
_NONCE = slice(50, 62)
_BODY = slice(62, None)
_NONCE_BYTES, _TAG_BYTES = 12, 16

#: Bytes that an envelope has more than its plaintext.
OVERHEAD_BYTES = _NONCE.stop + _TAG_BYTES


def seal(key: DataKey, context: EncryptionContext, plaintext: bytes | bytearray) -> bytes:
    """The plaintext as an envelope that only this key opens, and only for this context. At most 2**31 - 1 bytes."""
    return wrap(key, context.encode(), plaintext)


def unseal(key: DataKey, context: EncryptionContext, envelope: bytes) -> bytes:
    """The plaintext. Raises ``DecryptionFailed`` for anything that is not as it was sealed, and never says what."""
    return unwrap(key, context.encode(), envelope)


def wrap(key: DataKey, context: bytes, plaintext: bytes | bytearray) -> bytes:
    """As ``seal``, for key providers, which are handed their context encoded."""
    sealing = key.sealing()
    nonce = os.urandom(_NONCE_BYTES)
    return sealing.header + nonce + sealing.cipher(context).encrypt(nonce, plaintext, sealing.header + context)


def unwrap(key: DataKey, context: bytes, envelope: bytes) -> bytes:
    """As ``unseal``, for key providers."""
    plaintext = _open(key, context, envelope)
    if plaintext is None:
        # Raised here and not where it failed, so that not even a chained exception tells what went wrong.
        raise DecryptionFailed()
    return plaintext


def key_id_of(envelope: bytes) -> UUID:
    """Which data key opens the envelope. Only a claim until it did; raises ``DecryptionFailed`` if it is no envelope."""
    if len(envelope) < OVERHEAD_BYTES or envelope[: len(PREFIX)] not in (PREFIX, FORMER_PREFIX):
        raise DecryptionFailed()
    return UUID(bytes=envelope[_KEY_ID])


def _open(key: DataKey, context: bytes, envelope: bytes) -> bytes | None:
    if len(envelope) < OVERHEAD_BYTES:
        return None
    if envelope[: len(PREFIX)] == FORMER_PREFIX:
        header, cipher = key.former()
    else:
        sealing = key.sealing()
        header, cipher = sealing.header, sealing.cipher(context)
    if not hmac.compare_digest(header, envelope[_HEADER]):
        return None
    try:
        return cipher.decrypt(envelope[_NONCE], envelope[_BODY], header + context)
    except InvalidTag:
        return None
