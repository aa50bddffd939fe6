"""Reciprocal rank fusion and its laws."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.people import uid

from domicile.retrieval.fusion import K, fuse

ids = st.sampled_from([uid(f"chunk/{number}") for number in range(12)])
rankings = st.lists(st.lists(ids, unique=True, max_size=10), max_size=4)


def test_the_score_is_the_papers() -> None:
    """An id that is first in one ranking and third in another has 1/61 + 1/63."""
    first, second, third = uid("a"), uid("b"), uid("c")
    assert dict(fuse([[first, second], [third, second, first]]))[first] == 1 / (K + 1) + 1 / (K + 3)


@given(rankings)
def test_every_id_is_there_once_and_scores_descend(lists: list[list[UUID]]) -> None:
    """Fusion neither loses nor invents nor repeats a candidate."""
    fused = fuse(lists)
    assert sorted(each for each, _ in fused) == sorted({each for ranking in lists for each in ranking})
    assert [score for _, score in fused] == sorted((score for _, score in fused), reverse=True)


@given(st.lists(ids, unique=True, max_size=10))
def test_one_ranking_stays_as_it_is(ranking: list[UUID]) -> None:
    """With a single leg there is nothing to fuse."""
    assert [each for each, _ in fuse([ranking, []])] == ranking


@given(rankings, st.randoms(use_true_random=False))
def test_scores_do_not_depend_on_the_order_of_the_legs(lists: list[list[UUID]], random: object) -> None:
    """No leg is preferred."""
    shuffled = list(lists)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert {each: round(score, 12) for each, score in fuse(lists)} == {each: round(score, 12) for each, score in fuse(shuffled)}


@given(st.lists(ids, unique=True, min_size=2, max_size=10), st.lists(ids, unique=True, max_size=10))
def test_moving_up_in_a_leg_never_lowers_the_score(ranking: list[UUID], other: list[UUID]) -> None:
    """A better rank is worth at least as much."""
    last = ranking[-1]
    promoted = [last, *ranking[:-1]]
    assert dict(fuse([promoted, other]))[last] > dict(fuse([ranking, other]))[last]


def test_a_repeated_id_counts_at_its_best_rank() -> None:
    """A leg that names a chunk twice does not push it up."""
    one, two = uid("a"), uid("b")
    assert fuse([[one, two, one]]) == fuse([[one, two]])
