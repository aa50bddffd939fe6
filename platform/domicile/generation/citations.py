"""Citations: which ``[n]`` of an answer name a passage, and which of the passage's words they point to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from domicile.domain.documents import Passage
from domicile.generation.units import Unit, units_in
from domicile.generation.words import words_of

_MARK = re.compile(r"\[(?P<numbers>\d{1,4}(?:\s*,\s*\d{1,4})*)\]")
# What may still become a mark when more of the stream arrives.
_BEGUN = re.compile(r"\s*\[[\d,\s]{0,40}\Z|\s+\Z")
_LOOSE_MARK = re.compile(r"(?P<space>(?<!\s)\s*)" + _MARK.pattern)
#: A unit of the passage whose words occur in the answer to this share is quoted by it.
QUOTED = 0.8


@dataclass(frozen=True, slots=True)
class Citation:
    """``number`` is the passage's, from 1. ``start`` and ``end`` are the cited words, as character offsets into its text."""

    number: int
    passage: Passage
    start: int
    end: int

    @property
    def quote(self) -> str:
        return self.passage.chunk.text[self.start : self.end]


def citations_in(answer: str, passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """Each passage that the answer cites, once, in the order of the first mark. Numbers without a passage are no citations."""
    claims: dict[int, str] = {}
    begin = 0
    for mark in _MARK.finditer(answer):
        claim = answer[begin : mark.start()].strip()
        begin = mark.end() if claim else begin
        for number in _numbers(mark["numbers"]):
            if 1 <= number <= len(passages):
                # Marks side by side share the words before them.
                claims[number] = f"{claims.get(number, '')} {claim or _before(answer, mark.start())}"
    return tuple(
        Citation(number, passages[number - 1], *_cited(claim, passages[number - 1])) for number, claim in claims.items()
    )


class MarkFilter:
    """Lets a streamed answer through without the marks that name no passage. A model may make numbers up; none is shown."""

    def __init__(self, passages: int) -> None:
        self._passages = passages
        self._held = ""
        #: Whether a valid mark has passed.
        self.cited = False

    def feed(self, text: str) -> str:
        """What can be shown now; the beginning of a mark is held until its end is there."""
        whole = self._held + text
        begun = _BEGUN.search(whole)
        ready = whole[: begun.start()] if begun else whole
        self._held = whole[len(ready) :]
        return _LOOSE_MARK.sub(self._valid, ready)

    def end(self) -> str:
        """What was held, now that nothing follows."""
        held, self._held = self._held, ""
        return held.rstrip()

    def _valid(self, mark: re.Match[str]) -> str:
        numbers = [number for number in _numbers(mark["numbers"]) if 1 <= number <= self._passages]
        self.cited = self.cited or bool(numbers)
        return f"{mark['space']}[{', '.join(map(str, numbers))}]" if numbers else ""


def without_marks(answer: str) -> str:
    """The answer's words alone: in a later prompt the numbers would name other passages."""
    return _LOOSE_MARK.sub("", answer)


def _numbers(listed: str) -> list[int]:
    return [int(number) for number in listed.split(",")]


def _before(answer: str, end: int) -> str:
    """The words before a run of marks that ends there, back to the mark or the line before."""
    words = _LOOSE_MARK.split(answer[:end])
    return next((part for part in reversed(words) if len(part.strip(" ,.;")) > 1 and not part.strip().isdigit()), "")


def _cited(claim: str, passage: Passage) -> tuple[int, int]:
    """The units that the claim repeats, from the first to the last; else the one that is most like it; else all."""
    said = frozenset(words_of(claim))
    shares = [(_share(unit, said), unit) for unit in units_in(passage.chunk)]
    quoted = [unit for share, unit in shares if share >= QUOTED]
    if quoted:
        return quoted[0].start, quoted[-1].end
    share, unit = max(shares, key=lambda pair: pair[0], default=(0.0, None))
    return (unit.start, unit.end) if unit is not None and share > 0.0 else (0, len(passage.chunk.text))


def _share(unit: Unit, said: frozenset[str]) -> float:
    words = frozenset(words_of(unit.text))
    return len(words & said) / len(words) if words else 0.0
