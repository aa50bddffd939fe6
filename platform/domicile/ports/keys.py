"""Root keys and the data keys below them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from domicile.crypto.keys import DataKey
from domicile.domain.values import Region
from domicile.ports.key_store import WrappedTenantKey

#: The name of the provider that the cell itself and every tenant without one of its own uses.
ROOT_PROVIDER = "root"


@dataclass(frozen=True, slots=True)
class KeyInventory:
    """A tenant's keys without any key: the versions of its own (``wrapped`` is empty), how many data keys there are, and how
    many of them are wrapped by another version than the last."""

    versions: tuple[WrappedTenantKey, ...]
    data_keys: int
    outdated: int


class KeyRotation(Protocol):
    """Replaces keys that wrap others. Every method may be repeated after a crash."""

    async def inventory(self, tenant_id: UUID) -> KeyInventory: ...

    async def begin(self, tenant_id: UUID, provider: str | None = None) -> WrappedTenantKey:
        """A new version of the tenant's key, which wraps all that is new from now on; by another provider, if one is named.

        Raises ``AlreadyExists`` if somebody else began at the same moment.
        """
        ...

    def rewrap(self, tenant_id: UUID) -> AsyncIterator[int]:
        """Wrap every data key by the last version, batch by batch; gives how many each batch was, once it is durable."""
        ...

    async def renew(self, tenant_id: UUID) -> int:
        """Have the tenant's key wrapped by the newest root key of its provider, if it is not; gives how many versions were."""
        ...

    async def rotate_root(self, provider: str = ROOT_PROVIDER) -> None:
        """A new version of that provider's root key; raises ``ConfigurationError`` where the provider makes its own."""
        ...

    async def drop_before(self, tenant_id: UUID, version: int) -> int:
        """Destroy older versions: that one is the minimum from now on. Raises ``KeysInUse`` while they wrap something."""
        ...


class KeyProvider(Protocol):
    """Holds a root key, in one or more versions, and never gives it away. Raises ``KeyProviderUnavailable``.

    ``name`` is what tenants' keys call it; the cell's own is ``ROOT_PROVIDER``. ``region`` is where it is. What the operator
    has to put right first (a key that is exposed, or belongs to another region) is a ``ConfigurationError``.
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

    async def made(self, tenant_id: UUID, key_ids: Collection[UUID]) -> dict[UUID, datetime]:
        """When those data keys were made; the ones that are not there are left out."""
        ...

    async def made_before(self, at: datetime, after: UUID, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """(tenant id, key id) of data keys made before that time, by key id, after that one, without lasting keys."""
        ...

    async def destroy_tenant(self, tenant_id: UUID) -> int:
        """Every key of the tenant."""
        ...
