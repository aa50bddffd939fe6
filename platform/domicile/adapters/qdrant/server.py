"""The vector index on a Qdrant server or cluster.

Importing the client takes two seconds, so it happens when an index is made and not when this module is imported.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from pathlib import Path
from ssl import SSLContext
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from domicile.adapters.qdrant.filters import Condition, compile_scope, reduce_scope
from domicile.adapters.qdrant.points import (
    DENSE,
    HIT_FIELDS,
    INTEGERS,
    KEYWORDS,
    SPARSE,
    SPARSE_FULL_SCAN_POINTS,
    VERSION,
    batches,
    collection_name,
    envelope_payload,
    hit_of,
    payload_of,
)
from domicile.domain.errors import CERTIFICATE_HINT, ConfigurationError, StorageFull, VectorIndexUnavailable
from domicile.policy.scope import Field, Nothing, RetrievalScope
from domicile.ports.point_store import SealedPoint, StoredTerms
from domicile.ports.tls import TlsFiles
from domicile.ports.vector_index import IndexHit, Ranked, SparseVector, Vector

if TYPE_CHECKING:
    from qdrant_client import AsyncQdrantClient, models

T = TypeVar("T")

#: Points of one request; at some kilobytes a point it stays far below the 4 MiB that gRPC takes.
UPSERT_POINTS = 64
#: Versions that one facet lists at most.
MOST_VERSIONS = 10_000_000
#: Seconds that one request may take, and the pauses before it is sent again after a transient failure.
TIMEOUT_SECONDS = 15
PAUSES_SECONDS = (0.1, 0.5)
#: How the two interfaces' clients say that a certificate cannot be trusted, or that there is no TLS.
_UNTRUSTED = ("Tls handshake failed", "Hostname Verification Check failed", "CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER")
#: The oldest server that the layout was tried with.
OLDEST_SERVER = (1, 19)


class ServerDialect:
    """Filters in the client's classes."""

    def __init__(self) -> None:
        from qdrant_client import models

        self.models = models

    def one_of(self, key: str, values: Sequence[str] | Sequence[int]) -> Condition:
        return self.models.FieldCondition(key=key, match=self.models.MatchAny(any=list(values)))  # type: ignore[arg-type]

    def between(self, key: str, low: int | None, high: int | None) -> Condition:
        return self.models.FieldCondition(key=key, range=self.models.Range(gte=low, lte=high))

    def empty(self, key: str) -> Condition:
        return self.models.IsEmptyCondition(is_empty=self.models.PayloadField(key=key))

    def filter(
        self, *, must: Sequence[Condition] = (), should: Sequence[Condition] = (), must_not: Sequence[Condition] = ()
    ) -> models.Filter:
        return self.models.Filter(must=list(must) or None, should=list(should) or None, must_not=list(must_not) or None)


