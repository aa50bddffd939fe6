"""What ends content, as repositories within a unit of work: holds, retention, erasures, and keys that have to go."""

from __future__ import annotations

from collections.abc import Collection as Collected
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domicile.domain.erasures import ErasedObject, Erasure, ObjectKind
from domicile.domain.holds import Hold
from domicile.domain.retention import Due, DueCount, RetentionRule


class DoomedKeyRepository(Protocol):
    """Data keys to be destroyed in the key store, which is another database: an order that outlives a crash between."""

    async def add(self, tenant_id: UUID, key_ids: Collected[UUID]) -> None: ...

    async def all(self, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """(tenant id, key id) of some that are still on order, any tenant's."""
        ...

    async def remove(self, key_ids: Collected[UUID]) -> None:
        """They are destroyed."""
        ...

    async def named(self, key_ids: Collected[UUID]) -> frozenset[UUID]:
        """Those of any keys that some row names, for the sweep: the others are left from something that never came to be."""
        ...


class HoldRepository(Protocol):
    """Legal holds. What ends content asks ``on_documents`` or ``on_conversations`` in the unit in which it ends it."""

    async def place(self, hold: Hold) -> None:
        """First waits for every unit that has asked what is held in that tenant; later ones wait until this one ends.

        Of a hold and a deletion at the same moment one then sees the other. So look after this, and not before, whether what
        is to be held is there.
        """
        ...

    async def release(self, tenant_id: UUID, hold_id: UUID, by: UUID, at: datetime) -> Hold:
        """The hold as it was placed; raises ``NotFound`` if there is none, or if it was released before."""
        ...

    async def list(
        self, tenant_id: UUID, *, released: bool = False, after: UUID | None = None, limit: int = 100
    ) -> Sequence[Hold]:
        """The newest first, from before the cursor; those that were released only if asked for."""
        ...

    async def on_documents(self, tenant_id: UUID, document_ids: Sequence[UUID]) -> dict[UUID, Hold]:
        """Which of those published documents are held, and by which hold (of several the oldest).

        In a unit that writes, no hold is placed from here until the unit ends.
        """
        ...

    async def on_conversations(self, tenant_id: UUID, conversation_ids: Sequence[UUID]) -> dict[UUID, Hold]:
        """The same of conversations."""
        ...


class RetentionRepository(Protocol):
    """Rules, and what they say may go. ``rules`` are the most specific first, as ``rules`` gives them."""

    async def rules(self, tenant_id: UUID) -> Sequence[RetentionRule]: ...

    async def set_rules(self, tenant_id: UUID, rules: Sequence[RetentionRule]) -> None:
        """These and no others from now on. Raises ``NotFound`` for a collection that is not the tenant's."""
        ...

    async def due_documents(
        self,
        tenant_id: UUID,
        rules: Sequence[RetentionRule],
        now: datetime,
        *,
        only: UUID | None = None,
        after: UUID | None = None,
        limit: int = 100,
    ) -> Sequence[Due]:
        """Documents that have been kept long enough and that no legal hold keeps, by id, after the cursor."""
        ...

    async def due_conversations(
        self,
        tenant_id: UUID,
        rules: Sequence[RetentionRule],
        now: datetime,
        *,
        only: UUID | None = None,
        after: UUID | None = None,
        limit: int = 100,
    ) -> Sequence[Due]:
        """The same of conversations."""
        ...

    async def counts(self, tenant_id: UUID, rules: Sequence[RetentionRule], now: datetime) -> Mapping[str, DueCount]:
        """Of each rule on documents or conversations, by its name, how many may go, and how many are held."""
        ...


@dataclass(frozen=True, slots=True)
class RemovedItems:
    """``versions`` are all that job items name of a document, with their keys; some stay while their job is ``under_way``."""

    versions: tuple[ErasedObject, ...]
    under_way: bool


class ErasureRepository(Protocol):
    """Erasures, and what each has removed the rows of."""

    async def add(self, erasure: Erasure) -> None: ...

    async def get(self, erasure_id: UUID, tenant_id: UUID | None = None) -> Erasure:
        """Raises ``NotFound``, also if it is another tenant's than the one given."""
        ...

    async def list(self, tenant_id: UUID, *, after: UUID | None = None, limit: int = 100) -> Sequence[Erasure]:
        """The newest first, from before the cursor."""
        ...

    async def due(self) -> Sequence[Erasure]:
        """Every one that may run and is not over, any tenant's, the oldest first."""
        ...

    async def approve(self, erasure_id: UUID, by: UUID, at: datetime) -> bool:
        """Gives False, and changes nothing, for one that waits for no approval."""
        ...

    async def save(self, erasure: Erasure) -> None:
        """How far it has got."""
        ...

    async def note(self, erasure_id: UUID, objects: Sequence[ErasedObject], at: datetime) -> int:
        """That their rows are removed; gives how many of them were not noted before."""
        ...

    async def noted(self, erasure_id: UUID, *, after: UUID, limit: int) -> Sequence[ErasedObject]:
        """By id, after the cursor."""
        ...

    async def documents(self, erasure_id: UUID) -> Sequence[UUID]:
        """Those of which a version is noted."""
        ...

    async def counted(self, erasure_id: UUID) -> Mapping[ObjectKind, int]:
        """How many of each kind are noted."""
        ...

    async def erased_since(self, document_ids: Collected[UUID], since: datetime) -> bool:
        """Whether any of those documents was erased since then.

        In a unit that writes, of those that were not none is until the unit ends.
        """
        ...

    async def forget(self, noted_before: datetime) -> int:
        """What erasures that are done had noted before then."""
        ...


class ErasingRepository(Protocol):
    """Removes rows for good, in a unit in which they were found not to be held, and looks whether any is left."""

    async def remove_items(self, tenant_id: UUID, document_id: UUID) -> RemovedItems:
        """The job items about a document, but for those whose job is not done."""
        ...

    async def conversations_of(
        self, tenant_id: UUID, document_ids: Collected[UUID], principal_id: UUID | None
    ) -> Sequence[UUID]:
        """The conversations that quote one of those documents, and that principal's own."""
        ...

    async def remove_account(self, tenant_id: UUID, principal_id: UUID) -> ErasedObject:
        """Credentials, memberships and names; an id that is nobody's stays. Raises ``NotFound``."""
        ...

    async def close_tenant(self, tenant_id: UUID) -> None:
        """Nobody gets in any more, and nothing that waits is published."""
        ...

    async def has_unfinished_jobs(self, tenant_id: UUID) -> bool: ...

    async def take(self, tenant_id: UUID, limit: int) -> Sequence[ErasedObject]:
        """Remove some of a closed tenant's documents and conversations; nothing once there are none."""
        ...

    async def remove_tenant(self, tenant_id: UUID) -> int:
        """Everything else of a tenant that ``take`` has left nothing of; gives how many rows."""
        ...

    async def sizes(self, tenant_id: UUID) -> tuple[int, int, int]:
        """How many documents, conversations and principals the tenant has."""
        ...

    async def rows_of_tenant(self, tenant_id: UUID) -> int: ...

    async def rows_naming(self, objects: Sequence[ErasedObject]) -> int:
        """How many rows are left that are one of those, or part of one."""
        ...

    async def documents_under(self, key_ids: Collected[UUID]) -> Sequence[tuple[UUID, UUID]]:
        """(tenant id, document id) of what is published under one of those keys."""
        ...

    async def conversations_under(self, key_ids: Collected[UUID]) -> Sequence[tuple[UUID, UUID]]:
        """The same of conversations."""
        ...

    async def accounts_under(self, key_ids: Collected[UUID]) -> Sequence[tuple[UUID, UUID]]:
        """The same of accounts, by (tenant id, principal id)."""
        ...

    async def fail_under(self, key_ids: Collected[UUID]) -> None:
        """Settle as failed what waits to be published under one of those keys."""
        ...

    async def on_order(self, tenant_id: UUID) -> Sequence[UUID]:
        """Data keys of the tenant that are to be destroyed, or were and are still noted."""
        ...

    async def settled(self, tenant_id: UUID) -> None:
        """No key of the tenant is to be destroyed any more: all are."""
        ...

    async def followed(self) -> int:
        """Up to which position of the key store nothing here is under a destroyed key; 0 if that was never looked at."""
        ...

    async def follow(self, position: int) -> None: ...
