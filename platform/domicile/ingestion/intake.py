"""Accepting documents: decide, recognise what is known already, spool encrypted, and hand a job to the queue.

Obligations, labelled where they are met:

1. Policy and region are decided before anything is stored, and a refusal is recorded before it is told.
2. Data keys are in the key store, and originals in the blob store, encrypted, before the job that names them exists; what a
   failure leaves behind is swept away.
3. One transaction adds the job and the audit event. From then on the job is never lost.
4. One file that cannot be taken does not keep the others out.
5. What a file without marks inherits is read in that transaction, in which no other job is added to the collection: of two
   requests at the same time, neither may open what the other restricts.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from uuid import UUID

from domicile.access.gate import Gate
from domicile.access.holds import held
from domicile.access.naming import group_ids, owner_id
from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import Collection, Document, DocumentAttributes, ItemState, Job, JobState
from domicile.domain.errors import Forbidden, NotFound, RegionRefused
from domicile.domain.marks import NOTHING_SAID, Marking
from domicile.domain.principals import Caller
from domicile.domain.subjects import identifiers, subject_digest
from domicile.domain.values import Region
from domicile.ingestion.drafts import Draft, IntakeLimits, Upload, draft_all
from domicile.ingestion.placement import Placement
from domicile.ingestion.spool import Spool
from domicile.policy.request import CollectionResource, Decision
from domicile.ports.blobs import BlobStore
from domicile.ports.clock import Clock
from domicile.ports.jobs import JobQueue
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import Database, UnitOfWork

__all__ = ["Intake", "IntakeLimits", "Upload"]


_MARKS_HINT = "Give it marks that cover no more than you may read, leave its owner as it is, or ask an administrator."


Placed = Sequence[tuple[Draft, DocumentAttributes]]


class Intake:
    """Takes documents in for ingestion."""

    def __init__(
        self,
        *,
        database: Database,
        keys: KeyRing,
        blobs: BlobStore,
        queue: JobQueue,
        gate: Gate,
        clock: Clock,
        limits: IntakeLimits,
    ) -> None:
        self._database = database
        self._keys = keys
        self._blobs = blobs
        self._queue = queue
        self._gate = gate
        self._clock = clock
        self._limits = limits

    async def submit(
        self,
        caller: Caller,
        collection_id: UUID,
        uploads: Sequence[Upload],
        *,
        marking: Marking = NOTHING_SAID,
        region: str | None = None,
        reject_single: bool = False,
    ) -> Job:
        """The job, with an item for each upload in its order; items that need no work are finished already.

        What ``marking`` leaves out a document keeps as it is, or as its pending versions will be; a new one gets it from its
        collection, and belongs to the caller.
        ``region``, if given, has to be where the collection is. With ``reject_single`` the only upload of a request raises
        what would otherwise be its item's failure. Raises ``Forbidden``, ``NotFound``, ``RegionRefused`` or ``CallerError``
        before anything is stored.
        """
        self._limits.check_request(uploads)
        collection = await self._collection(caller, collection_id)
        decision = await self._decide(caller, collection, region)  # (1)
        digest_key = await self._keys.digest_key(caller.tenant.id)
        placement = await self._placement(caller, collection, marking, digest_key)
        drafts = await asyncio.to_thread(draft_all, uploads, collection, digest_key, self._limits)
        placed = await self._placed(caller, placement, drafts)
        if reject_single and len(drafts) == 1 and drafts[0].error:
            raise drafts[0].error
        job = await self._accept(caller, decision, placement, placed)
        if job.state is not JobState.DONE:
            await self._queue.enqueue(job.id, job.tenant_id)
        return job

    async def resume(self) -> int:
        """Enqueue again what was accepted but is not done, such as after a crash right before enqueueing; gives how many."""
        async with self._database.reading() as unit:
            unfinished = await unit.jobs.unfinished()
        for job_id, tenant_id in unfinished:
            await self._queue.enqueue(job_id, tenant_id)
        return len(unfinished)

    async def _collection(self, caller: Caller, collection_id: UUID) -> Collection:
        try:
            async with self._database.reading() as unit:
                return await unit.collections.get(caller.tenant.id, collection_id)
        except NotFound:
            asked = CollectionResource(caller.tenant.id, collection_id, self._gate.cell_region)
            await self._refuse(caller, asked, NotFound.slug)
            raise

    async def _decide(self, caller: Caller, collection: Collection, region: str | None) -> Decision:
        resource = CollectionResource.of(collection)
        decision = await self._gate.require(caller, Action.DOCUMENT_CREATE, resource)
        if region is not None and Region(region) != collection.region:
            await self._refuse(caller, resource, RegionRefused.slug)
            raise RegionRefused(
                f"This collection is in region '{collection.region}', not in '{region}'.", region=collection.region.name
            )
        return decision

    async def _refuse(self, caller: Caller, resource: CollectionResource, reason: str) -> None:
        event = self._gate.event(caller, Action.DOCUMENT_CREATE, resource, Outcome.DENIED, reason=reason)
        async with self._database.writing() as unit:
            await unit.audit.append(event)
            await unit.commit()

    async def _placement(self, caller: Caller, collection: Collection, marking: Marking, digest_key: bytes) -> Placement:
        async with self._database.reading() as unit:
            groups = None if marking.groups is None else await group_ids(unit, caller.tenant.id, marking.groups)
            owner = None
            if marking.owner is not None:
                owner = await owner_id(unit, self._keys, caller.tenant.id, marking.owner)
        return Placement(
            collection=collection,
            submitter=caller.principal.id,
            classification=marking.classification,
            groups=groups,
            owner=owner,
            labels=marking.labels,
            personal_data=marking.personal_data,
            validity=marking.validity,
            subjects=None if marking.subjects is None else _digests(digest_key, marking.subjects),
        )

    async def _placed(self, caller: Caller, placement: Placement, drafts: Sequence[Draft]) -> Placed:
        """Each draft with the attributes that it is to have; what may not be, or is there already, is settled by now."""
        async with self._database.reading() as unit:
            ids = [draft.document_id for draft in drafts]
            published, known = await _versions(unit, caller.tenant.id, ids)
            about = await unit.subjects.of_documents(caller.tenant.id, ids)
        placed = [(draft, _compared(draft, published, known, placement, about)) for draft in drafts]
        await self._decide_each(caller, placed, known)  # (1)
        await self._keep_held(caller, placed)
        return placed

    async def _accept(self, caller: Caller, decision: Decision, placement: Placement, placed: Placed) -> Job:
        spool = Spool(blobs=self._blobs, keys=self._keys, clock=self._clock, tenant_id=caller.tenant.id)
        accepted = False
        try:
            job = await self._spooled(caller, placement, placed, spool)  # (2)
            job = await self._record(caller, decision, placement, job)  # (3)
            accepted = True
        finally:
            if not accepted:
                await spool.discard()
        return job

    async def _spooled(self, caller: Caller, placement: Placement, placed: Placed, spool: Spool) -> Job:
        job_id = self._clock.new_id()
        items = await spool.take(job_id, placed, placement.subjects)
        pending = any(item.state is ItemState.PENDING for item in items)
        return Job(
            id=job_id,
            tenant_id=caller.tenant.id,
            collection_id=placement.collection.id,
            principal_id=caller.principal.id,
            state=JobState.QUEUED if pending else JobState.DONE,
            created_at=self._clock.now(),
            items=items,
        )

    async def _decide_each(self, caller: Caller, placed: Placed, known: Mapping[UUID, set[DocumentAttributes]]) -> None:
        """Fails what the caller may not bring in as it is marked, or may not replace as it was marked before.

        Another owner could withdraw it; so whoever gives it one has to be allowed to withdraw it themselves.
        """
        for draft, attributes in placed:
            if draft.state is not ItemState.PENDING:
                continue
            before = known[draft.document_id] - {attributes}
            refused = await self._is_refused(caller, Action.DOCUMENT_CREATE, [attributes, *before])
            if refused or await self._is_refused(caller, Action.DOCUMENT_DELETE, _taken_over(attributes, before)):
                draft.fail(Forbidden("This document may not be brought in with these marks.", hint=_MARKS_HINT))

    async def _keep_held(self, caller: Caller, placed: Placed) -> None:
        """Fails new versions of what a legal hold keeps, now rather than when they would be published, which looks again."""
        news = [(draft, attributes) for draft, attributes in placed if draft.state is ItemState.PENDING]
        async with self._database.reading() as unit:
            kept = await unit.holds.on_documents(caller.tenant.id, [draft.document_id for draft, _ in news])
        for draft, attributes in news:
            if hold := kept.get(draft.document_id):
                (decision,) = self._gate.decide_each(caller, Action.DOCUMENT_CREATE, [attributes])
                draft.fail(await held(self._gate, caller, Action.DOCUMENT_CREATE, attributes, decision, hold))

    async def _is_refused(self, caller: Caller, action: Action, resources: Sequence[DocumentAttributes]) -> bool:
        """Whether that is refused on any of them, which is then recorded."""
        for resource, decision in zip(resources, self._gate.decide_each(caller, action, resources), strict=True):
            if not decision.allowed:
                await self._gate.record(caller, action, resource, Outcome.DENIED, decision)
                return True
        return False

    async def _record(self, caller: Caller, decision: Decision, placement: Placement, job: Job) -> Job:
        counts = Counter(item.state.value for item in job.items)
        event = self._gate.event(
            caller,
            Action.DOCUMENT_CREATE,
            CollectionResource.of(placement.collection),
            Outcome.PERMITTED,
            documents=tuple(item.document_id for item in job.items if item.state is ItemState.PENDING),
            policies=decision.policies,
            bundle_digest=decision.bundle_digest,
            detail=(("job", str(job.id)), *sorted(counts.items())),
        )
        async with self._database.writing() as unit:
            await unit.jobs.turn_to_add(job.collection_id)
            job = await _placed_again(unit, placement, job)  # (5)
            await unit.jobs.add(job)
            await unit.audit.append(event)
            await unit.commit()
        return job


def _digests(digest_key: bytes, subjects: Sequence[str]) -> frozenset[bytes]:
    return frozenset(subject_digest(digest_key, each) for each in identifiers(subjects))


def _compared(
    draft: Draft,
    published: Mapping[UUID, Document],
    known: Mapping[UUID, set[DocumentAttributes]],
    placement: Placement,
    about: Mapping[UUID, frozenset[bytes]],
) -> DocumentAttributes:
    id_ = draft.document_id
    return draft.compare(published.get(id_), known[id_], placement, about[id_])


def _taken_over(attributes: DocumentAttributes, before: Set[DocumentAttributes]) -> Sequence[DocumentAttributes]:
    """What the document was before, if it gets an owner that it had in no version."""
    return [] if any(each.owner == attributes.owner for each in before) else [*before]


async def _placed_again(unit: UnitOfWork, placement: Placement, job: Job) -> Job:
    """The job with the marks that its documents inherit by now; those found first still count, as they may have gone since."""
    if not placement.inherits:
        return job
    pending = [item.document_id for item in job.items if item.state is ItemState.PENDING]
    _, known = await _versions(unit, job.tenant_id, pending)
    items = (
        replace(item, attributes=placement.attributes(item.document_id, known[item.document_id] | {item.attributes}))
        if item.state is ItemState.PENDING
        else item
        for item in job.items
    )
    return replace(job, items=tuple(items))


async def _versions(
    unit: UnitOfWork, tenant_id: UUID, document_ids: Sequence[UUID]
) -> tuple[dict[UUID, Document], dict[UUID, set[DocumentAttributes]]]:
    """The documents that are published, and the attributes of every version of each, published or pending.

    Pending ones are read first: one that is published in between is then seen twice, and not missed.
    """
    pending = await unit.jobs.pending_of(tenant_id, document_ids)
    published = await unit.documents.many(document_ids, tenant_id)
    known: dict[UUID, set[DocumentAttributes]] = {document_id: set() for document_id in document_ids}
    for attributes in (*(item.attributes for item in pending), *(document.attributes for document in published.values())):
        known[attributes.document_id].add(attributes)
    return published, known
