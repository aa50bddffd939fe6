"""How a wrapped key is stored that a provider outside of this program has wrapped.

version (1 byte, 1) · who wrapped it (1) · length (2, big-endian) and name of the root key's version · what the provider gave

The first two bytes are where an envelope has its version and algorithm, and may equal those of one: whose a wrapped key is
stands in its row, and what one provider has wrapped no other one opens.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from domicile.domain.errors import DecryptionFailed

_FORMAT = 1
_NAME = 4  # where the name of the version begins


class By(IntEnum):
    """Who wrapped it. Key files are not among them: they wrap into envelopes."""

    PKCS11 = 2
    AWS_KMS = 3
    VAULT = 4


@dataclass(frozen=True, slots=True)
class WrappedBy:
    """``version`` names the version of the root key, as that provider does; it is a claim until ``body`` is unwrapped."""

    by: By
    version: bytes
    body: bytes

    @property
    def header(self) -> bytes:
        """All that goes before the body."""
        return bytes((_FORMAT, self.by)) + len(self.version).to_bytes(2, "big") + self.version

    def encode(self) -> bytes:
        return self.header + self.body

    @classmethod
    def parse(cls, by: By, wrapped: bytes) -> WrappedBy:
        """Raises ``DecryptionFailed`` for what is not of this form, or was wrapped by somebody else."""
        end = _NAME + int.from_bytes(wrapped[2:_NAME], "big")
        if wrapped[:2] != bytes((_FORMAT, by)) or len(wrapped) <= end or end == _NAME:
            raise DecryptionFailed()
        return cls(by, wrapped[_NAME:end], wrapped[end:])
