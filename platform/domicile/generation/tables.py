"""Markdown tables: rows that keep their column's names, so that one row can stand alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from domicile.generation.markup import plain

_ROW = re.compile(r"\s*\|.*\|\s*")
_RULE = re.compile(r"\s*\|(?:\s*:?-+:?\s*\|)+\s*")
_CELL = re.compile(r"(?<!\\)\|")
_MIN_COLUMNS = 2


def is_row(line: str) -> bool:
    """Whether the line is a row of a table."""
    return _ROW.fullmatch(line) is not None


def columns_above(headings: Sequence[str]) -> list[str]:
    """The columns of the table that a chunk begins in the middle of: ingestion puts their row last among its headings."""
    return _cells(headings[-1]) if headings and is_row(headings[-1]) else []


class Table:
    """Reads rows one after the other and knows which columns they are in.

    The row before a rule names the columns. A spreadsheet often has a title there, and its names further down: a row that is
    filled throughout with words, before one that holds figures. An empty row ends what the names hold for. Where it is not
    clear what a column is called it has no name, for a wrong one would make a false statement of a true figure.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = list(names)

    def read(self, rows: Sequence[str]) -> Iterator[tuple[int, str]]:
        """The index and the text of every row that states something."""
        cells = [_cells(row) for row in rows]
        rules = [_RULE.fullmatch(row) is not None for row in rows]
        for index, row in enumerate(cells):
            if rules[index]:
                continue
            following = index + 1 if index + 1 < len(rows) else index
            if rules[following]:
                self.names = row if sum(map(bool, row)) >= _MIN_COLUMNS else []
            elif not any(row):
                self.names = []
            elif not self.names and _names(row, cells[following]):
                self.names = row
            elif text := self._stated(row):
                yield index, text

    def _stated(self, cells: list[str]) -> str:
        names = self.names if len(self.names) == len(cells) else [""] * len(cells)
        pairs = [(name, cell) for name, cell in zip(names, cells, strict=True) if cell]
        return "; ".join(f"{name}: {cell}" if name and name != cell else cell for name, cell in pairs)


def _names(row: list[str], after: list[str]) -> bool:
    words = all(cell and not cell[0].isdigit() for cell in row)
    return words and len(row) >= _MIN_COLUMNS and any(cell[:1].isdigit() for cell in after)


def _cells(row: str) -> list[str]:
    return [plain(cell.replace("\\|", "|")) for cell in _CELL.split(row.strip()[1:-1])]
