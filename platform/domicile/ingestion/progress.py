"""How far a job has come, as a number."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from domicile.access.gate import Gate
from domicile.audit.events import Outcome
from domicile.crypto.keys import DataKey
from domicile.domain.actions import Action
from domicile.domain.documents import ItemState, Job, JobItem, JobState, Stage
from domicile.domain.errors import NotFound, StorageFull
from domicile.domain.principals import Caller
from domicile.ingestion.sealing import unseal_title
from domicile.policy.request import OwnedResource
from domicile.ports.keys import KeyRing
from domicile.ports.repositories import Database

#: What each stage of a pending item counts for. Embedding is most of the work, whatever the document.
_SHARE = {Stage.STORED: 0.0, Stage.PARSED: 0.1, Stage.EMBEDDED: 0.9, Stage.PUBLISHED: 1.0}

#: What to do about a component that a job waits for, by the slug of its error.
_WHAT_TO_DO = {StorageFull.slug: "Free some space; the job then goes on by itself."}
_CHECK_IT = "Check that it runs; the job then goes on by itself."


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a job waits for: ``reason`` is the slug of the component's error, the others a sentence each for people."""

    reason: str
    detail: str
    hint: str


@dataclass(frozen=True, slots=True)
class ItemView:
    """``source`` is empty once the version's key is gone: after a newer version, or after the document was deleted."""

    source: str
    document_id: UUID
    state: ItemState
    stage: Stage
    failure: str | None
    detail: str | None


@dataclass(frozen=True, slots=True)
class JobView:
    """``progress`` goes from 0 to 1 and never back; failed items count as done. A job that waits is tried again by itself."""

    id: UUID
    state: JobState
    total: int
    added: int
    unchanged: int
    failed: int
    progress: float
    waiting: Waiting | None
    items: tuple[ItemView, ...]


class Progress:
    """Shows jobs to those who may see them. ``poll_seconds`` is how often a watched job is looked at."""

    def __init__(self, *, database: Database, keys: KeyRing, gate: Gate, poll_seconds: float = 0.25) -> None:
        self._database = database
        self._keys = keys
        self._gate = gate
        self._poll_seconds = poll_seconds

    async def get(self, caller: Caller, job_id: UUID) -> JobView:
        """The job as it is now; raises ``NotFound`` or ``Forbidden``."""
        job, sources = await self._permitted(caller, job_id)
        return _view(job, sources)

    async def watch(self, caller: Caller, job_id: UUID) -> AsyncIterator[JobView]:
        """The job now and after each change, until it is done. Decided and recorded once, when watching begins."""
        job, sources = await self._permitted(caller, job_id)
        shown = _view(job, sources)
        yield shown
        while shown.state is not JobState.DONE:
            await asyncio.sleep(self._poll_seconds)
            async with self._database.reading() as unit:
                view = _view(await unit.jobs.get(caller.tenant.id, job_id), sources)
            if view != shown:
                shown = view
                yield shown

    async def _permitted(self, caller: Caller, job_id: UUID) -> tuple[Job, dict[UUID, str]]:
        """The job and its items' sources, which are content, once the access is recorded."""
        try:
            async with self._database.reading() as unit:
                job = await unit.jobs.get(caller.tenant.id, job_id)
        except NotFound:
            await self._refuse(caller, job_id)
            raise
        resource = OwnedResource("job", job.id, job.tenant_id, job.principal_id)
        decision = await self._gate.require(caller, Action.JOB_READ, resource)
        await self._gate.record(caller, Action.JOB_READ, resource, Outcome.PERMITTED, decision)
        async with self._gate.completing(caller, Action.JOB_READ, resource, decision):
            return job, await self._sources(job)

    async def _refuse(self, caller: Caller, job_id: UUID) -> None:
        asked = OwnedResource("job", job_id, caller.tenant.id, caller.principal.id)
        event = self._gate.event(caller, Action.JOB_READ, asked, Outcome.DENIED, reason=NotFound.slug)
        async with self._database.writing() as unit:
            await unit.audit.append(event)
            await unit.commit()

    async def _sources(self, job: Job) -> dict[UUID, str]:
        """The source of each item by its id, of those whose data key still exists."""
        keys = await self._keys.open_existing(job.tenant_id, frozenset(item.data_key_id for item in job.items))
        return {item.id: _source(item, keys[item.data_key_id]) for item in job.items if item.data_key_id in keys}


def _source(item: JobItem, key: DataKey) -> str:
    return unseal_title(key, item.attributes, item.version_id, item.title_envelope).source


def _view(job: Job, sources: dict[UUID, str]) -> JobView:
    counts = Counter(item.state for item in job.items)
    done = sum(_SHARE[item.stage] if item.state is ItemState.PENDING else 1.0 for item in job.items)
    return JobView(
        id=job.id,
        state=job.state,
        total=len(job.items),
        added=counts[ItemState.ADDED],
        unchanged=counts[ItemState.UNCHANGED],
        failed=counts[ItemState.FAILED],
        progress=round(done / len(job.items), 4) if job.items else 1.0,
        waiting=next((_waiting(item) for item in job.items if item.state is ItemState.PENDING and item.failure), None),
        items=tuple(_item_view(item, sources.get(item.id, "")) for item in job.items),
    )


def _waiting(item: JobItem) -> Waiting:
    reason = item.failure or ""
    return Waiting(reason, item.failure_detail or "", _WHAT_TO_DO.get(reason, _CHECK_IT))


def _item_view(item: JobItem, source: str) -> ItemView:
    """A pending item has not failed, whatever it waits for."""
    failed = item.state is ItemState.FAILED
    failure, detail = (item.failure, item.failure_detail) if failed else (None, None)
    return ItemView(source, item.document_id, item.state, item.stage, failure, detail)
