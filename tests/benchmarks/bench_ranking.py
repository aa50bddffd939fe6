"""What sealing the index does to rankings: nDCG@10 on SciFact, over the real index and without any sealing.

The reference is computed exactly from the same vectors and terms in the same run. A tenant's documents usually lie in several
collections, so the same documents are also spread over many of unequal sizes, each about subjects of its own.
"""

from __future__ import annotations

import asyncio
import csv
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid5

import numpy as np
from tests.benchmarks.places import ROOT, scratch, settings_in
from tests.benchmarks.table import Row, at_most, skipped
from tests.fakes.vector_index import point_of, sealed

from domicile.adapters.embeddings.bm25 import Bm25Encoder
from domicile.adapters.qdrant.edge import EdgeVectorIndex
from domicile.bootstrap.models import verified
from domicile.crypto.keys import DataKey
from domicile.crypto.vector_transform import VectorTransform
from domicile.domain.documents import DocumentAttributes
from domicile.domain.values import Classification, Region
from domicile.policy.scope import Field, OneOf, RetrievalScope
from domicile.ports.vector_index import SparseVector, VectorIndex
from domicile.retrieval.fusion import fuse

SCIFACT = ROOT.parent / "shared" / "data" / "ir" / "scifact"
FIGURE = "nDCG@10 on SciFact, fused: what sealing changes"
MOST = 0.002
DEPTH = 50
COLLECTIONS = 100
NOISES = (1.0, 2.0, 4.0, 8.0)
TENANT = UUID(int=0xA)
SCOPE = RetrievalScope(OneOf(Field.TENANT, frozenset({str(TENANT)})), (), "")

Leg = list[UUID]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents and questions, embedded and encoded; ``relevant`` has the graded documents of each question."""

    ids: list[UUID]
    dense: np.ndarray
    sparse: list[SparseVector]
    questions: np.ndarray
    terms: list[SparseVector]
    relevant: list[dict[UUID, int]]


def run() -> list[Row]:
    if not SCIFACT.is_dir():
        return [skipped(FIGURE, "the folder ../shared/data/ir/scifact is not here.")]
    corpus = asyncio.run(load())
    one, many = [0] * len(corpus.ids), by_subject(corpus)
    dense, sparse = exact_dense(corpus), exact_sparse(corpus, one)
    off = [ndcg(corpus, each) for each in (dense, sparse, fused(dense, sparse))]
    on = asyncio.run(through_index(corpus, one))
    spread = asyncio.run(through_index(corpus, many))
    uncorrected = ndcg(corpus, exact_sparse(corpus, many))
    rows = [at_most(FIGURE, abs(on[2] - off[2]), MOST)]
    for leg, new, old in zip(LEGS, on, off, strict=True):
        rows.append(Row(f"  {leg}, sealed", new, "", ratio=new / old, against=f"{old:.4f} without"))
    name = f"spread over {COLLECTIONS} collections by subject"
    rows += [
        at_most(f"the same, {name}", abs(spread[2] - off[2]), MOST),
        Row("  sparse, spread", spread[1], "", ratio=spread[1] / off[1], against="one collection"),
        Row(
            "  sparse, spread, were terms weighed in each",
            uncorrected,
            "",
            ratio=uncorrected / off[1],
            against="one collection",
        ),
    ]
    for noise in NOISES:
        noisy, known = asyncio.run(through_index(corpus, one, noise)), recognised(corpus, noise)
        rows.append(Row(f"noise {noise:g}: dense", noisy[0], "", ratio=noisy[0] / off[0], against="no noise"))
        rows.append(Row(f"  fused, noise {noise:g}", noisy[2], "", ratio=noisy[2] / off[2], against="no noise"))
        rows.append(Row("  documents recognised by somebody who knows the matrix", f"{known:.1%}"))
    return rows


LEGS = ("dense", "sparse", "fused")


async def load() -> Corpus:
    """Embedded with the packaged model, as passages and questions are."""
    documents = [json.loads(line) for line in (SCIFACT / "corpus.jsonl").read_text("utf-8").splitlines()]
    asked = {each["_id"]: each["text"] for each in map(json.loads, (SCIFACT / "queries.jsonl").read_text("utf-8").splitlines())}
    ids = {each["_id"]: uuid5(TENANT, each["_id"]) for each in documents}
    relevant: dict[str, dict[UUID, int]] = defaultdict(dict)
    with (SCIFACT / "qrels" / "train.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            relevant[row["query-id"]][ids[row["corpus-id"]]] = int(row["score"])
    texts = [f"{each['title']}\n{each['text']}" for each in documents]
    encoder = Bm25Encoder(["en"])
    with scratch() as folder:
        _, embedder = verified(settings_in(folder))
        await embedder.load()
        dense = await embedder.embed_passages(texts)
        questions = np.array([await embedder.embed_query(asked[query]) for query in relevant])
        await embedder.close()
    terms = [encoder.encode_query(asked[query]) for query in relevant]
    return Corpus(list(ids.values()), dense, encoder.encode_passages(texts, "en"), questions, terms, list(relevant.values()))


def by_subject(corpus: Corpus) -> list[int]:
    """The collection of each document: the nearest of so many documents, which makes collections of very unequal sizes."""
    centres = np.random.default_rng(0).choice(len(corpus.ids), COLLECTIONS, replace=False)
    return (corpus.dense @ corpus.dense[centres].T).argmax(axis=1).tolist()


def exact_dense(corpus: Corpus) -> list[Leg]:
    scores = corpus.questions @ corpus.dense.T
    return [[corpus.ids[place] for place in np.argsort(-row, kind="stable")[:DEPTH]] for row in scores]


def exact_sparse(corpus: Corpus, collections: Sequence[int]) -> list[Leg]:
    """BM25 with each term's document frequency in its own collection, of which one is the whole tenant."""
    count = len(corpus.ids)
    postings: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for place, vector in enumerate(corpus.sparse):
        for term, weight in zip(vector.indices, vector.values, strict=True):
            postings[term].append((place, weight))
    of, legs = np.array(collections), []
    for question in corpus.terms:
        scores = np.zeros(count)
        for term, weight in zip(question.indices, question.values, strict=True):
            found = postings.get(term, [])
            places = np.array([place for place, _ in found], dtype=int)
            frequencies = np.bincount(of[places], minlength=max(collections) + 1)[of[places]]
            scores[places] += weight * np.array([value for _, value in found]) * np.log((count + 1) / (frequencies + 0.5))
        order = np.argsort(-scores, kind="stable")[:DEPTH]
        legs.append([corpus.ids[place] for place in order if scores[place] > 0])
    return legs


