"""Data keys in memory, and what envelopes derive from them."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
#: HKDF's expansion (RFC 5869, section 2.3) of no more than one block ends in this octet.
_FIRST_BLOCK = b"\x01"
_ENCRYPTION = b"domicile/envelope/2/encryption"
#: Version 1, algorithm 2; and the algorithm before it, which is only opened.
PREFIX, FORMER_PREFIX = b"\x01\x02", b"\x01\x01"


class WipedBytes(bytearray):
    """Bytes that are overwritten with zeros when the last one who holds them lets go, which CPython notices at once.

    What this does not wipe: the text that a key was decrypted or decoded from, copies that a caller makes with ``bytes``, pages
    that were swapped out, and what derived ciphers hold (OpenSSL overwrites those itself).
    """

    def __del__(self) -> None:
        self[:] = bytes(len(self))


@dataclass(frozen=True, slots=True)
class SealingKey:
    """What envelopes under one data key share: how each begins (the commitment to the data key is the end of that), and what
    their own keys are derived from."""

    header: bytes
    pseudorandom: WipedBytes = field(repr=False)

    def cipher(self, context: bytes) -> AESGCM:
        """The AES-256-GCM key of envelopes with just this encoded context: HKDF-Expand of one block."""
        return AESGCM(hmac.digest(self.pseudorandom, _ENCRYPTION + context + _FIRST_BLOCK, "sha256"))


@dataclass(frozen=True, slots=True)
class DataKey:
    """A 256-bit key with its id. Its bytes never show in a representation, a log line or a traceback.

    It never encrypts anything itself: every use derives its own key from it, by HKDF-SHA-256 (RFC 5869). The bytes are the
    key's own copy, wiped with it.
    """

    id: UUID
    secret: bytes | bytearray = field(repr=False, hash=False)
    _sealing: SealingKey | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise ValueError("a data key has 32 bytes")
        object.__setattr__(self, "secret", WipedBytes(self.secret))

    def derive(self, label: bytes) -> bytes:
        """32 bytes for the one use that the label names. The key's id is the salt, so that equal secrets still differ by id."""
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=self.id.bytes, info=label).derive(self.secret)

    def sealing(self) -> SealingKey:
        """What this data key's envelopes share.

        Derived once and kept here, beside the secret, so that sealing thousands of chunks costs one derivation and
        forgetting the data key forgets it too. Two threads that race derive the same values twice, which is harmless.
        """
        if self._sealing is None:
            extracted = WipedBytes(HKDF.extract(SHA256(), self.id.bytes, self.secret))
            sealing = SealingKey(PREFIX + self.id.bytes + self.derive(b"domicile/envelope/2/commitment"), extracted)
            object.__setattr__(self, "_sealing", sealing)
            return sealing
        return self._sealing

    def former(self) -> tuple[bytes, AESGCM]:
        """Header and key of envelopes of algorithm 1, which were all sealed with the same key: only to open those."""
        header = FORMER_PREFIX + self.id.bytes + self.derive(b"domicile/envelope/1/commitment")
        return header, AESGCM(self.derive(b"domicile/envelope/1/encryption"))
