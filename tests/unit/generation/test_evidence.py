"""Which sentence speaks of what was asked."""

from __future__ import annotations

from tests.fakes.passages import passage

from domicile.generation.evidence import weigh


def best(question: str, *passages) -> str:
    return weigh(question, passages)[0].unit.text


def test_the_sentence_that_covers_the_question_is_first() -> None:
    """More of the question, and its rarer words, count more."""
    text = "Travel is booked online. Travel time is recorded in the log. Meals are paid."
    assert best("How do I record travel time?", passage(text)) == "Travel time is recorded in the log."


def test_a_question_for_a_figure_prefers_a_figure() -> None:
    """Of two sentences on the subject, the one with a number answers how many."""
    text = "Annual leave is granted to all employees. Annual leave comes to thirty or 30 days."
    assert "30 days" in best("How many days is annual leave?", passage(text))


def test_headings_and_title_count_in_part() -> None:
    """A sentence under the heading that was asked for beats the same sentence elsewhere."""
    under = passage("The limit is 40 hours.", headings=("Carry-over",), name="a")
    elsewhere = passage("The limit is 60 hours.", headings=("Overtime",), name="b")
    assert best("What is the carry-over limit?", elsewhere, under) == "The limit is 40 hours."


def test_a_row_keeps_its_columns_across_passages() -> None:
    """A table that was cut in two is read as one if both halves were found."""
    first = passage("| Model | Price |\n|---|---|\n| HB-120 | 84500 |", ordinal=3)
    second = passage("| HB-400 | 219800 |", ordinal=4)
    assert best("What is the price of the HB-400?", second, first) == "Model: HB-400; Price: 219800"


def test_the_same_sentence_twice_counts_once() -> None:
    """Two documents that say the same are one piece of evidence."""
    twice = weigh("travel time", [passage("Record travel time.", name="a"), passage("Record travel time.", name="b")])
    assert len(twice) == 1
    assert twice[0].number == 1


def test_nothing_to_weigh_weighs_nothing() -> None:
    """No passages, or a question without a telling word."""
    assert weigh("travel", []) == []
    assert all(each.relevance == 0.0 for each in weigh("What is it?", [passage("Travel time is recorded.")]))