def fused(dense: Sequence[Leg], sparse: Sequence[Leg]) -> list[Leg]:
    return [[each for each, _ in fuse(legs)] for legs in zip(dense, sparse, strict=True)]


def ndcg(corpus: Corpus, rankings: Sequence[Leg]) -> float:
    return float(np.mean([_ndcg(ranking[:10], each) for ranking, each in zip(rankings, corpus.relevant, strict=True)]))


def _ndcg(ranking: Leg, relevant: dict[UUID, int]) -> float:
    discounts = 1 / np.log2(np.arange(2, 12))
    gained = np.array([relevant.get(each, 0) for each in ranking])
    best = sorted(relevant.values(), reverse=True)[:10]
    return float(gained @ discounts[: len(gained)] / (np.array(best) @ discounts[: len(best)]))


def recognised(corpus: Corpus, noise: float) -> float:
    """The part of the stored vectors of which the document's own embedding is the nearest, once nothing turns them any more."""
    transform = VectorTransform(DataKey(TENANT, bytes(32)), corpus.dense.shape[1], noise)
    turned = VectorTransform(DataKey(TENANT, bytes(32)), corpus.dense.shape[1]).stored(corpus.dense, corpus.ids)
    nearest = (transform.stored(corpus.dense, corpus.ids) @ turned.T).argmax(axis=1)
    return float(np.mean(nearest == np.arange(len(corpus.ids))))


async def through_index(corpus: Corpus, collections: Sequence[int], noise: float = 0.0) -> tuple[float, float, float]:
    """nDCG of the dense leg, the sparse one and both fused, out of the embedded engine behind keys."""
    with scratch() as folder:
        store = EdgeVectorIndex.open(Path(folder), model="m", dimensions=corpus.dense.shape[1])
        index = sealed(store, corpus.dense.shape[1], noise=noise)
        points = [
            point_of(_attributes(id_, collection), id_, dense=vector, terms=dict(zip(terms.indices, terms.values, strict=True)))
            for id_, collection, vector, terms in zip(corpus.ids, collections, corpus.dense, corpus.sparse, strict=True)
        ]
        await index.upsert(points)
        legs = [await _legs(index, *question) for question in zip(corpus.questions, corpus.terms, strict=True)]
        await index.close()
    dense, sparse = [each[0] for each in legs], [each[1] for each in legs]
    return ndcg(corpus, dense), ndcg(corpus, sparse), ndcg(corpus, fused(dense, sparse))


async def _legs(index: VectorIndex, vector: np.ndarray, terms: SparseVector) -> tuple[Leg, Leg]:
    dense, sparse = await index.nearest(vector, SCOPE, DEPTH), await index.matching(terms, SCOPE, DEPTH)
    return [each.chunk_id for each in dense], [each.chunk_id for each in sparse]


def _attributes(document: UUID, collection: int) -> DocumentAttributes:
    return DocumentAttributes(TENANT, document, UUID(int=collection + 1), Region("eu-de"), Classification.INTERNAL)
