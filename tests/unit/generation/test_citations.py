"""Which marks are citations, and what they point to."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.passages import passage

from domicile.generation.citations import MarkFilter, citations_in, without_marks

PASSAGES = [
    passage("Meals are paid. Travel time is recorded in the log. Taxis are not.", name="travel"),
    passage("Hotels are booked online. Breakfast is included.", name="hotels"),
]


def test_a_citation_points_to_the_words_that_were_repeated() -> None:
    """Verbatim sentences are found in their passage."""
    (citation,) = citations_in("From the documents:\n\nTravel time is recorded in the log. [1]", PASSAGES)
    assert (citation.number, citation.quote) == (1, "Travel time is recorded in the log.")


def test_a_paraphrase_points_to_the_sentence_most_like_it() -> None:
    """One sentence, not the whole passage."""
    (citation,) = citations_in("You have to record your time of travel [1].", PASSAGES)
    assert citation.quote == "Travel time is recorded in the log."


def test_words_of_nowhere_point_to_the_whole_passage() -> None:
    """The reader sees all that could have been meant."""
    (citation,) = citations_in("Quite so [2].", PASSAGES)
    assert citation.quote == PASSAGES[1].chunk.text


def test_each_passage_is_cited_once_in_the_order_of_first_mention() -> None:
    """Lists and neighbours are read too."""
    answer = "Hotels are booked online [2]. Meals are paid [1, 2]. Again [1][2]."
    assert [each.number for each in citations_in(answer, PASSAGES)] == [2, 1]


@pytest.mark.parametrize("answer", ["No marks.", "[0]", "[3]", "[99999]", "[a]", "[-1]", "1]", "[]", "[1", "(1)"])
def test_what_names_no_passage_is_no_citation(answer: str) -> None:
    """Numbers out of range and brackets around something else."""
    assert citations_in(answer, PASSAGES) == ()


@given(st.text(st.sampled_from("ab [],.123\n"), max_size=60))
def test_spans_lie_within_their_passage(answer: str) -> None:
    """Whatever the answer looks like."""
    for each in citations_in(answer, PASSAGES):
        assert 0 <= each.start < each.end <= len(each.passage.chunk.text)
        assert 1 <= each.number <= 2


def filtered(answer: str, cuts: list[int], passages: int = 2) -> tuple[str, bool]:
    marks = MarkFilter(passages)
    places = sorted({0, len(answer), *(cut % (len(answer) + 1) for cut in cuts)})
    shown = "".join(marks.feed(answer[start:end]) for start, end in pairwise(places))
    return shown + marks.end(), marks.cited


@given(st.lists(st.integers(0, 200), max_size=12))
def test_marks_without_a_passage_are_taken_away_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    """A model may make numbers up; none of those is shown, and the others stay."""
    answer = "Yes [1]. No [7]. Both [2, 9], [1][10] and a [link] or list[0]."
    assert filtered(answer, cuts) == ("Yes [1]. No. Both [2], [1] and a [link] or list.", True)


@given(st.text(st.sampled_from("ab [],12\n"), max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_no_invalid_mark_gets_through(answer: str, cuts: list[int]) -> None:
    """Cutting the stream changes nothing but white space at its end, and what is cited can be found."""
    shown, cited = filtered(answer, cuts)
    whole, _ = filtered(answer, [])
    assert shown.rstrip() == whole.rstrip()
    assert cited == bool(citations_in(shown, PASSAGES))


def test_an_answer_in_a_later_prompt_has_no_marks() -> None:
    """There the numbers would name other passages."""
    assert without_marks("Yes [1]. No [2, 3].") == "Yes. No."
