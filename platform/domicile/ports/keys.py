"""Root keys and the data keys below them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from domicile.crypto.keys import DataKey
from domicile.domain.values import Region

#: The name of the provider that the cell itself and every tenant without one of its own uses.
ROOT_PROVIDER = "root"


class KeyProvider(Protocol):
    """Holds the region's root key and never gives it away. Raises ``KeyProviderUnavailable``."""

    region: Region

    async def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a tenant key under the root key; ``context`` is authenticated and needed again to unwrap."""
        ...

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The tenant key; raises ``DecryptionFailed`` for any mismatch, without saying which."""
        ...


class Secret(StrEnum):
    """What a tenant, or the cell itself, has one lasting key for, beside those of its objects.

    None of them changes when other keys rotate.
    """

    FINGERPRINT = "fingerprint"  # recognises equal content and names within the tenant
    INDEX = "index"  # the vector index: which term stands for which, and how vectors are turned
    LOGIN = "login"  # the cell's own: finds accounts by their logins, which the database does not know


class KeyRing(Protocol):
    """Data keys by id, each wrapped by its tenant's key, in the key store; unwrapped ones are cached with bounds."""

    async def create(self, tenant_id: UUID, key_ids: Sequence[UUID]) -> list[DataKey]:
        """Fresh data keys under those ids, durable in the key store when this returns: before what they seal is stored.

        Makes the tenant's key first if the tenant has none yet. One that nothing names in the end is swept away later.
        """
        ...

    async def open(self, tenant_id: UUID, key_id: UUID) -> DataKey:
        """The data key; raises ``DecryptionFailed`` if it was destroyed or does not belong to that tenant."""
        ...

    async def open_many(self, tenant_id: UUID, key_ids: frozenset[UUID]) -> dict[UUID, DataKey]:
        """Several at once with one read of the store; raises like ``open`` if any cannot be opened."""
        ...

    async def open_existing(self, tenant_id: UUID, key_ids: frozenset[UUID]) -> dict[UUID, DataKey]:
        """Those that there are: for who shows something that may be gone."""
        ...

    async def fingerprint(self, tenant_id: UUID, content: bytes) -> bytes:
        """A 32-byte keyed digest (HMAC-SHA-256 under a key of the tenant's), equal for equal content of a tenant."""
        ...

    async def digest_key(self, tenant_id: UUID) -> bytes:
        """The 32-byte key behind ``fingerprint``, for hashing large content in a thread."""
        ...

    async def secret(self, tenant_id: UUID, purpose: Secret) -> DataKey:
        """The tenant's lasting key for that purpose, made if there is none yet. Derive from it; nothing is sealed with it."""
        ...

    async def destroy(self, tenant_id: UUID, key_ids: Collection[UUID]) -> int:
        """Destroy data keys for good, here at once and in other processes within two seconds; gives how many there were.

        Nothing that they sealed can be opened any more, wherever a copy of it is.
        """
        ...

    async def made_before(self, at: datetime, after: UUID, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """(tenant id, key id) of data keys made before that time, by key id, after that one, without lasting keys."""
        ...

    async def destroy_tenant(self, tenant_id: UUID) -> int:
        """Every key of the tenant."""
        ...
