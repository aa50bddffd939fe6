"""Passages cut into units that can stand alone in an answer: sentences, list items and table rows.

Works on Markdown as the parsers write it, and on plain text. It knows no language; it knows the abbreviations of a few.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from domicile.domain.documents import Chunk
from domicile.generation.markup import plain
from domicile.generation.tables import Table, columns_above, is_row

_HEADING = re.compile(r"#{1,6}\s+(?P<text>.*)")
_ITEM = re.compile(r"\s*(?:[-*+•\u2013]|\d{1,3}\\?[.)]|[a-z]\))\s+(?:\\?\[[ xX]\\?\]\s+)?(?=\S)")
_RULE = re.compile(r"\s*(?:[-*_=]\s*){3,}|\s*`{3,}.*|\s*<!--.*-->\s*")
# What a page tells its generator before it begins.
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(?:.*\n)*?---[ \t]*(?:\n|\Z)")
# The end of a sentence, with closing quotes and brackets, before white space and the start of another.
_STOP = re.compile(r"[.!?…]+[\"'\u201d\u2019»)\]*_]*(?:\s?»)?\s+(?=[\"'“„«(\[*_¿¡]*(?:(?<=«)\s)?[\w§])")
_ABBREVIATIONS = frozenset(
    re.findall(
        r"\S+",
        """
        a.d abb abs al anm approx art aufl bspw bzgl bzw ca cf ch chap co corp d.h dept dipl div dr e.g ed engl env
        etc ev evtl ex f ff fig ggf gmbh hr i.d.r i.e i.v inc incl inkl jan feb apr aug sept oct nov dec jr lt ltd m
        max mio mme mlle mrd min mr mrs ms nr p p.a p.ex par pp prof resp s s.o s.u sec sog sr st str tel tit u.a
        u.u v vgl vol vs z.b z.t zzgl
        """,
    )
)
_LONGEST_ABBREVIATION = 12
_ORDINAL = re.compile(r"\(?\d{1,2}|[^\W\d_]|[IVX]{1,4}")
# "Version 7.0 · valid from 1 January · owner: People": what a page says of itself, not of its subject.
_IMPRINT = re.compile(r"(?:[^·|]+[·|]){2,}[^·|]+")
_LEANING = re.compile(
    r"(?:this|that|these|those|they|it|he|she|then|therefore|otherwise|instead|also|but|and|or|however|dies\w*|jene[rs]?|er|sie|es|"
    r"dann|daher|deshalb|dafür|dazu|dabei|außerdem|sonst|aber|ce(?:la|ci)?|c'est|ces|ils?|elles?|alors|donc|mais|en outre)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Unit:
    """``start`` and ``end`` are character offsets into the passage; ``text`` is what it says there, without mark-up.

    A table row reads as its cells, each with its column's name. ``context`` is what the unit belongs to: the heading above it
    and the sentence that introduces its list. ``item`` is True for a list item or row, which such a sentence may introduce.
    """

    start: int
    end: int
    text: str
    context: str = ""
    item: bool = False

    @property
    def introduces(self) -> bool:
        """Whether the unit promises what follows it, and says little without that."""
        return self.text.endswith(":")

    @property
    def asks(self) -> bool:
        """Whether the unit is a question, which answers nothing, however much it is like the one that was asked."""
        return self.text.endswith("?")

    @property
    def leans(self) -> bool:
        """Whether the unit begins by pointing at what was said before it, and so cannot be understood alone."""
        return _LEANING.match(self.text) is not None


@dataclass(frozen=True, slots=True)
class _Line:
    start: int
    text: str

    @property
    def end(self) -> int:
        return self.start + len(self.text)


#: Characters of a passage that are read. A chunk has some hundreds; one without white space may have any number.
MOST_CHARS = 20_000


def units_of(passage: str, columns: Sequence[str] = ()) -> list[Unit]:
    """Every unit of the passage, in reading order. Headings are context, not units.

    ``columns`` names the columns of a table that the passage begins in the middle of.
    """
    return _Reader(passage[:MOST_CHARS], columns).units


def units_in(chunk: Chunk) -> list[Unit]:
    """Every unit of a chunk, with the columns of a table that it begins in the middle of."""
    return units_of(chunk.text, columns_above(chunk.headings))


class _Reader:
    """Goes through a passage block by block and remembers what the next block belongs to."""

    def __init__(self, passage: str, columns: Sequence[str]) -> None:
        self.units: list[Unit] = []
        self._table = Table(columns)
        self._passage = passage
        self._heading = ""
        self._lead = ""
        for block in _blocks(passage):
            self._read(block)

    def _read(self, block: list[_Line]) -> None:
        first = block[0].text
        if title := _HEADING.fullmatch(first):
            self._heading, self._lead = plain(title["text"]), ""
        elif is_row(first):
            context = f"{self._heading} {self._lead}".strip()
            for index, text in self._table.read([line.text for line in block]):
                self.units.append(Unit(block[index].start, block[index].end, text, context, item=True))
        else:
            self._prose(block[0].start, block[-1].end, item=bool(_ITEM.match(first)))

    def _prose(self, start: int, end: int, *, item: bool) -> None:
        context = f"{self._heading} {self._lead}".strip() if item else self._heading
        found = _answering(list(_sentences(self._passage, start, end, context, item=item)))
        self.units += found
        if not item:
            self._lead = found[-1].text if found and found[-1].introduces else ""


def _answering(units: list[Unit]) -> list[Unit]:
    """A question is what the sentence after it is about."""
    following = [None, *units]
    return [
        replace(unit, context=f"{unit.context} {before.text}".strip()) if before and before.asks else unit
        for before, unit in zip(following, units, strict=False)
    ]


def _blocks(passage: str) -> Iterator[list[_Line]]:
    """Runs of lines that belong together: a heading, a whole table, one list item, one paragraph."""
    block: list[_Line] = []
    for line in _lines(passage):
        blank = not line.text.strip() or _RULE.fullmatch(line.text)
        if block and (blank or not _goes_on(block[-1].text, line.text)):
            yield block
            block = []
        if not blank:
            block.append(line)
    if block:
        yield block


def _goes_on(last: str, line: str) -> bool:
    if is_row(last) or is_row(line):
        return is_row(last) and is_row(line)
    return not (_HEADING.fullmatch(line) or _ITEM.match(line) or _HEADING.fullmatch(last))


def _lines(passage: str) -> Iterator[_Line]:
    front = _FRONT_MATTER.match(passage)
    start = front.end() if front else 0
    for raw in passage[start:].splitlines(keepends=True):
        yield _Line(start, raw.rstrip("\r\n"))
        start += len(raw)


def _sentences(passage: str, start: int, end: int, context: str, *, item: bool) -> Iterator[Unit]:
    if marker := _ITEM.match(passage, start, end):
        start = marker.end()
    begin = start
    for stop in _STOP.finditer(passage, start, end):
        if not _abbreviates(passage, stop.start()):
            yield from _unit(passage, begin, stop.end(), context, item=item)
            begin = stop.end()
    yield from _unit(passage, begin, end, context, item=item)


def _abbreviates(passage: str, stop: int) -> bool:
    """Whether the full stop there belongs to the word before it: ``z.B.``, ``12. Februar``, ``J. Smith``."""
    *_, word = re.split(r"\s", passage[max(0, stop - _LONGEST_ABBREVIATION) : stop])
    bare = word.lstrip("(\"'„“«[*_")
    return passage[stop] == "." and (bare.lower() in _ABBREVIATIONS or _ORDINAL.fullmatch(bare) is not None)


def _unit(passage: str, start: int, end: int, context: str, *, item: bool) -> Iterator[Unit]:
    raw = passage[start:end]
    text = plain(raw)
    if any(letter.isalpha() for letter in text) and not _IMPRINT.fullmatch(text):
        begin = start + len(raw) - len(raw.lstrip())
        yield Unit(begin, begin + len(raw.strip()), text, context, item)
