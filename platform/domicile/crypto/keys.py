"""Data keys in memory, and what envelopes derive from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class SealingKey:
    """What envelopes under one data key share: the AES-256-GCM key and the commitment that names the data key for certain."""

    cipher: AESGCM = field(repr=False)
    commitment: bytes


@dataclass(frozen=True, slots=True)
class DataKey:
    """A 256-bit key with its id. Its bytes never show in a representation, a log line or a traceback.

    It never encrypts anything itself: every use derives its own key from it, by HKDF-SHA-256 (RFC 5869).
    """

    id: UUID
    secret: bytes = field(repr=False)
    _sealing: SealingKey | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.secret) != KEY_BYTES:
            raise ValueError("a data key has 32 bytes")

    def derive(self, label: bytes) -> bytes:
        """32 bytes for the one use that the label names. The key's id is the salt, so that equal secrets still differ by id."""
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=self.id.bytes, info=label).derive(self.secret)

    def sealing(self) -> SealingKey:
        """The key and commitment of this data key's envelopes.

        Derived once and kept here, beside the secret, so that sealing thousands of chunks costs one derivation and
        forgetting the data key forgets them too. Two threads that race derive the same values twice, which is harmless.
        """
        if self._sealing is None:
            cipher = AESGCM(self.derive(b"domicile/envelope/1/encryption"))
            sealing = SealingKey(cipher, self.derive(b"domicile/envelope/1/commitment"))
            object.__setattr__(self, "_sealing", sealing)
            return sealing
        return self._sealing
