"""A cell with 100,000 chunks of 50 tenants, written through the ports, sealed as the product seals it.

The texts are made of invented words with the frequencies of natural language, so that BM25 has rare and common terms. Every
tenant has the same ones, which makes no difference to a search, since term statistics are a tenant's own. The vectors are
random, which is the hardest case for any index.
"""

from __future__ import annotations

import asyncio
import atexit
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
from tests.benchmarks.places import scratch, settings_in

from domicile.adapters.egress.guard import EgressGuard
from domicile.adapters.egress.outbound import Outbound
from domicile.adapters.embeddings.bm25 import Bm25Encoder
from domicile.adapters.embeddings.weights import verified_weights
from domicile.adapters.identity.clock import SystemClock
from domicile.adapters.keys.ring import StoredKeyRing
from domicile.adapters.qdrant.edge import EdgeVectorIndex
from domicile.bootstrap import initialise_cell, open_office
from domicile.bootstrap.keys import key_providers
from domicile.bootstrap.stores import database, key_store, sealed_index
from domicile.config import Settings
from domicile.crypto.parts import chunk_id
from domicile.domain.documents import Chunk, Collection, Document, DocumentAttributes, DocumentTitle, DocumentVersion
from domicile.domain.principals import Group, Tenant
from domicile.domain.values import Classification, Role
from domicile.ingestion.sealing import seal_chunk, seal_title
from domicile.ports.keys import ROOT_PROVIDER
from domicile.ports.repositories import Database
from domicile.ports.vector_index import IndexPoint

TENANTS = 50
DOCUMENTS = 100  # of each tenant
CHUNKS = 20  # of each document
DIMENSIONS = 384
WORDS_OF_A_CHUNK = 120
WORDS_OF_A_QUESTION = 7
_VOCABULARY = 20_000
_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Filled:
    """The folder of a filled cell, and an API key of a member and of an administrator of each tenant."""

    folder: Path
    members: tuple[str, ...]
    administrators: tuple[str, ...]


@cache
def filled_cell() -> Filled:
    """Made once for all benchmarks of a run, and removed at its end."""
    stack = ExitStack()
    atexit.register(stack.close)
    return asyncio.run(_fill(stack.enter_context(scratch())))


class Writer:
    """Invents texts; the same seed, the same texts."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        syllables = ["".join(each) for each in product("bdfgklmnprstvz", "aeiou")]
        self._words = np.array(["".join(each) for each in np.random.default_rng(1).choice(syllables, (_VOCABULARY, 3))])
        frequency = 1 / (np.arange(_VOCABULARY) + 2.7)  # Zipf and Mandelbrot's law
        self._up_to = np.cumsum(frequency / frequency.sum())

    def text(self, words: int) -> str:
        return " ".join(self._words[np.searchsorted(self._up_to, self._random.random(words) * self._up_to[-1])])

    def vectors(self, count: int) -> np.ndarray:
        vectors = self._random.standard_normal((count, DIMENSIONS), dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


async def _fill(folder: Path) -> Filled:
    settings = settings_in(folder)
    await initialise_cell(settings)
    outbound = Outbound({}, EgressGuard())
    store, provider = database(settings, outbound), key_providers(settings, outbound)[ROOT_PROVIDER]
    weights = verified_weights()
    keys = key_store(settings, outbound)
    ring = StoredKeyRing(store=keys, providers={ROOT_PROVIDER: provider}, region=provider.region, clock=_CLOCK)
    points = EdgeVectorIndex.open(settings.data_dir / "index", model=weights.name, dimensions=weights.dimensions)
    index = sealed_index(settings, points, store, ring, weights.dimensions)
    writer = Writer(0)
    texts = [writer.text(WORDS_OF_A_CHUNK) for _ in range(DOCUMENTS * CHUNKS)]
    contents = list(zip(texts, Bm25Encoder(settings.languages).encode_passages(texts, "en"), strict=True))
    people = await _people(settings)
    for tenant, group, _ in people:
        collection = Collection(_CLOCK.new_id(), tenant.id, "knowledge", tenant.region)
        documents = [_attributes(tenant, collection, group, ordinal) for ordinal in range(DOCUMENTS)]
        created = await ring.create(tenant.id, [_CLOCK.new_id() for _ in documents])
        made = [(attributes, _CLOCK.new_id(), key) for attributes, key in zip(documents, created, strict=True)]
        await index.upsert(list(_points(made, contents, writer.vectors(len(contents)))))
        await _publish(store, collection, made)
    await index.close()
    await ring.close()
    await keys.close()
    await store.close()
    return Filled(folder, *(tuple(keys[role] for _, _, keys in people) for role in (Role.MEMBER, Role.ADMINISTRATOR)))


async def _people(settings: Settings) -> list[tuple[Tenant, Group, dict[Role, str]]]:
    """The tenants, each with its group and an API key of somebody in each role."""
    people = []
    async with open_office(settings) as office:
        administration = office.administration
        for number in range(TENANTS):
            tenant = await administration.create_tenant(f"tenant-{number}", f"Tenant {number}", office.region)
            operator = administration.operator_caller(tenant)
            group = await administration.create_group(operator, "staff")
            keys = {}
            for role in (Role.MEMBER, Role.ADMINISTRATOR):
                user = await administration.create_user(
                    operator, f"{role.value}-{number}", role.value, role, Classification.CONFIDENTIAL, ["staff"]
                )
                keys[role] = (await administration.create_api_key(operator, user.id, "benchmark"))[1]
            people.append((tenant, group, keys))
    return people


def _attributes(tenant: Tenant, collection: Collection, group: Group, ordinal: int) -> DocumentAttributes:
    """Every classification, the highest of which the member may not read, and half of the documents for the group only."""
    levels = list(Classification)
    groups = frozenset({group.id}) if ordinal % 2 else frozenset()
    level = levels[ordinal % len(levels)]
    return DocumentAttributes(tenant.id, _CLOCK.new_id(), collection.id, tenant.region, level, groups)


def _points(made, contents, vectors) -> Iterator[IndexPoint]:
    for number, (text, sparse) in enumerate(contents):
        attributes, version, key = made[number // CHUNKS]
        ordinal = number % CHUNKS
        chunk = Chunk(ordinal, text, ordinal * 1000, ordinal * 1000 + len(text), ("Chapter", f"Section {ordinal}"))
        envelope = seal_chunk(key, attributes, version, chunk)
        yield IndexPoint(chunk_id(version, ordinal), version, ordinal, attributes, vectors[number], sparse, envelope)


async def _publish(store: Database, collection: Collection, made) -> None:
    now = _CLOCK.now()
    async with store.writing() as unit:
        await unit.collections.add(collection)
        for attributes, version, key in made:
            title = DocumentTitle("A document", f"documents/{attributes.document_id}.md", "text/markdown", "en")
            sealed = seal_title(key, attributes, version, title)
            current = DocumentVersion(version, attributes.document_id, key.id, version.bytes * 2, sealed, 20_000, CHUNKS, now)
            await unit.documents.publish(Document(attributes, attributes.document_id.bytes * 2, current, now))
        await unit.commit()
