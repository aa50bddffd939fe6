"""Which header row a place in a table stands under."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domicile.ingestion.tables import TableMap, is_header

PRICES = "Prices:\n\n| **Model** | [Price](x) |\n|---|---:|\n| HB-120 | 84500 |\n| HB-400 | 219800 |\n\nAfter it."


def header(text: str, words: str) -> str:
    return TableMap(text).header_at(text.index(words))


def test_every_row_stands_under_its_header() -> None:
    """Without mark-up, and still a row, so that it is told from a heading."""
    assert header(PRICES, "| HB-120") == header(PRICES, "| HB-400") == "| Model | Price |"
    assert is_header(header(PRICES, "| HB-400"))
    assert not is_header("Model | Price")


@pytest.mark.parametrize("words", ["Prices", "| **Model", "After it"])
def test_elsewhere_there_is_no_header(words: str) -> None:
    """What begins with the header row has it in its own text."""
    assert header(PRICES, words) == ""


def test_a_spreadsheets_title_is_not_its_header() -> None:
    """The names are further down, and hold until an empty row."""
    rows = [
        "| Prices 2026 | |",
        "|---|---|",
        "| Valid from May | |",
        "| Model | Price |",
        "| HB-120 | 84500 |",
        "| HB-400 | 2 |",
    ]
    sheet = "\n".join([*rows, "| HB-400 | 219800 |", "| | |", "| Level 1 | 5 % |"])
    assert header(sheet, "| Valid") == ""
    assert header(sheet, "| HB-120") == header(sheet, "| HB-400") == "| Model | Price |"
    assert header(sheet, "| Level 1") == ""


def test_two_tables_have_a_header_each() -> None:
    """Even where only a blank line is between them."""
    text = "| A | B |\n|---|---|\n| 1 | 2 |\n\n| C | D |\n|---|---|\n| 3 | 4 |"
    assert header(text, "| 1") == "| A | B |"
    assert header(text, "| C") == ""
    assert header(text, "| 3") == "| C | D |"


def test_a_table_without_names_has_no_header() -> None:
    """A wrong name would make a false statement of a true figure."""
    text = "| Paris | EUR 58 |\n| Germany | EUR 28 |"
    assert header(text, "| Germany") == ""


def test_a_header_without_end_is_left_out() -> None:
    """It would fill what is read of the chunk with names."""
    wide = "|" + " column |" * 500
    text = f"{wide}\n|{'---|' * 500}\n|{' 1 |' * 500}"
    assert TableMap(text).header_at(len(text) - 5) == ""


@given(st.text(st.sampled_from("|-a1 \n\\"), max_size=80))
def test_any_text_has_a_header_or_none_everywhere(text: str) -> None:
    """Whatever it looks like, and never one that stands below."""
    tables = TableMap(text)
    for offset in range(len(text) + 1):
        found = tables.header_at(offset)
        assert not found or is_header(found)
        assert not found or "|" in text[:offset]
