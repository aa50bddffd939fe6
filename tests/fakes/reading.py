"""A cell with documents in it: a real database, real policies and envelopes; index, keys, blobs and audit log in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from uuid import UUID

import msgspec
from tests.fakes import people
from tests.fakes.audit_log import MemoryAuditLog
from tests.fakes.blobs import MemoryBlobStore
from tests.fakes.clock import FixedClock
from tests.fakes.embedder import HashEmbedder, HashSparseEncoder
from tests.fakes.keys import MemoryKeyRing
from tests.fakes.people import HOME, uid
from tests.fakes.policy import shipped_decisions
from tests.fakes.receipts import memory_receipts
from tests.fakes.vector_index import InMemoryVectorIndex

from domicile.access.gate import Gate
from domicile.access.inforce import PoliciesInForce
from domicile.access.transfers import TransferRegister
from domicile.adapters.db.database import SqlDatabase
from domicile.answers.conversations import Conversations
from domicile.answers.history import History
from domicile.answers.service import Answers
from domicile.audit.events import AuditEvent, Outcome
from domicile.crypto.context import EncryptionContext, Part
from domicile.crypto.envelope import seal
from domicile.domain.documents import Collection, Document, DocumentAttributes, DocumentTitle, DocumentVersion
from domicile.domain.principals import Caller, Principal, Tenant
from domicile.domain.values import Classification
from domicile.policy.decision import DecisionPoint
from domicile.ports.generator import Generator
from domicile.ports.vector_index import IndexPoint
from domicile.retrieval.library import Library
from domicile.retrieval.search import Retriever, Search

ACME, GLOBEX = people.tenant("acme"), people.tenant("globex")
HANDBOOK, CONTRACTS = people.collection("handbook", ACME), people.collection("contracts", ACME)
FOREIGN = people.collection("handbook", GLOBEX)
FINANCE, LEGAL = people.group("finance", ACME), people.group("legal", ACME)
MIA = people.principal("mia", ACME, groups=[FINANCE.id])
BEN = people.principal("ben", ACME, clearance=Classification.RESTRICTED)
GIA = people.principal("gia", GLOBEX)


def as_caller(who: Principal = MIA, **grant: Iterable[object]) -> Caller:
    """A request by that person, in their own tenant."""
    return people.caller(who, GLOBEX if who.tenant_id == GLOBEX.id else ACME, **grant)  # type: ignore[arg-type]


class CountingTelemetry:
    """Implements the ``Telemetry`` port; remembers what was counted."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    @contextmanager
    def span(self, name: str, **attributes: str | int | float | bool) -> Iterator[None]:
        yield

    def count(self, name: str, amount: int = 1, **attributes: str | int | float | bool) -> None:
        self.counts[name] += amount

    def trace_id(self) -> str:
        return ""


