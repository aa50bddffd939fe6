"""Sentences, list items and table rows that can stand alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.domain.documents import Chunk
from domicile.generation.units import MOST_CHARS, units_in, units_of


def texts(passage: str) -> list[str]:
    return [unit.text for unit in units_of(passage)]


@pytest.mark.parametrize(
    ("passage", "sentences"),
    [
        ("One thing. Another thing! A third?", ["One thing.", "Another thing!", "A third?"]),
        ("Das gilt z.B. am 12. Februar ab 8 Uhr. Danach nicht.", ["Das gilt z.B. am 12. Februar ab 8 Uhr.", "Danach nicht."]),
        (
            "Dr. Smith and J. Doe agree, e.g. on art. 115. They do.",
            ["Dr. Smith and J. Doe agree, e.g. on art. 115.", "They do."],
        ),
        ("M. Martin l'a dit. « C'est vrai. » Voilà.", ["M. Martin l'a dit.", "« C'est vrai. »", "Voilà."]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("The limit is 3.5 % of 1.000 Euro. It is fixed.", ["The limit is 3.5 % of 1.000 Euro.", "It is fixed."]),
        ("A sentence\nthat goes on\nover lines. And another.", ["A sentence that goes on over lines.", "And another."]),
    ],
)
def test_sentences_end_where_they_end(passage: str, sentences: list[str]) -> None:
    """Abbreviations, ordinals, initials and decimals end none; a line break ends none either."""
    assert texts(passage) == sentences


def test_headings_and_rules_are_context_not_units() -> None:
    """They say what the units below them are about."""
    (unit,) = units_of("## Carry-over\n\n---\n\nUp to 40 hours carry over.")
    assert (unit.text, unit.context) == ("Up to 40 hours carry over.", "Carry-over")


def test_a_list_item_knows_the_sentence_that_introduces_it() -> None:
    """And the sentence knows that it says little alone."""
    lead, first, second, after = units_of("Keep a log of:\n\n- departures\n- [x] arrivals\n\nThat is all.")
    assert lead.introduces
    assert (first.text, first.context, first.item) == ("departures", "Keep a log of:", True)
    assert (second.text, second.context) == ("arrivals", "Keep a log of:")
    assert (after.context, after.item) == ("", False)


def test_a_row_reads_with_its_columns() -> None:
    """A figure without its column's name would say nothing."""
    table = "| Service | PTO |\n|---|---:|\n| less than 5 years | **15 days** |\n| more | 20 days |"
    assert texts(table) == ["Service: less than 5 years; PTO: 15 days", "Service: more; PTO: 20 days"]


def test_a_spreadsheets_title_is_not_its_columns() -> None:
    """The names follow further down, in the first row that is filled throughout."""
    rows = ["| Prices 2026 | | |", "|---|---|---|", "| Valid from May | | |"]
    sheet = "\n".join([*rows, "| Model | Price | Lead time |", "| HB-400 | 219800 | 16 weeks |"])
    assert texts(sheet) == ["Valid from May", "Model: HB-400; Price: 219800; Lead time: 16 weeks"]


def test_an_empty_row_ends_what_the_names_hold_for() -> None:
    """A second table in the same sheet must not be read under the first one's names."""
    sheet = "| Model | Price |\n|---|---|\n| HB-120 | 84500 |\n| | |\n| Level 1 | 5 % |"
    assert texts(sheet) == ["Model: HB-120; Price: 84500", "Level 1; 5 %"]


def test_names_in_the_middle_of_a_sheet_are_found() -> None:
    """A piece that was cut out of one still has them, though no rule follows."""
    piece = "| | | |\n| Model | COP at 50/90 | Lead time |\n| HB-400 | 3.9 | 16 weeks |"
    assert texts(piece) == ["Model: HB-400; COP at 50/90: 3.9; Lead time: 16 weeks"]


def test_a_table_without_names_gets_none() -> None:
    """A wrong name would make a false statement of a true figure."""
    assert texts("| Paris | EUR 58 |\n| Germany | EUR 28 |") == ["Paris; EUR 58", "Germany; EUR 28"]
    assert texts("| 1 | 2 |\n| 3 | x |") == ["1; 2", "3; x"]


def test_a_piece_of_a_table_reads_with_the_columns_above_it() -> None:
    """A chunk that begins in the middle of a table brings the header row as its last heading."""
    row = "| HB-400 | 219800 |"
    (unit,) = units_in(Chunk(1, row, 90, 90 + len(row), ("Prices", "| Model | Price |")))
    assert (unit.text, unit.start, unit.end) == ("Model: HB-400; Price: 219800", 0, len(row))
    (plain,) = units_in(Chunk(1, row, 90, 90 + len(row), ("Model | Price",)))
    assert plain.text == "HB-400; 219800"


def test_a_question_is_what_the_next_sentence_is_about() -> None:
    """As in a list of frequent questions, where the answer alone says neither what nor of what."""
    question, answer, after = units_of("How long is the warranty? Two years. It may be extended.")
    assert question.asks
    assert answer.context == "How long is the warranty?"
    assert (after.context, after.asks) == ("", False)


@pytest.mark.parametrize(
    ("sentence", "leans"),
    [
        ("This is how you will be paid.", True),
        ("Dafür werden drei Tage gebraucht.", True),
        ("Cela vaut aussi pour les cadres.", True),
        ("Thistles are not allowed.", False),
        ("Italy has other rules.", False),
        ("Leave is requested online.", False),
    ],
)
def test_a_sentence_that_points_back_leans(sentence: str, leans: bool) -> None:
    """Alone it does not say what it is about."""
    assert units_of(sentence)[0].leans is leans


@pytest.mark.parametrize(
    "passage",
    ["", "---\n***\n", "2\\.\n\n- 3.", "# Only a heading", "**Version 7 · valid from May · owner: People**", "```\n```"],
)
def test_what_states_nothing_is_no_unit(passage: str) -> None:
    """Rules, numbers alone, headings and imprints are left out."""
    assert units_of(passage) == []


def test_front_matter_is_left_out() -> None:
    """What a page tells its generator is not what it tells its readers."""
    assert texts("---\ntitle: Leave\nkeywords: a, b\n---\nText here.") == ["Text here."]


@given(st.text(st.sampled_from("aB1 .!?:|-#*\n\t[]()é§·"), max_size=120))
def test_offsets_point_to_the_unit_and_never_overlap(passage: str) -> None:
    """Whatever the passage looks like, a unit lies where it says it does, in reading order."""
    end = 0
    for unit in units_of(passage):
        assert end <= unit.start < unit.end <= len(passage)
        assert unit.text
        end = unit.end


@given(st.lists(st.sampled_from(["Alpha beta.", "Gamma delta!", "Is it so?"]), min_size=1, max_size=5))
def test_sentences_are_verbatim(sentences: list[str]) -> None:
    """Plain sentences come out as they went in."""
    passage = " ".join(sentences)
    assert texts(passage) == sentences
    assert [passage[unit.start : unit.end] for unit in units_of(passage)] == sentences


@pytest.mark.parametrize("run", ["x", "[", "*", "|", "a|", "{%", "![](", ". ", "a. ", "\n", " "])
def test_a_passage_without_end_is_read_up_to_a_bound(run: str) -> None:
    """A word of a million letters is one token to a model, and so one chunk; its reader does not stand still over it."""
    units = units_of(run * (1_000_000 // len(run)))
    assert all(unit.end <= MOST_CHARS for unit in units)
