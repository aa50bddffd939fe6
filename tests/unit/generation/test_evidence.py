"""Which sentence speaks of what was asked."""

from __future__ import annotations

from tests.fakes.passages import passage

from domicile.generation.evidence import names_all, weigh


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


def test_a_row_keeps_its_columns_where_its_table_was_cut() -> None:
    """They come with the chunk, whether or not the start of the table was found too."""
    piece = passage("| HB-400 | 219800 |", ordinal=4, headings=("Prices", "| Model | Price |"))
    assert best("What is the price of the HB-400?", piece) == "Model: HB-400; Price: 219800"


def test_what_does_it_cost_asks_for_a_figure() -> None:
    """The price of a thing and not another sentence about it."""
    text = "The oil pump is quiet. The oil pump is sold for 300 euros."
    assert best("What does the oil pump cost?", passage(text)) == "The oil pump is sold for 300 euros."


def test_a_question_is_no_evidence() -> None:
    """However much it is like the one that was asked, it answers nothing; what follows it does."""
    text = "How do I record travel time? Keep a log of every departure and arrival."
    assert best("How do I record travel time?", passage(text)) == "Keep a log of every departure and arrival."


def test_a_sentence_that_stands_alone_is_preferred() -> None:
    """Over one that points at what came before it, and over one that promises a list that is not there."""
    text = "This is how travel is reimbursed. Travel is reimbursed by voucher. Travel is reimbursed as follows:"
    assert best("How is travel reimbursed?", passage(text)) == "Travel is reimbursed by voucher."


def test_what_the_question_names_has_to_be_there() -> None:
    """Of two rows alike the one about the country that was asked for; its heading may name it as well."""
    rows = "| Country | Per diem |\n|---|---|\n| France | EUR 50 |\n| Germany | EUR 28 |"
    first, second = weigh("What is the per diem in Germany?", [passage(rows)])
    assert "Germany" in first.unit.text
    assert second.relevance < first.relevance / 2
    under = passage("The per diem comes to EUR 28.", headings=("Germany",), name="a")
    other = passage("The per diem comes to EUR 50.", headings=("France",), name="b")
    assert best("What is the per diem in Germany?", other, under) == "The per diem comes to EUR 28."


def test_a_name_that_is_nowhere_is_missed() -> None:
    """What is said of one country is no answer about another."""
    told = [passage("Employees in Germany have 30 days of leave.")]
    assert names_all("How many days of leave do employees in Germany have?", told)
    assert not names_all("How many days of leave do employees in Japan have?", told)
    assert names_all("How many days of leave are there?", told)


def test_the_same_sentence_twice_counts_once() -> None:
    """Two documents that say the same are one piece of evidence."""
    twice = weigh("travel time", [passage("Record travel time.", name="a"), passage("Record travel time.", name="b")])
    assert len(twice) == 1
    assert twice[0].number == 1


def test_nothing_to_weigh_weighs_nothing() -> None:
    """No passages, or a question without a telling word."""
    assert weigh("travel", []) == []
    assert all(each.relevance == 0.0 for each in weigh("What is it?", [passage("Travel time is recorded.")]))
