"""Reciprocal rank fusion: one ranking out of several whose scores cannot be compared.

Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods", SIGIR 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

#: The paper's constant. It damps the first ranks, so that being found by both legs counts for more than one first place.
K = 60


def fuse(rankings: Sequence[Sequence[UUID]], k: int = K) -> list[tuple[UUID, float]]:
    """Every id of any ranking with the sum of ``1 / (k + rank)``, ranks from 1, highest sum first.

    An id that a ranking repeats counts there once, at its best rank. Equal sums keep the order in which the ids are met, the
    best ranks first, so that the same rankings always give the same result.
    """
    scores: dict[UUID, float] = {}
    best: dict[UUID, int] = {}
    for ranking in rankings:
        for rank, id_ in enumerate(dict.fromkeys(ranking), start=1):
            scores[id_] = scores.get(id_, 0.0) + 1.0 / (k + rank)
            best[id_] = min(rank, best.get(id_, rank))
    return sorted(scores.items(), key=lambda pair: (-pair[1], best[pair[0]]))
