"""Where wrapped keys are kept: apart from the data, so that no copy or backup of the data carries what opens it.

Content is unreadable from the moment when its key is gone from here, in every copy of the data there is. A key is here before
anything that it seals is stored, and is destroyed after the last thing that names it is gone from sight.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

#: Stands for the cell itself where a tenant is named: the Nil UUID of RFC 9562, which no clock makes.
CELL = UUID(int=0)


@dataclass(frozen=True, slots=True)
class WrappedTenantKey:
    """One version of a tenant's key, as its provider wrapped it. Versions count from 1; data keys are made under the last."""

    id: UUID
    tenant_id: UUID
    version: int
    provider: str
    wrapped: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WrappedDataKey:
    """A data key; ``wrapped_by`` is the id of the tenant key that wrapped it."""

    id: UUID
    tenant_id: UUID
    wrapped_by: UUID
    wrapped: bytes
    created_at: datetime


class Wrapping(NamedTuple):
    """A data key's id, the tenant key that wraps it, and the wrapped key: all that a rotation touches, a million times."""

    key_id: UUID
    wrapped_by: UUID
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class DestroyedKey:
    """That a key was destroyed: a data key or a tenant key, or all that a tenant had where ``key_id`` is None."""

    position: int
    tenant_id: UUID
    key_id: UUID | None


class KeyStore(Protocol):
    """Each method is a transaction of its own, durable when it returns.

    Raises ``DatabaseUnavailable``, ``StorageFull`` or ``SchemaOutdated``; nothing of the driver's leaks.
    """

    async def tenant_keys(self, tenant_id: UUID) -> Sequence[WrappedTenantKey]:
        """Every version that may still open something, the oldest first."""
        ...

    async def add_tenant_key(self, key: WrappedTenantKey) -> None:
        """Raises ``AlreadyExists`` if the tenant has that version."""
        ...

    async def replace_tenant_key(self, key: WrappedTenantKey) -> None:
        """The same version of the same key, wrapped anew. Nothing if it was destroyed meanwhile."""
        ...

    async def drop_tenant_keys(self, tenant_id: UUID, before_version: int) -> int:
        """Destroy older versions for good; gives how many. Raises ``KeysInUse`` while one of them wraps a data key."""
        ...

    async def add_data_keys(self, keys: Sequence[WrappedDataKey]) -> None:
        """Raises ``KeyReplaced`` if a tenant key that wrapped one is not there any more, ``AlreadyExists`` for an id in use."""
        ...

    async def data_keys(self, tenant_id: UUID, key_ids: Collection[UUID]) -> dict[UUID, WrappedDataKey]:
        """Those that exist in that tenant."""
        ...

    async def outdated(self, tenant_id: UUID, after: UUID, limit: int) -> Sequence[Wrapping]:
        """What wraps data keys by another version than the tenant's last, by key id, after that one."""
        ...

    async def count(self, tenant_id: UUID, *, outdated: bool = False) -> int:
        """How many data keys the tenant has, or how many are outdated."""
        ...

    async def rewrap(self, tenant_id: UUID, keys: Sequence[Wrapping]) -> None:
        """Replace what wraps those keys of the tenant. One that was destroyed meanwhile stays destroyed.

        Raises ``KeyReplaced`` as ``add_data_keys`` does.
        """
        ...

    async def destroy(self, tenant_id: UUID, key_ids: Collection[UUID]) -> int:
        """Data keys, for good; absent ones are no error. Gives how many there were."""
        ...

    async def destroy_tenant(self, tenant_id: UUID) -> int:
        """Every key of the tenant, for good; gives how many there were."""
        ...

    async def destroyed_after(self, position: int, limit: int = 1_000) -> Sequence[DestroyedKey]:
        """What was destroyed since, in order: for those who keep unwrapped keys in memory."""
        ...

    async def page(self, after: UUID, before: datetime, limit: int) -> Sequence[WrappedDataKey]:
        """Data keys of any tenant that were made before that time, by id, after that one: for the sweep after a crash."""
        ...

    async def ping(self) -> None:
        """Raise if it cannot serve now."""
        ...

    async def close(self) -> None: ...
