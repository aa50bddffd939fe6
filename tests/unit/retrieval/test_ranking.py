"""One ranking out of two legs, looked at from the top."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domicile.ports.vector_index import IndexHit, Ranked
from domicile.retrieval.ranking import SPREAD, Legs, RankedHit, ranked

#: Numbers of chunks in a leg's order.
LEG = st.lists(st.integers(0, 60), unique=True, max_size=40)


def leg(chunks: Sequence[int]) -> tuple[Ranked, ...]:
    return tuple(Ranked(UUID(int=chunk), 1 / (place + 1)) for place, chunk in enumerate(chunks))


class Shelf:
    """Every chunk with its document: five chunks each. Notes what is asked for; knows nothing of those that are ``gone``."""

    def __init__(self, gone: frozenset[int] = frozenset()) -> None:
        self.gone = gone
        self.asked: list[int] = []

    async def fetch(self, chunk_ids: Sequence[UUID]) -> Mapping[UUID, IndexHit]:
        self.asked += [each.int for each in chunk_ids]
        present = [each for each in chunk_ids if each.int not in self.gone]
        return {each: IndexHit(each, UUID(int=1), UUID(int=each.int // 5), each.int % 5, b"") for each in present}


async def all_of(legs: Legs, shelf: Shelf, size: int = 8) -> list[RankedHit]:
    return [hit for part in [part async for part in ranked(legs, shelf.fetch, size)] for hit in part]


def documents(hits: Sequence[RankedHit]) -> list[int]:
    return [each.hit.document_id.int for each in hits]


async def test_no_further_is_looked_than_the_first_documents_need() -> None:
    """When the first slice already holds enough documents, nothing else is fetched for it."""
    shelf = Shelf()
    async for hits in ranked(Legs(leg(range(0, 60, 2)), ()), shelf.fetch, 12):
        assert len(hits) == 12
        break
    assert shelf.asked == list(range(0, 24, 2))


async def test_the_best_of_each_of_the_first_documents_comes_before_any_second() -> None:
    """Neighbours of one page do not hide the next page."""
    hits = await all_of(Legs(leg([0, 1, 2, 3, 4, 5, 10, 15, 20, 25]), ()), Shelf())
    assert documents(hits)[:SPREAD] == [0, 1, 2, 3, 4]
    assert documents(hits)[SPREAD:] == [0, 0, 0, 0, 5]


@given(LEG, LEG, st.frozensets(st.integers(0, 60), max_size=20), st.integers(1, 12))
async def test_every_chunk_that_exists_comes_exactly_once(
    dense: list[int], sparse: list[int], gone: frozenset[int], size: int
) -> None:
    """Whatever the legs hold, nothing is lost, nothing is repeated, and each hit keeps its legs' scores."""
    legs = Legs(leg(dense), leg(sparse))
    hits = await all_of(legs, Shelf(gone), size)
    chunks = [each.hit.chunk_id.int for each in hits]
    assert sorted(chunks) == sorted({*dense, *sparse} - gone)
    scores = ({each.chunk_id: each.score for each in legs.dense}, {each.chunk_id: each.score for each in legs.sparse})
    for each in hits:
        assert (each.scores.dense, each.scores.sparse) == tuple(part.get(each.hit.chunk_id) for part in scores)
    distinct = list(dict.fromkeys(documents(hits)))
    assert documents(hits)[: min(SPREAD, len(distinct))] == distinct[:SPREAD]
