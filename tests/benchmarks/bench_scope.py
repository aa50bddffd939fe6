"""What a scope costs the vector index: both legs over 100,000 chunks of 50 tenants, with a member's scope and without any.

The sparse leg reads a tenant's own lists of terms only, whatever its filter: what a scope costs shows in the dense one.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import replace
from typing import Any

import numpy as np
from tests.benchmarks.filled import DIMENSIONS, WORDS_OF_A_QUESTION, Writer, filled_cell
from tests.benchmarks.places import settings_in
from tests.benchmarks.table import Row, at_most

from domicile.adapters.egress.guard import EgressGuard
from domicile.adapters.egress.outbound import Outbound
from domicile.adapters.embeddings.bm25 import Bm25Encoder
from domicile.adapters.embeddings.weights import verified_weights
from domicile.adapters.identity.clock import SystemClock
from domicile.adapters.keys.ring import StoredKeyRing
from domicile.adapters.qdrant.edge import EdgeVectorIndex
from domicile.bootstrap import open_office
from domicile.bootstrap.keys import key_providers
from domicile.bootstrap.office import decision_point
from domicile.bootstrap.residency import cell_region
from domicile.bootstrap.stores import database, key_store, sealed_index
from domicile.config import Settings
from domicile.domain.actions import Action
from domicile.domain.principals import AuthenticationMethod, Caller
from domicile.policy.scope import AllOf, Everything, Field, OneOf, RetrievalScope
from domicile.ports.vector_index import Ranked, SparseVector, VectorIndex

QUESTIONS = 200
CANDIDATES = 50
MOST_RATIO = 1.2


def run() -> list[Row]:
    settings = settings_in(filled_cell().folder)
    return asyncio.run(_measured(settings))


async def _measured(settings: Settings) -> list[Row]:
    scope = await _members_scope(settings)
    weights, writer = verified_weights(), Writer(3)
    sparse = Bm25Encoder(settings.languages)
    outbound = Outbound({}, EgressGuard())
    store, key_rows = database(settings, outbound), key_store(settings, outbound)
    region, providers = cell_region(settings), key_providers(settings, outbound)
    keys = StoredKeyRing(store=key_rows, providers=providers, region=region, clock=SystemClock())
    points = EdgeVectorIndex.open(settings.data_dir / "index", model=weights.name, dimensions=weights.dimensions)
    index = sealed_index(settings, points, store, keys, DIMENSIONS)
    unfiltered = sealed_index(settings, _Unfiltered(points), store, keys, DIMENSIONS)
    tenant = RetrievalScope(next(each for each in _parts(scope) if each.field is Field.TENANT), (), "")
    ways = {"scoped": (index, scope), "tenant": (index, tenant), "unfiltered": (unfiltered, tenant)}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    try:
        for vector in np.asarray(writer.vectors(QUESTIONS)).reshape(QUESTIONS, DIMENSIONS):
            terms = sparse.encode_query(writer.text(WORDS_OF_A_QUESTION))
            for name, (asked, within) in ways.items():
                seconds[name].append(await _search(asked, vector, terms, within))
    finally:
        await points.close()
        await keys.close()
        await key_rows.close()
        await store.close()
    scoped, of_tenant, unfiltered = (statistics.median(seconds[name]) * 1000 for name in ways)
    return [
        at_most("both legs with a member's scope ÷ without any filter, 100 k chunks", scoped / unfiltered, MOST_RATIO),
        Row("  with the scope, p50", scoped, "ms", ratio=scoped / of_tenant, against="a filter by the tenant alone"),
        Row("  without any, p50", unfiltered, "ms"),
    ]


class _Unfiltered:
    """The store, asked with sealed questions as ever, but about all of its points."""

    def __init__(self, points: EdgeVectorIndex) -> None:
        self._points = points

    def __getattr__(self, name: str) -> Any:
        return getattr(self._points, name)

    async def nearest(self, dense: np.ndarray, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        return await self._points.nearest(dense, replace(scope, tree=Everything()), limit)

    async def matching(self, sparse: SparseVector, scope: RetrievalScope, limit: int) -> tuple[Ranked, ...]:
        return await self._points.matching(sparse, replace(scope, tree=Everything()), limit)


def _parts(scope: RetrievalScope) -> list[OneOf]:
    assert isinstance(scope.tree, AllOf)
    return [part for part in scope.tree.parts if isinstance(part, OneOf)]


async def _search(index: VectorIndex, vector: np.ndarray, terms: SparseVector, within: RetrievalScope) -> float:
    started = time.perf_counter()
    await index.nearest(vector, within, CANDIDATES)
    await index.matching(terms, within, CANDIDATES)
    return time.perf_counter() - started


async def _members_scope(settings: Settings) -> RetrievalScope:
    async with open_office(settings) as office:
        tenant = await office.administration.tenant("tenant-7")
        operator = await office.operator(tenant.slug)
        member = next(each for each in await office.administration.users(operator) if each.login.startswith("member"))
    who = Caller(member, tenant, AuthenticationMethod.API_KEY, at=SystemClock().now())
    return decision_point(settings).scope(who, Action.DOCUMENT_READ, tenant.region)
