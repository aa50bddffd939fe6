"""The sentences that are ours."""

from __future__ import annotations

from domicile.generation.phrases import nothing_found


def test_what_was_searched_is_counted_in_the_questions_language() -> None:
    """One is singular."""
    assert nothing_found("What is it?", 1, 1).endswith("1 document in 1 collection.")
    assert nothing_found("Was ist das und wie?", 214, 9).endswith("214 Dokumente in 9 Sammlungen.")
    assert nothing_found("Qu'est-ce que c'est ?", 0, 0).endswith("0 documents dans 0 collections.")
