"""One ranking out of both legs, looked at from the top and no further than a search needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from domicile.domain.documents import Document
from domicile.ports.vector_index import IndexHit, Ranked
from domicile.retrieval.candidates import Candidate
from domicile.retrieval.fusion import fuse

#: Documents of which one passage each comes before any document's second.
SPREAD = 5

Fetch = Callable[[Sequence[UUID]], Awaitable[Mapping[UUID, IndexHit]]]


@dataclass(frozen=True, slots=True)
class Legs:
    """What both legs found, best first."""

    dense: tuple[Ranked, ...]
    sparse: tuple[Ranked, ...]

    @property
    def depth(self) -> int:
        return max(len(self.dense), len(self.sparse))


@dataclass(frozen=True, slots=True)
class RankedHit:
    """A fused hit with its score in each leg, before anything is known of its document."""

    hit: IndexHit
    scores: _Scores

    def candidate(self, document: Document) -> Candidate:
        return Candidate(self.hit, document, self.scores.fused, self.scores.dense, self.scores.sparse)


@dataclass(frozen=True, slots=True)
class _Scores:
    chunk_id: UUID
    fused: float
    dense: float | None
    sparse: float | None


async def ranked(legs: Legs, fetch: Fetch, size: int) -> AsyncIterator[Sequence[RankedHit]]:
    """Slices of at most ``size`` hits, best first: the best of each of the first ``SPREAD`` documents, then all others.

    Neighbours in a long document resemble one another: without this, four of them would hide the page that has the answer. A
    leg's hits are ids only; ``fetch`` is asked for one slice after another, and for none that nobody looks at.
    """
    slices = _slices(_fused(legs), size)
    first, others = await _spread(slices, fetch)
    for start in range(0, len(first) + len(others), size):
        yield [*first, *others][start : start + size]
    for scores in slices:
        yield await _fetched(scores, fetch)


async def _spread(slices: Iterator[Sequence[_Scores]], fetch: Fetch) -> tuple[list[RankedHit], list[RankedHit]]:
    """The best hits of the first ``SPREAD`` documents, and what else came with the slices that it took to meet those."""
    first: dict[UUID, RankedHit] = {}
    others: list[RankedHit] = []
    for scores in slices:
        for each in await _fetched(scores, fetch):
            if len(first) == SPREAD or each.hit.document_id in first:
                others.append(each)
            else:
                first[each.hit.document_id] = each
        if len(first) == SPREAD:
            break
    return list(first.values()), others


async def _fetched(scores: Sequence[_Scores], fetch: Fetch) -> list[RankedHit]:
    hits = await fetch([each.chunk_id for each in scores])
    return [RankedHit(hits[each.chunk_id], each) for each in scores if each.chunk_id in hits]


def _fused(legs: Legs) -> Iterator[_Scores]:
    dense = {hit.chunk_id: hit.score for hit in legs.dense}
    sparse = {hit.chunk_id: hit.score for hit in legs.sparse}
    for chunk_id, score in fuse([list(dense), list(sparse)]):
        yield _Scores(chunk_id, score, dense.get(chunk_id), sparse.get(chunk_id))


def _slices(scores: Iterator[_Scores], size: int) -> Iterator[Sequence[_Scores]]:
    while part := list(islice(scores, size)):
        yield part
