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
    return _ROW.fullmatch(line) is not None


class Table:
    """Reads rows one after the other and knows which columns they are in.

    The row before a rule names the columns. In a spreadsheet that row is often a title in the first cell, and the names follow
    further down: then the first row after it that is filled throughout names them.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = list(names)
        self._seeks_names = False

    def read(self, rows: Sequence[str]) -> Iterator[tuple[int, str]]:
        """The index and the text of every row that states something."""
        for index, row in enumerate(rows):
            cells = _cells(row)
            if _RULE.fullmatch(row):
                continue
            if index + 1 < len(rows) and _RULE.fullmatch(rows[index + 1]):
                self._named(cells)
            elif self._seeks_names and all(cells):
                self.names, self._seeks_names = cells, False
            elif text := self._stated(cells):
                yield index, text

    def _named(self, cells: list[str]) -> None:
        self._seeks_names = len(cells) > _MIN_COLUMNS and sum(map(bool, cells)) <= 1
        self.names = [] if self._seeks_names else cells

    def _stated(self, cells: list[str]) -> str:
        names = self.names if len(self.names) == len(cells) else [""] * len(cells)
        pairs = [(name, cell) for name, cell in zip(names, cells, strict=True) if cell]
        return "; ".join(f"{name}: {cell}" if name and name != cell else cell for name, cell in pairs)


def _cells(row: str) -> list[str]:
    return [plain(cell.replace("\\|", "|")) for cell in _CELL.split(row.strip()[1:-1])]
