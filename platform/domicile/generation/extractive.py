"""The embedded generator: answers with the documents' own sentences, or says that it found none. It writes no claim itself.

It first weighs every sentence by its words, then asks the embedding model how near the best of them come to the question, so
that "how long" finds "at least 14 characters". The thresholds below were set on the questions of the tests and on questions
that the same documents do not answer; docs/answers.md has the figures.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import numpy as np

from domicile.domain.documents import Passage
from domicile.domain.values import Region
from domicile.generation.evidence import Evidence, names_all, weigh
from domicile.generation.phrases import lead_in, nothing_found
from domicile.generation.units import Unit, units_in
from domicile.ports.embedder import Embedder
from domicile.ports.generator import Finished, GenerationEvent, GenerationRequest, TextDelta

#: Units whose similarity to the question is computed; each costs the embedding of one sentence.
COMPARED = 24
#: Characters of a unit that are compared, about the embedding model's window.
COMPARED_CHARS = 1000
#: Strength is a unit's relevance plus its similarity. Below ``WEAK`` nothing is an answer; from ``CERTAIN`` on one clearly is.
WEAK = 0.62
CERTAIN = 0.85
#: Similarity alone is no evidence: unrelated sentences of one language reach 0.6 in a model that was trained on another.
LEAST_RELEVANCE = 0.02
#: A further unit is shown if it is this strong compared with the best, in the same passage or in another.
COMPANION_NEAR = 0.72
COMPANION_FAR = 0.85
#: At most so many units, from so many passages.
MAX_UNITS = 4
MAX_PASSAGES = 3
#: Items that are shown after a sentence that introduces them.
MAX_ITEMS = 6
_WORDS = re.compile(r"\S+\s*")


@dataclass(frozen=True, slots=True)
class _Scored:
    number: int
    unit: Unit
    strength: float


class ExtractiveGenerator:
    """Needs no model server. ``region`` is the cell's: it runs in the service's own process."""

    name = "extractive"

    def __init__(self, *, embedder: Embedder, region: Region) -> None:
        self.region = region
        self._embedder = embedder

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """The quoted sentences word by word, as a model's answer would come; see ``Generator``."""
        scored = await self._scored(request.question, request.passages)
        if not scored or scored[0].strength < WEAK:
            text = nothing_found(request.question, request.searched_documents, request.searched_collections)
        else:
            text = _told(request, _chosen(scored))
        for word in _WORDS.finditer(text):
            yield TextDelta(word.group())
        yield Finished(answered=bool(scored) and scored[0].strength >= WEAK)

    async def ping(self) -> None:
        """It can always answer."""

    async def close(self) -> None:
        """It holds nothing; the embedder belongs to whoever made it."""

    async def _scored(self, question: str, passages: Sequence[Passage]) -> list[_Scored]:
        """The best units, strongest first. Compared as questions, not as bulk work: somebody is waiting for this."""
        evidence = await asyncio.to_thread(weigh, question, passages)
        evidence = [each for each in evidence[:COMPARED] if each.relevance >= LEAST_RELEVANCE]
        if not evidence:
            return []
        texts = [question, *map(_compared, evidence)]
        wanted, *vectors = await asyncio.gather(*map(self._embedder.embed_query, texts))
        scored = [
            _Scored(each.number, each.unit, each.relevance + max(0.0, float(np.dot(wanted, vector))))
            for each, vector in zip(evidence, vectors, strict=True)
        ]
        return sorted(scored, key=lambda each: -each.strength)


def _compared(evidence: Evidence) -> str:
    unit = evidence.unit
    return (f"{unit.context}: {unit.text}" if unit.context else unit.text)[:COMPARED_CHARS]


def _chosen(scored: Sequence[_Scored]) -> list[_Scored]:
    """The strongest unit and those nearly as strong."""
    chosen: list[_Scored] = []
    for each in scored:
        numbers = {one.number for one in chosen} | {each.number}
        least = COMPANION_NEAR if each.number == scored[0].number else COMPANION_FAR
        if each.strength >= least * scored[0].strength and len(numbers) <= MAX_PASSAGES:
            chosen.append(each)
        if len(chosen) == MAX_UNITS:
            break
    return chosen


def _told(request: GenerationRequest, chosen: Sequence[_Scored]) -> str:
    """The passage of the strongest unit first; within a passage in reading order; each passage's words end with its number."""
    certain = chosen[0].strength >= CERTAIN and names_all(request.question, request.passages)
    parts = [lead_in(request.question, certain=certain)]
    for number in dict.fromkeys(each.number for each in chosen):
        units = _with_items(request.passages[number - 1], [each.unit for each in chosen if each.number == number])
        parts.append(f"{_joined(units)} [{number}]")
    return "\n\n".join(parts)


def _with_items(passage: Passage, units: Sequence[Unit]) -> list[Unit]:
    """The units in reading order, and after one that introduces a list the list's first items."""
    wanted = {unit.start: unit for unit in units}
    everything = units_in(passage.chunk)
    for index, unit in enumerate(everything):
        if unit.start in wanted and unit.introduces:
            for item in everything[index + 1 : index + 1 + MAX_ITEMS]:
                if not item.item:
                    break
                wanted.setdefault(item.start, item)
    return [wanted[start] for start in sorted(wanted)]


def _joined(units: Sequence[Unit]) -> str:
    """Sentences run on; items and rows get a line each."""
    text, after_item = "", False
    for unit in units:
        text += f"\n- {unit.text}" if unit.item else ("\n" if after_item else " ") + unit.text
        after_item = unit.item
    return text.strip()
