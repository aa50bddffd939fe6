"""The database, as repositories within one unit of work.

Every read of tenant data takes the tenant's id or a scope: there is no way to ask for "all".
"""

from __future__ import annotations

from collections.abc import Collection as Collected
from collections.abc import Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from domicile.audit.events import AuditEvent
from domicile.domain.conversations import Conversation, Exchange
from domicile.domain.documents import Collection, Document, DocumentVersion, ItemState, Job, JobItem, JobState, Stage
from domicile.domain.policies import PolicyVersion, WrittenPolicies
from domicile.domain.principals import ApiKey, Group, Principal, Session, Tenant
from domicile.domain.transfers import TransferFilter, TransferRecord
from domicile.domain.values import Region
from domicile.policy.scope import RetrievalScope
from domicile.ports.lifecycle import (
    DoomedKeyRepository,
    ErasingRepository,
    ErasureRepository,
    HoldRepository,
    RetentionRepository,
)

#: How long a reply is kept at least for whoever sends the same write again: longer than any client retries.
REPLY_LIFETIME = timedelta(days=1)


class TenantRepository(Protocol):
    async def add(self, tenant: Tenant) -> None:
        """Raises ``AlreadyExists`` for a slug in use."""
        ...

    async def get(self, tenant_id: UUID) -> Tenant:
        """Raises ``NotFound``."""
        ...

    async def by_slug(self, slug: str) -> Tenant:
        """Raises ``NotFound``."""
        ...

    async def all(self) -> Sequence[Tenant]: ...

    async def set_allowed_regions(self, tenant_id: UUID, regions: frozenset[Region]) -> None:
        """Raises ``NotFound``."""
        ...


class PrincipalRepository(Protocol):
    async def add(self, principal: Principal, password_hash: str | None) -> None:
        """Stores the profile, not the names. Logins are unique within the cell, by their digests; raises ``AlreadyExists``.

        ``groups`` are those that it is made a member of.
        """
        ...

    async def get(self, principal_id: UUID) -> Principal:
        """With its groups, and the groups that these are in, and without its names; raises ``NotFound``."""
        ...

    async def by_login_digest(self, digest: bytes) -> tuple[Principal, str | None] | None:
        """The principal, without its names, and its password hash; None if nobody has a login with that digest."""
        ...

    async def set_password(self, principal_id: UUID, password_hash: str) -> None:
        """Also ends every session of the principal."""
        ...

    async def of_tenant(self, tenant_id: UUID) -> Sequence[Principal]: ...

    async def add_group(self, group: Group) -> None: ...

    async def groups(self, tenant_id: UUID) -> Sequence[Group]: ...

    async def nest_group(self, group_id: UUID, parent_id: UUID) -> None:
        """Whoever is in the group is in the parent, too. The caller owes that no circle comes of it."""
        ...

    async def unnest_group(self, group_id: UUID, parent_id: UUID) -> None:
        """Raises ``NotFound`` if it is not in that one."""
        ...

    async def nested_groups(self, tenant_id: UUID) -> Sequence[tuple[UUID, UUID]]:
        """Each (group, parent) of the tenant."""
        ...


class CredentialRepository(Protocol):
    async def add_api_key(self, key: ApiKey, secret_hash: bytes) -> None:
        """Stores the label's envelope, not the label; what is read has no label either."""
        ...

    async def api_key(self, secret_hash: bytes) -> ApiKey | None:
        """By the SHA-256 of the whole secret (which has 256 random bits, so that no slow hash is needed)."""
        ...

    async def api_keys(self, tenant_id: UUID) -> Sequence[ApiKey]: ...

    async def revoke_api_key(self, tenant_id: UUID, key_id: UUID, at: datetime) -> None:
        """Raises ``NotFound``."""
        ...

    async def touch_api_keys(self, last_used: dict[UUID, datetime]) -> None:
        """Record last use, in bulk: it is written behind, not on each request."""
        ...

    async def add_session(self, session: Session) -> None: ...

    async def session(self, token_hash: bytes) -> Session | None: ...

    async def delete_session(self, token_hash: bytes) -> None: ...


class CollectionRepository(Protocol):
    async def add(self, collection: Collection) -> None:
        """Raises ``AlreadyExists`` for a slug in use within the tenant."""
        ...

    async def get(self, tenant_id: UUID, collection_id: UUID) -> Collection:
        """Raises ``NotFound``, also when it belongs to another tenant."""
        ...

    async def by_slug(self, tenant_id: UUID, slug: str) -> Collection:
        """Raises ``NotFound``."""
        ...

    async def of_tenant(self, tenant_id: UUID) -> Sequence[Collection]: ...


