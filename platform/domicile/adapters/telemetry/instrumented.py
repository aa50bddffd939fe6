"""Ports with a span around each call, so that no use case has to think of telemetry."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domicile.audit.events import AuditEntry, AuditEvent
from domicile.domain.values import Region
from domicile.policy.scope import RetrievalScope
from domicile.ports.audit_log import AuditLog
from domicile.ports.embedder import Embedder
from domicile.ports.generator import Finished, GenerationEvent, GenerationRequest, Generator
from domicile.ports.parser import ParsedDocument, Parser
from domicile.ports.telemetry import Telemetry
from domicile.ports.vector_index import IndexHit, IndexPoint, Ranked, SparseVector, Vector, VectorIndex


@dataclass(slots=True)
class InstrumentedIndex:
    inner: VectorIndex
    telemetry: Telemetry

    async def upsert(self, points: Sequence[IndexPoint]) -> None:
        with self.telemetry.span("domicile.index.upsert", domicile__points=len(points)):
            await self.inner.upsert(points)

    async def nearest(self, dense: Vector, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        with self.telemetry.span("domicile.index.nearest"):
            return await self.inner.nearest(dense, scope, limit)

    async def matching(self, sparse: SparseVector, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        with self.telemetry.span("domicile.index.matching"):
            return await self.inner.matching(sparse, scope, limit)

    async def fetch(self, chunk_ids: Sequence[UUID]) -> dict[UUID, IndexHit]:
        return await self.inner.fetch(chunk_ids)

    async def replace_envelopes(self, envelopes: Mapping[UUID, bytes]) -> None:
        with self.telemetry.span("domicile.index.replace"):
            await self.inner.replace_envelopes(envelopes)

    async def delete_versions(self, version_ids: Sequence[UUID]) -> None:
        with self.telemetry.span("domicile.index.delete"):
            await self.inner.delete_versions(version_ids)

    async def count(self, scope: RetrievalScope) -> int:
        return await self.inner.count(scope)

    async def version_ids(self) -> frozenset[UUID]:
        return await self.inner.version_ids()

    async def ping(self) -> None:
        await self.inner.ping()

    async def close(self) -> None:
        await self.inner.close()


@dataclass(slots=True)
class InstrumentedEmbedder:
    inner: Embedder
    telemetry: Telemetry

    @property
    def model(self) -> str:
        return self.inner.model

    @property
    def dimensions(self) -> int:
        return self.inner.dimensions

    @property
    def dtype(self) -> str:
        return self.inner.dtype

    async def embed_query(self, text: str) -> Vector:
        with self.telemetry.span("domicile.embed.query"):
            return await self.inner.embed_query(text)

    async def embed_passages(self, texts: Sequence[str]) -> Vector:
        with self.telemetry.span("domicile.embed.passages", domicile__texts=len(texts)):
            return await self.inner.embed_passages(texts)

    async def close(self) -> None:
        await self.inner.close()


@dataclass(slots=True)
class InstrumentedParser:
    inner: Parser
    telemetry: Telemetry

    async def parse(self, content: bytes, filename: str) -> ParsedDocument:
        with self.telemetry.span("domicile.parse", domicile__bytes=len(content)):
            return await self.inner.parse(content, filename)

    async def close(self) -> None:
        await self.inner.close()


@dataclass(slots=True)
class InstrumentedAuditLog:
    inner: AuditLog
    telemetry: Telemetry

    async def append(self, *events: AuditEvent) -> None:
        with self.telemetry.span("domicile.audit.append"):
            await self.inner.append(*events)
        for event in events:
            self.telemetry.count("domicile.audit.events", domicile__outcome=event.outcome.value)

    async def read(
        self,
        tenant_id: UUID | None,
        *,
        after: int = 0,
        limit: int = 100,
        newest_first: bool = True,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Sequence[AuditEntry]:
        return await self.inner.read(tenant_id, after=after, limit=limit, newest_first=newest_first, since=since, until=until)


@dataclass(slots=True)
class InstrumentedGenerator:
    """Counts answers and tokens by model. Without a span: it would end in whatever context closes the stream."""

    inner: Generator
    telemetry: Telemetry

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def region(self) -> Region:
        return self.inner.region

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        async with aclosing(self.inner.generate(request)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    self._count(event)
                yield event

    async def ping(self) -> None:
        await self.inner.ping()

    async def close(self) -> None:
        await self.inner.close()

    def _count(self, end: Finished) -> None:
        outcome = "answered" if end.answered else "nothing-found"
        self.telemetry.count("domicile.answers", gen_ai__request__model=self.name, domicile__outcome=outcome)
        for kind, tokens in (("input", end.prompt_tokens), ("output", end.completion_tokens)):
            if tokens:
                self.telemetry.count(
                    "gen_ai.client.token.usage", tokens, gen_ai__request__model=self.name, gen_ai__token__type=kind
                )