class ServerVectorIndex:
    """Implements ``ports.point_store.PointStore``. The collection is made at first use."""

    def __init__(self, client: AsyncQdrantClient, *, model: str, dimensions: int) -> None:
        self._dialect = ServerDialect()
        self._models = self._dialect.models
        self._client = client
        self._collection = collection_name(model, dimensions)
        self._dimensions = dimensions
        self._prepared = False
        self._preparing = asyncio.Lock()

    @classmethod
    def connect(
        cls,
        url: str,
        *,
        model: str,
        dimensions: int,
        api_key: str | None = None,
        grpc_port: int = 6334,
        tls: TlsFiles | None = None,
        context: SSLContext | None = None,
    ) -> ServerVectorIndex:
        """An index on the server at ``url``, spoken to over gRPC. Nothing is sent yet.

        An https address means TLS for both of its interfaces: by ``context`` for REST, by ``tls`` for gRPC, whose own list of
        authorities is not the system's. Neither transport takes a proxy from the environment: the server is reached where it
        was declared to be.
        """
        from qdrant_client import AsyncQdrantClient

        client = AsyncQdrantClient(
            url=url,
            api_key=api_key,
            prefer_grpc=True,
            grpc_port=grpc_port,
            grpc_options={"grpc.enable_http_proxy": 0, **_credentials(tls)},
            timeout=TIMEOUT_SECONDS,
            check_compatibility=False,
            trust_env=False,
            verify=context or True,
        )
        return cls(client, model=model, dimensions=dimensions)

    @property
    def client(self) -> AsyncQdrantClient:
        """The connection, for who looks after collections of another layout."""
        return self._client

    async def upsert(self, points: Sequence[SealedPoint]) -> None:
        for batch in batches(points, UPSERT_POINTS, self._dimensions):
            structs = [self._point(point) for point in batch]
            await self._call(lambda structs=structs: self._client.upsert(self._collection, structs, wait=True))  # type: ignore[misc]

    async def nearest(self, dense: Vector, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        return await self._leg(dense.tolist(), DENSE, scope, limit)

    async def matching(self, sparse: SparseVector, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        if not sparse.indices:
            return ()
        return await self._leg(self._terms(sparse), SPARSE, scope, limit)

    async def terms(self, tenant_id: UUID, start: UUID | None, limit: int) -> tuple[Sequence[StoredTerms], UUID | None]:
        theirs = self._dialect.filter(must=[self._dialect.one_of(Field.TENANT, [str(tenant_id)])])
        fields = self._models.PayloadSelectorInclude(include=[Field.COLLECTION.value])
        offset = None if start is None else str(start)
        found, next_start = await self._call(
            lambda: self._client.scroll(
                self._collection, theirs, limit=limit, offset=offset, with_payload=fields, with_vectors=[SPARSE]
            )
        )
        return [_stored_terms(record) for record in found], None if next_start is None else UUID(str(next_start))

    async def fetch(self, chunk_ids: Sequence[UUID]) -> dict[UUID, IndexHit]:
        ids, fields = [str(each) for each in chunk_ids], self._models.PayloadSelectorInclude(include=HIT_FIELDS)
        found = await self._call(lambda: self._client.retrieve(self._collection, ids, with_payload=fields))
        return {hit.chunk_id: hit for hit in (hit_of(UUID(str(point.id)), point.payload or {}) for point in found)}

    async def replace_envelopes(self, envelopes: Mapping[UUID, bytes]) -> None:
        """One operation each; the server passes over points that are not there."""
        ids = [str(each) for each in envelopes]
        if not ids:
            return
        there = {str(point.id) for point in await self._call(lambda: self._client.retrieve(self._collection, ids, False))}
        operations = [
            self._models.SetPayloadOperation(
                set_payload=self._models.SetPayload(payload=envelope_payload(envelope), points=[str(chunk_id)])
            )
            for chunk_id, envelope in envelopes.items()
            if str(chunk_id) in there
        ]
        if operations:
            await self._call(lambda: self._client.batch_update_points(self._collection, operations, wait=True))

    async def delete_versions(self, version_ids: Sequence[UUID]) -> None:
        if not version_ids:
            return
        theirs = self._dialect.filter(must=[self._dialect.one_of(VERSION, [str(version) for version in version_ids])])
        selector = self._models.FilterSelector(filter=theirs)
        await self._call(lambda: self._client.delete(self._collection, selector, wait=True))

    async def count(self, scope: RetrievalScope) -> int:
        admitted = compile_scope(scope.tree, self._dialect)
        return (await self._call(lambda: self._client.count(self._collection, admitted, exact=True))).count

    async def version_ids(self) -> frozenset[UUID]:
        facet = await self._call(lambda: self._client.facet(self._collection, VERSION, limit=MOST_VERSIONS, exact=True))
        return frozenset(UUID(str(hit.value)) for hit in facet.hits if hit.count)

    async def ping(self) -> None:
        await self._call(lambda: self._client.collection_exists(self._collection))

    async def close(self) -> None:
        await self._client.close()

    async def _leg(self, query: Any, using: str, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        if isinstance(reduce_scope(scope.tree), Nothing):
            return ()
        admitted = compile_scope(scope.tree, self._dialect)
        answer = await self._call(
            lambda: self._client.query_points(
                self._collection,
                query,
                using=using,
                query_filter=admitted,
                limit=limit,
                with_payload=False,
            )
        )
        return tuple(Ranked(UUID(str(point.id)), point.score) for point in answer.points)

    async def _call(self, request: Callable[[], Awaitable[T]]) -> T:
        """Send the request once the collection is there. Every request may be repeated, since all are idempotent."""
        if not self._prepared:
            async with self._preparing:
                if not self._prepared:
                    await with_retries(self._prepare)
                    self._prepared = True
        return await with_retries(request)

    async def _prepare(self) -> None:
        version = re.match(r"(\d+)\.(\d+)", (await self._client.info()).version)
        if version is None or (int(version[1]), int(version[2])) < OLDEST_SERVER:
            raise ConfigurationError("The Qdrant server is too old.", hint="Use version 1.19 or newer.")
        if not await self._client.collection_exists(self._collection):
            await self._create()
        there = await self._check_dimensions()
        for key, schema in self._payload_indexes().items():
            if key not in there:
                await self._client.create_payload_index(self._collection, key, schema, wait=True)

    async def _create(self) -> None:
        models = self._models
        sparse_index = models.SparseIndexParams(full_scan_threshold=SPARSE_FULL_SCAN_POINTS)
        await self._client.create_collection(
            self._collection,
            # Vectors come normalised, so their product is the cosine.
            vectors_config={DENSE: models.VectorParams(size=self._dimensions, distance=models.Distance.DOT)},
            sparse_vectors_config={SPARSE: models.SparseVectorParams(index=sparse_index)},
            # Every question lies within a tenant: a graph for each tenant, and none over all of them.
            hnsw_config=models.HnswConfigDiff(m=0, payload_m=16),
        )

    def _payload_indexes(self) -> dict[str, Any]:
        models = self._models
        keyword = models.KeywordIndexType.KEYWORD
        return {
            Field.TENANT.value: models.KeywordIndexParams(type=keyword, is_tenant=True),
            **{
                key: models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=True)
                for key in INTEGERS
            },
            **{key: models.KeywordIndexParams(type=keyword) for key in KEYWORDS},
        }

    async def _check_dimensions(self) -> Container[str]:
        """The payload indexes that there are; those that a newer version needs are added."""
        found = await self._client.get_collection(self._collection)
        params = found.config.params.vectors
        dense = params.get(DENSE) if isinstance(params, dict) else None
        if dense is None or dense.size != self._dimensions:
            raise ConfigurationError("The vector collection on the server was made for other vectors.")
        return found.payload_schema

    def _point(self, point: SealedPoint) -> models.PointStruct:
        vectors: Any = {DENSE: point.dense.tolist(), SPARSE: self._terms(point.sparse)}
        struct: models.PointStruct = self._models.PointStruct(id=str(point.chunk_id), vector=vectors, payload=payload_of(point))
        return struct

    def _terms(self, sparse: SparseVector) -> models.SparseVector:
        terms: models.SparseVector = self._models.SparseVector(indices=list(sparse.indices), values=list(sparse.values))
        return terms


def _stored_terms(record: models.Record) -> StoredTerms:
    vectors: Any = record.vector
    return StoredTerms(UUID((record.payload or {})[Field.COLLECTION.value]), tuple(vectors[SPARSE].indices))


def _credentials(tls: TlsFiles | None) -> dict[str, bytes]:
    """The client's names for what gRPC verifies with and shows."""
    if tls is None:
        return {}
    files = {"root_certificates": tls.authorities, "certificate_chain": tls.certificate, "private_key": tls.key}
    return {name: Path(path).read_bytes() for name, path in files.items() if path}


async def with_retries(request: Callable[[], Awaitable[T]]) -> T:
    """What the request returns; a transient failure is tried again after each pause. The last failure is translated."""
    from grpc import RpcError  # type: ignore[import-untyped]
    from qdrant_client.common.client_exceptions import QdrantException
    from qdrant_client.http.exceptions import ApiException

    for pause in (*PAUSES_SECONDS, None):
        try:
            return await request()
        except (RpcError, ApiException, QdrantException) as error:
            if pause is None or not _is_transient(error):
                raise _translation(error) from None
            await asyncio.sleep(pause)
    raise AssertionError  # The last round returns or raises.


def _status(error: Exception) -> str:
    """gRPC's name of the failure, or HTTP's number of it; empty where the server was not reached."""
    code = getattr(error, "code", None)
    if callable(code):
        return str(code().name)
    return str(getattr(error, "status_code", None) or "")


def _is_transient(error: Exception) -> bool:
    status = _status(error)
    return not status or status in {"UNAVAILABLE", "ABORTED", "RESOURCE_EXHAUSTED", "429", "502", "503", "504"}


def _translation(error: Exception) -> VectorIndexUnavailable | StorageFull | ConfigurationError:
    """Without the server's own message, which may name values. ``from None`` where it is raised, for the same reason."""
    if _status(error) in {"UNAUTHENTICATED", "PERMISSION_DENIED", "401", "403"}:
        return ConfigurationError("The Qdrant server does not accept the API key.", hint="Check DOMICILE_QDRANT_API_KEY_FILE.")
    if "No space left" in str(error) or _status(error) == "507":
        return StorageFull()
    if any(sign in str(error) for sign in _UNTRUSTED):
        return VectorIndexUnavailable("The vector index is reached, but not by TLS that can be trusted.", hint=CERTIFICATE_HINT)
    return VectorIndexUnavailable()