class DocumentRepository(Protocol):
    async def get(self, tenant_id: UUID, document_id: UUID) -> Document:
        """The document with its current version; raises ``NotFound``, also when it belongs to another tenant."""
        ...

    async def many(self, document_ids: Sequence[UUID], tenant_id: UUID) -> dict[UUID, Document]:
        """Those that exist in that tenant and have a current version."""
        ...

    async def ids(self, tenant_id: UUID, *, owner: UUID | None = None, after: UUID | None = None, limit: int) -> Sequence[UUID]:
        """Of every document of the tenant, or of those with that owner, whoever may read them, by id, after the cursor.

        For exports, which decide each and name what they leave out.
        """
        ...

    async def by_source(self, tenant_id: UUID, collection_id: UUID, source_digest: bytes) -> Document | None: ...

    async def list(
        self, scope: RetrievalScope, *, collection_id: UUID | None = None, after: UUID | None = None, limit: int = 50
    ) -> Sequence[Document]:
        """Documents that the scope admits, by id, after the cursor."""
        ...

    async def count(self, scope: RetrievalScope, *, collection_id: UUID | None = None) -> int: ...

    async def publish(self, document: Document) -> DocumentVersion | None:
        """Make the version current, in one statement for all to see, and give the one that it replaces.

        Creates the document if it is new; its attributes become those given. Orders the destruction of the key of the version
        that it replaces.
        """
        ...

    async def delete(self, tenant_id: UUID, document_id: UUID) -> Document:
        """Remove it and order the destruction of its data key; gives what was removed. Raises ``NotFound``."""
        ...

    async def set_next_key(self, tenant_id: UUID, version_id: UUID, key_id: UUID) -> bool:
        """Name the data key that the current version will have; False, and nothing, if it is not current or has one."""
        ...

    async def adopt_key(self, tenant_id: UUID, version_id: UUID, key_id: UUID, title_envelope: bytes) -> bool:
        """Make the next data key the version's own, with its title sealed by it; False, and nothing, if it is not that one."""
        ...

    async def live_versions(self) -> frozenset[UUID]:
        """Every current version and every version that a pending job item will publish, for the sweep after a crash."""
        ...


class SubjectRepository(Protocol):
    """Whom documents and conversations are about, by the digests of ``domain/subjects.py``."""

    async def of_documents(self, tenant_id: UUID, document_ids: Sequence[UUID]) -> dict[UUID, frozenset[bytes]]:
        """The subjects of each of those documents; none for one that is not published in that tenant."""
        ...

    async def documents_of(self, tenant_id: UUID, subject: bytes) -> Sequence[UUID]:
        """Every document about that subject, those included of which a version about it is still to be published."""
        ...

    async def conversations_of(self, tenant_id: UUID, subject: bytes) -> Sequence[UUID]: ...

    async def set_of_document(self, document_id: UUID, subjects: Set[bytes]) -> None:
        """Whom a published document is about from now on, and nobody else."""
        ...

    async def add_to_conversation(self, conversation_id: UUID, subjects: Set[bytes]) -> None:
        """Raises ``AlreadyExists`` if another unit adds one of them at the same time."""
        ...


class JobRepository(Protocol):
    async def turn_to_add(self, collection_id: UUID) -> None:
        """Wait for other units that add jobs to the collection, and keep later ones waiting until this one ends.

        What is read after this cannot be changed by a job that is added at the same time.
        """
        ...

    async def add(self, job: Job) -> None:
        """With its items."""
        ...

    async def get(self, tenant_id: UUID, job_id: UUID) -> Job:
        """With its items, in order; raises ``NotFound``, also when it belongs to another tenant."""
        ...

    async def pending(self, job_id: UUID, limit: int) -> Sequence[JobItem]:
        """The next items that are not finished, in order."""
        ...

    async def pending_of(self, tenant_id: UUID, document_ids: Sequence[UUID]) -> Sequence[JobItem]:
        """The items of any job that are not finished and will publish one of these documents."""
        ...

    async def set_stage(self, item_ids: Sequence[UUID], stage: Stage) -> None: ...

    async def finish(
        self, item_id: UUID, state: ItemState, *, failure: str | None = None, failure_detail: str | None = None
    ) -> bool:
        """Settle a pending item; gives False, and changes nothing, for one that is settled already."""
        ...

    async def fail_pending(self, tenant_id: UUID, document_id: UUID, failure: str, failure_detail: str) -> Sequence[JobItem]:
        """Settle every pending item of the document as failed; gives those, as they are now."""
        ...

    async def set_waiting(self, tenant_id: UUID, failure: str | None, failure_detail: str | None) -> None:
        """Note what the tenant's pending items wait for; None for nothing any more."""
        ...

    async def set_state(self, job_id: UUID, state: JobState) -> None: ...

    async def unfinished(self) -> Sequence[tuple[UUID, UUID]]:
        """(job id, tenant id) of every job that is not done, oldest first."""
        ...


