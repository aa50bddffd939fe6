"""Root keys and the data keys below them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from domicile.crypto.keys import DataKey
from domicile.domain.values import Region

#: The name of the provider that holds the cell's own root key.
ROOT = "root"


class KeyProvider(Protocol):
    """Holds a root key, in one or more versions, and never gives it away. Raises ``KeyProviderUnavailable``.

    ``name`` is what tenants' keys call it; the cell's own is ``ROOT``. ``region`` is where it is. What the operator has to put
    right first (a key that is exposed, or belongs to another region) is a ``ConfigurationError``.
    """

    region: Region
    name: str

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a tenant key under the newest version of the root key.

        ``context`` is authenticated and needed again to unwrap; an empty one is a ``ValueError``.
        """
        ...

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The tenant key, whichever version it was wrapped with, as long as that is still permitted.

        Raises ``DecryptionFailed`` for any mismatch, without saying which.
        """
        ...

    async def is_current(self, wrapped: bytes) -> bool:
        """Whether it names the newest version as what it was wrapped with: a claim, until it is unwrapped.

        Raises ``DecryptionFailed`` for what no provider of this kind has made.
        """
        ...

    async def rotate(self) -> None:
        """Make a new version of the root key, durably; from now on it is the newest.

        Raises ``ConfigurationError``, which says what to do, where this is not the provider's to do.
        """
        ...

    async def ping(self) -> None:
        """Raise if it could not wrap now: it is not reached, or its key is not there or not what it has to be."""
        ...

    async def close(self) -> None:
        """Let go of connections, sessions and threads."""
        ...


class Secret(StrEnum):
    """What a tenant has one lasting key for, beside those of its objects. None of them changes when other keys rotate."""

    INDEX = "index"  # the vector index: which term stands for which, and how vectors are turned


class KeyRing(Protocol):
    """Data keys by id, each wrapped by its tenant's key; unwrapped keys are cached with bounds."""

    async def create(self, tenant_id: UUID, key_id: UUID) -> tuple[DataKey, bytes]:
        """A fresh data key and its wrapped form, which the caller stores in the same transaction as what it protects.

        Makes the tenant's key first if the tenant has none yet.
        """
        ...

    async def open(self, tenant_id: UUID, key_id: UUID) -> DataKey:
        """The data key; raises ``DecryptionFailed`` if it was destroyed or does not belong to that tenant."""
        ...

    async def open_many(self, tenant_id: UUID, key_ids: frozenset[UUID]) -> dict[UUID, DataKey]:
        """Several at once with one read of the database; raises like ``open`` if any cannot be opened."""
        ...

    async def fingerprint(self, tenant_id: UUID, content: bytes) -> bytes:
        """A 32-byte keyed digest (HMAC-SHA-256 under a key derived from the tenant's), equal for equal content of a tenant."""
        ...

    async def digest_key(self, tenant_id: UUID) -> bytes:
        """The 32-byte key behind ``fingerprint``, for hashing large content in a thread."""
        ...

    async def secret(self, tenant_id: UUID, purpose: Secret) -> DataKey:
        """The tenant's lasting key for that purpose, made if there is none yet. Derive from it; nothing is sealed with it."""
        ...

    def forget(self, tenant_id: UUID, key_ids: Iterable[UUID]) -> None:
        """Drop data keys from memory whose rows were just deleted, so that nothing here opens what they sealed."""
        ...
