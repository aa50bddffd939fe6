"""A cell for ingestion tests: the real database, policies and envelopes; index, blobs, models and queue in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from tests.fakes.audit_log import MemoryAuditLog
from tests.fakes.blobs import MemoryBlobStore
from tests.fakes.clock import FixedClock
from tests.fakes.embedder import HashEmbedder, HashSparseEncoder, WholeTextCounter
from tests.fakes.jobs import MemoryJobQueue
from tests.fakes.keys import MemoryKeyRing
from tests.fakes.parser import PlainParser
from tests.fakes.people import HOME, caller, collection, group, principal, stored, tenant
from tests.fakes.policy import shipped_in_force
from tests.fakes.vector_index import InMemoryVectorIndex

from domicile.access.gate import Gate
from domicile.access.profiles import login_digest
from domicile.adapters.db.audit_store import SqlAuditLog
from domicile.adapters.db.database import SqlDatabase
from domicile.audit.events import AuditEvent
from domicile.domain.documents import Document, Job, JobItem
from domicile.domain.marks import Marking
from domicile.domain.principals import Caller
from domicile.domain.values import Classification, Role
from domicile.ingestion.intake import Intake, IntakeLimits, Upload
from domicile.ingestion.pipeline import Models, Pipeline
from domicile.ingestion.progress import Progress
from domicile.ingestion.stores import Stores
from domicile.ingestion.withdrawal import Withdrawal
from domicile.policy.scope import Everything, RetrievalScope

ALL = RetrievalScope(Everything(), (), "")
ACME, GLOBEX = tenant("acme"), tenant("globex")
HANDBOOK, FOREIGN = collection("handbook", ACME), collection("handbook", GLOBEX)
FINANCE, BOARD = group("finance", ACME), group("board", ACME)
ADMIN = principal("ada", ACME, role=Role.ADMINISTRATOR, clearance=Classification.RESTRICTED)
MEMBER = principal("mia", ACME)
CURATOR = principal("cora", ACME, role=Role.CURATOR)
RIVAL = principal("gil", GLOBEX, role=Role.ADMINISTRATOR, clearance=Classification.RESTRICTED)

SMALL = IntakeLimits(document_bytes=100_000, documents=16)


@dataclass
class IngestCell:
    """``database`` is empty when it comes; ``populate`` adds two tenants with a collection each."""

    database: SqlDatabase
    limits: IntakeLimits = SMALL
    window_chunks: int = 8
    clock: FixedClock = field(default_factory=FixedClock)
    keys: MemoryKeyRing = field(default_factory=MemoryKeyRing)
    blobs: MemoryBlobStore = field(default_factory=MemoryBlobStore)
    index: InMemoryVectorIndex = field(default_factory=lambda: InMemoryVectorIndex(64))
    embedder: HashEmbedder = field(default_factory=HashEmbedder)
    parser: PlainParser = field(default_factory=PlainParser)
    queue: MemoryJobQueue = field(default_factory=MemoryJobQueue)

    def __post_init__(self) -> None:
        self.log = MemoryAuditLog()
        self.gate = Gate(shipped_in_force(), self.log, self.clock, HOME)
        self.stores = Stores(self.database, self.keys, self.blobs, self.index)
        self.intake = Intake(
            database=self.database,
            keys=self.keys,
            blobs=self.blobs,
            queue=self.queue,
            gate=self.gate,
            clock=self.clock,
            limits=self.limits,
        )
        self.pipeline = Pipeline(
            stores=self.stores,
            models=Models(self.embedder, HashSparseEncoder(), WholeTextCounter()),
            parser=self.parser,
            clock=self.clock,
            gate=self.gate,
            window_chunks=self.window_chunks,
        )
        self.progress = Progress(database=self.database, keys=self.keys, gate=self.gate, poll_seconds=0.01)
        self.withdrawal = Withdrawal(database=self.database, keys=self.keys, index=self.index, blobs=self.blobs, gate=self.gate)
        self.admin = caller(ADMIN, ACME)
        self.member = caller(MEMBER, ACME)
        self.curator = caller(CURATOR, ACME)
        self.rival = caller(RIVAL, GLOBEX)

    async def populate(self) -> None:
        async with self.database.writing() as unit:
            for owner in (ACME, GLOBEX):
                await unit.tenants.add(owner)
            for person in (ADMIN, MEMBER, CURATOR, RIVAL):
                await unit.principals.add(stored(person, await login_digest(self.keys, person.login)), None)
            for circle in (FINANCE, BOARD):
                await unit.principals.add_group(circle)
            for place in (HANDBOOK, FOREIGN):
                await unit.collections.add(place)
            await unit.commit()

    async def submit(
        self,
        *files: tuple[str, str | bytes],
        by: Caller | None = None,
        region: str | None = None,
        reject_single: bool = False,
        **marks: Any,
    ) -> Job:
        """Submit files given as (source, text) to the handbook, without running the job; ``marks`` as in ``Marking``."""
        uploads = [Upload(name, text.encode() if isinstance(text, str) else text) for name, text in files]
        marking = Marking(**marks)
        return await self.intake.submit(
            by or self.admin, HANDBOOK.id, uploads, marking=marking, region=region, reject_single=reject_single
        )

    async def ingest(self, *files: tuple[str, str | bytes], **marks: object) -> Job:
        """Submit and run; the job as it is afterwards."""
        job = await self.submit(*files, **marks)
        await self.pipeline.run(job.id, job.tenant_id)
        return await self.job(job.id)

    async def job(self, job_id: UUID) -> Job:
        async with self.database.reading() as unit:
            return await unit.jobs.get(ACME.id, job_id)

    async def documents(self) -> Sequence[Document]:
        async with self.database.reading() as unit:
            return await unit.documents.list(ALL)

    async def document(self, item: JobItem) -> Document:
        async with self.database.reading() as unit:
            return await unit.documents.get(item.attributes.tenant_id, item.document_id)

    async def subjects(self, item: JobItem) -> frozenset[bytes]:
        """Whom the item's document is about."""
        async with self.database.reading() as unit:
            return (await unit.subjects.of_documents(ACME.id, [item.document_id]))[item.document_id]

    async def events(self) -> list[AuditEvent]:
        """What use cases recorded in their own transactions, oldest first."""
        entries = await SqlAuditLog(self.database).read(None, limit=1000, newest_first=False)
        return [entry.event for entry in entries]

    async def keys_left(self, *key_ids: UUID) -> set[UUID]:
        return set(await self.keys.open_existing(ACME.id, frozenset(key_ids)))

    async def withdraw_during(self, store: object, method: str, item: JobItem) -> None:
        """Have the document withdrawn right after the next call of that store's method, in the middle of a run."""
        call = getattr(store, method)

        async def and_withdraw(*arguments: object) -> object:
            result = await call(*arguments)
            setattr(store, method, call)
            await self.withdrawal.delete(self.admin, item.document_id)
            return result

        setattr(store, method, and_withdraw)

    async def sweep_everything(self) -> None:
        await self.pipeline.sweep(timedelta(0))

    async def contents(self) -> tuple[object, ...]:
        """Everything that the stores hold, to show that an attack changed nothing."""
        async with self.database.reading() as unit:
            unfinished = await unit.jobs.unfinished()
        return (*await self.documents(), *unfinished, *sorted(self.blobs.blobs), *sorted(self.index.points))


def with_limits(cell: IngestCell, **changes: int) -> IngestCell:
    """The same cell with other intake limits."""
    return replace(cell, limits=replace(cell.limits, **changes))
