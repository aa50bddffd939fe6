"""Which header row a place in a table stands under, so that a table that is cut in pieces keeps its columns' names."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

_ROW = re.compile(r"[ \t]*\|.*\|[ \t]*")
_RULE = re.compile(r"[ \t]*\|(?:[ \t]*:?-+:?[ \t]*\|)+[ \t]*")
_CELL = re.compile(r"(?<!\\)\|")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_MIN_COLUMNS = 2
#: Characters of a header row that are kept. A sheet of hundreds of columns would else fill the model's window with their names.
_LONGEST = 1_000


def is_header(heading: str) -> bool:
    """Whether one of a chunk's headings is the header row of the table that it begins in the middle of."""
    return _ROW.fullmatch(heading) is not None


class TableMap:
    """The header row that holds at every offset of one Markdown text (GitHub Flavored Markdown, section 4.10).

    The row before a rule names the columns. A spreadsheet often has its title there, and its names further down: a row that is
    filled throughout with words, before one that holds figures. An empty row ends what the names hold for. Where it is not
    clear what the columns are called there is no header, for a wrong one would make a false statement of a true figure.
    """

    def __init__(self, text: str) -> None:
        changes = [(0, ""), *(change for table in _tables(text) for change in _headers(table))]
        self._starts = [start for start, _ in changes]
        self._headers = [header for _, header in changes]

    def header_at(self, start: int) -> str:
        """The header row above that offset, without mark-up; empty outside of tables and at the header row itself."""
        return self._headers[bisect_right(self._starts, start) - 1]


Line = tuple[int, str]


def _tables(text: str) -> Iterator[list[Line]]:
    """Each run of rows, with the line after it."""
    table: list[Line] = []
    position = 0
    for line in [*text.split("\n"), ""]:
        if _ROW.fullmatch(line):
            table.append((position, line))
        elif table:
            yield [*table, (position, "")]
            table = []
        position += len(line) + 1


def _headers(table: Sequence[Line]) -> Iterator[tuple[int, str]]:
    """From which offset on which header holds: none at the header row itself, and none after the table."""
    rows = [_cells(row) for _, row in table]
    named = False
    for (start, line), row, (after, next_line), following in zip(table, rows, table[1:], rows[1:], strict=False):
        if _RULE.fullmatch(line):
            continue
        before_rule = _RULE.fullmatch(next_line) is not None
        if before_rule or not any(row):
            named = False
            yield start, ""
        if (before_rule and sum(map(bool, row)) >= _MIN_COLUMNS) or (not before_rule and not named and _names(row, following)):
            named = True
            yield after, _joined(row)
    yield table[-1][0], ""


def _names(row: Sequence[str], after: Sequence[str]) -> bool:
    words = all(cell and not cell[0].isdigit() for cell in row)
    return words and len(row) >= _MIN_COLUMNS and any(cell[:1].isdigit() for cell in after)


def _joined(row: Sequence[str]) -> str:
    header = f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"
    return header if len(header) <= _LONGEST else ""


def _cells(row: str) -> list[str]:
    """Without tags, links' targets, escapes, and emphasis around the whole."""
    found = (_LINK.sub(r"\1", _TAG.sub(" ", cell)).replace("\\", "") for cell in _CELL.split(row.strip()[1:-1]))
    return [" ".join(cell.split()).strip("*_` ") for cell in found]