class ConversationRepository(Protocol):
    async def add(self, conversation: Conversation) -> None: ...

    async def get(self, tenant_id: UUID, conversation_id: UUID) -> Conversation:
        """Raises ``NotFound``, also when it belongs to another tenant."""
        ...

    async def of_principal(self, tenant_id: UUID, principal_id: UUID, limit: int = 50) -> Sequence[Conversation]:
        """The latest first."""
        ...

    async def add_exchange(self, exchange: Exchange) -> None:
        """Also moves the conversation's ``updated_at``."""
        ...

    async def exchanges(self, conversation_id: UUID) -> Sequence[Exchange]: ...

    async def add_documents(self, conversation_id: UUID, document_ids: Collected[UUID]) -> None:
        """Documents that one of its answers was made from. Raises ``AlreadyExists`` like ``add_to_conversation``."""
        ...

    async def delete(self, tenant_id: UUID, conversation_id: UUID) -> Conversation:
        """With its exchanges; orders the destruction of its data key. Gives what was removed.

        Raises ``NotFound``, also when it belongs to another tenant.
        """
        ...


@dataclass(frozen=True, slots=True)
class IdempotentReply:
    """What a write answered the first time. ``body`` holds ids and numbers only."""

    request_digest: bytes
    status: int
    body: bytes


class IdempotencyRepository(Protocol):
    async def get(self, principal_id: UUID, key: str) -> IdempotentReply | None: ...

    async def add(self, principal_id: UUID, key: str, reply: IdempotentReply, at: datetime) -> None: ...

    async def delete_before(self, at: datetime, limit: int) -> int:
        """Forget at most so many replies that were added before that time; gives how many."""
        ...


class TenantPolicyRepository(Protocol):
    """Tenants' own policies. Versions are only ever added; the latest counts."""

    async def add(self, written: WrittenPolicies) -> None:
        """Raises ``PolicyChanged``, naming the latest version, unless this is the one after it."""
        ...

    async def latest(self) -> Mapping[UUID, int]:
        """The latest version's number of each tenant that has any. Cheap: every process asks this twice a second."""
        ...

    async def get(self, tenant_id: UUID, version: int | None = None) -> WrittenPolicies:
        """That version, or the latest; raises ``NotFound``."""
        ...

    async def history(self, tenant_id: UUID, limit: int) -> Sequence[PolicyVersion]:
        """The tenant's latest versions, the newest first, without their texts."""
        ...


class TransferRepository(Protocol):
    async def add(self, *records: TransferRecord) -> None:
        """For good: nothing changes or removes an entry. Raises ``AlreadyExists`` or ``IntegrityError`` for an id in use."""
        ...

    async def list(
        self, tenant_id: UUID, wanted: TransferFilter, *, after: UUID | None = None, limit: int = 100
    ) -> Sequence[TransferRecord]:
        """The tenant's entries and those that concern every tenant, the newest first, from before the cursor."""
        ...


class AuditAppender(Protocol):
    async def append(self, *events: AuditEvent) -> None:
        """Durable if and only if the unit of work commits."""
        ...


class UnitOfWork(Protocol):
    """One transaction. Leaving the block without ``commit`` rolls back.

    Raises ``DatabaseUnavailable``, ``StorageFull`` or ``SchemaOutdated``; nothing of the driver's leaks.
    """

    tenants: TenantRepository
    principals: PrincipalRepository
    credentials: CredentialRepository
    collections: CollectionRepository
    documents: DocumentRepository
    subjects: SubjectRepository
    jobs: JobRepository
    doomed_keys: DoomedKeyRepository
    conversations: ConversationRepository
    idempotency: IdempotencyRepository
    policies: TenantPolicyRepository
    transfers: TransferRepository
    holds: HoldRepository
    retention: RetentionRepository
    erasures: ErasureRepository
    erasing: ErasingRepository
    audit: AuditAppender

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def commit(self) -> None: ...


class Database(Protocol):
    """Units of work on one database."""

    def reading(self) -> UnitOfWork:
        """A transaction that only reads; cheap, and never waits for writers."""
        ...

    def writing(self) -> UnitOfWork:
        """A transaction that may write. Writers of one embedded database queue in the order they came."""
        ...

    def alone(self, work: str) -> AbstractAsyncContextManager[bool]:
        """Whether nobody else who shares this database does that work, and nobody begins to until the block ends."""
        ...

    async def ping(self) -> None:
        """Raise ``DatabaseUnavailable`` or ``SchemaOutdated`` if it cannot serve now."""
        ...

    async def close(self) -> None: ...