@dataclass
class ReadingCell:
    """``prepare`` fills in tenants, people, groups and collections; ``publish`` adds a document as ingestion would."""

    database: SqlDatabase
    log: MemoryAuditLog = field(default_factory=MemoryAuditLog)
    clock: FixedClock = field(default_factory=FixedClock)
    keys: MemoryKeyRing = field(default_factory=MemoryKeyRing)
    blobs: MemoryBlobStore = field(default_factory=MemoryBlobStore)
    index: InMemoryVectorIndex = field(default_factory=lambda: InMemoryVectorIndex(64))
    embedder: HashEmbedder = field(default_factory=HashEmbedder)
    sparse: HashSparseEncoder = field(default_factory=HashSparseEncoder)
    telemetry: CountingTelemetry = field(default_factory=CountingTelemetry)
    decisions: DecisionPoint = field(default_factory=shipped_decisions)

    def __post_init__(self) -> None:
        self.in_force = PoliciesInForce(self.decisions)
        self.gate = Gate(self.in_force, self.log, self.clock, HOME)
        self.transfers = TransferRegister(database=self.database, gate=self.gate, clock=self.clock)
        self.retriever = Retriever(
            database=self.database,
            index=self.index,
            embedder=self.embedder,
            sparse=self.sparse,
            keys=self.keys,
            gate=self.gate,
            telemetry=self.telemetry,
            max_question_chars=400,
        )
        self.search = Search(retriever=self.retriever, gate=self.gate)
        self.library = Library(database=self.database, blobs=self.blobs, keys=self.keys, gate=self.gate, clock=self.clock)
        self.history = History(database=self.database, keys=self.keys, clock=self.clock, region=HOME)
        self.conversations = Conversations(database=self.database, history=self.history, gate=self.gate)

    def answers(self, generator: Generator) -> Answers:
        return Answers(
            retriever=self.retriever,
            generator=generator,
            gate=self.gate,
            transfers=self.transfers,
            history=self.history,
            database=self.database,
            clock=self.clock,
            receipts=memory_receipts(self.clock),
        )

    def events(self, outcome: Outcome) -> list[AuditEvent]:
        return [event for event in self.log.events if event.outcome is outcome]

    async def prepare(self) -> ReadingCell:
        async with self.database.writing() as unit:
            for tenant in (ACME, GLOBEX):
                await unit.tenants.add(tenant)
            for group in (FINANCE, LEGAL):
                await unit.principals.add_group(group)
            for who in (MIA, BEN, GIA):
                await unit.principals.add(who, None)
            for collection in (HANDBOOK, CONTRACTS, FOREIGN):
                await unit.collections.add(collection)
            await unit.commit()
        return self

    async def publish(
        self,
        name: str,
        *texts: str,
        collection: Collection = HANDBOOK,
        classification: Classification = Classification.INTERNAL,
        groups: Sequence[UUID] = (),
        version: int = 1,
        visible: bool = True,
    ) -> Document:
        """A document of one chunk per text. Not ``visible``: only its points are written, as after a crash."""
        tenant = GLOBEX if collection.tenant_id == GLOBEX.id else ACME
        attributes = people.document(name, tenant, in_collection=collection, classification=classification, groups=groups)
        document = await self._document(tenant, attributes, name, version, len(texts))
        key = self.keys.keys[tenant.id, document.version.data_key_id]
        points, start = [], 0
        for ordinal, text in enumerate(texts):
            body = {"text": text, "start": start, "end": start + len(text), "headings": ["Part one"], "page": None}
            context = self._context(document, Part.CHUNK, f"/{ordinal}")
            points.append(
                IndexPoint(
                    chunk_id=uid(f"{document.version.id}/{ordinal}"),
                    version_id=document.version.id,
                    ordinal=ordinal,
                    attributes=attributes,
                    dense=await self.embedder.embed_query(text),
                    sparse=self.sparse.encode_query(text),
                    envelope=seal(key, context, msgspec.json.encode(body)),
                )
            )
            start += len(text) + 2
        await self.index.upsert(points)
        whole = "\n\n".join(texts).encode()
        for part in (Part.TEXT, Part.ORIGINAL):
            path = f"{tenant.id}/{document.id}/{document.version.id}/{part.value}"
            await self.blobs.put(path, seal(key, self._context(document, part), whole))
        if visible:
            async with self.database.writing() as unit:
                await unit.documents.publish(document)
                await unit.commit()
        return document

    async def _document(self, tenant: Tenant, attributes: DocumentAttributes, name: str, version: int, chunks: int) -> Document:
        version_id, key_id = uid(f"version/{tenant.slug}/{name}/{version}"), uid(f"key/{tenant.slug}/{name}/{version}")
        (key,) = await self.keys.create(tenant.id, [key_id])
        now = self.clock.now()
        title = DocumentTitle(f"The {name}", f"docs/{name}.md", "text/markdown", "en")
        draft = DocumentVersion(version_id, attributes.document_id, key_id, b"digest", b"", 1234, chunks, now)
        document = Document(attributes, uid(f"source/{name}").bytes, draft, now)
        envelope = seal(key, self._context(document, Part.TITLE), msgspec.json.encode(title))
        return replace(document, version=replace(draft, title_envelope=envelope))

    @staticmethod
    def _context(document: Document, part: Part, suffix: str = "") -> EncryptionContext:
        attributes = document.attributes
        version = f"{document.version.id}{suffix}"
        return EncryptionContext(attributes.tenant_id, attributes.region, document.id, version, part)
