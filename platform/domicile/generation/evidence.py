"""Which units of the passages speak of what was asked.

A unit's relevance is the share of the question that it covers, its words weighted by how rare they are among the units at hand
(the probabilistic inverse document frequency of Robertson and Spärck Jones, 1976). What a unit belongs to, its heading and the
document's title, counts in part. The passage's own rank and similarity settle what words leave open.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from domicile.domain.documents import Passage
from domicile.generation.units import Unit, units_in
from domicile.generation.words import FORM, likeness, names_in, words_of

#: How much of its weight a word counts that is only in the unit's headings and the document's title, or only elsewhere in what
#: was found of the document: a policy names the place that it holds for once, and not in every sentence.
HEADING = 0.5
DOCUMENT = 0.35
#: How much the passage's rank and similarity can take from a unit's relevance.
RANK_LOSS = 0.03
SIMILARITY_SHARE = 0.2
#: Where the question asks for a figure: a unit that holds one, and a unit that does not.
FIGURE_GAIN = 1.25
FIGURE_LOSS = 0.75
#: What a sentence keeps that leans on the one before it, or promises a list that is not there.
LEANING = 0.7
#: What a unit keeps that is about something else than what the question names, by its own words and its headings.
NAMELESS = 0.5
#: Words below which a unit is a fragment rather than a statement.
WHOLE_WORDS = 4
#: What is weighed at most, for the time that it takes: every word of the question is compared with every word of the passages.
MOST_WORDS = 48
MOST_PASSAGES = 12

_ASKS_FIGURE = re.compile(
    r"\b(how (many|much|long|often|high|far|old|large)|what is the (\w+ )*(price|cost|limit|minimum|maximum|rate|number|length|"
    r"level|amount|deadline|budget|size)|what do(es)? [^?]{1,80} cost|when|was kostet|wie (viele?|lange|hoch|oft|teuer|"
    r"gro(ß|ss))|wann|ab welche[mr]|combien|quand|"
    r"quel(le)? (est |sont )?(le |la |les )?(\w+ )?(délai|montant|prix|taux|durée|nombre|plafond)|dans quel délai)\b",
    re.IGNORECASE,
)
_FIGURE = re.compile(
    r"\d|\b(one|two|three|four|five|six|seven|eight|nine|ten|twelve|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|zwölf|"
    r"deux|trois|quatre|cinq|sept|huit|neuf|dix|douze|once|twice|never|nie|einmal|zweimal|jamais)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A unit with the number of its passage (from 1), and how relevant it is: about 0 to 1, by its words alone."""

    number: int
    unit: Unit
    relevance: float


def weigh(question: str, passages: Sequence[Passage]) -> list[Evidence]:
    """Every unit of the best passages, the most relevant first; of two that say the same, only the better."""
    passages = passages[:MOST_PASSAGES]
    units = [(number, unit) for number, passage in enumerate(passages, 1) for unit in units_in(passage.chunk)]
    bags = _bags(units, passages)
    coverages = _Coverage(list(dict.fromkeys(words_of(question)))[:MOST_WORDS], bags)
    asked = _Asked(_ASKS_FIGURE.search(question) is not None, names_in(question))
    found: dict[frozenset[str], Evidence] = {}
    for (number, unit), bag, alone in zip(units, bags, _alone(units), strict=True):
        whole = min(1.0, len(bag.own) / WHOLE_WORDS) * alone * asked.suited(unit, bag)
        relevance = coverages.of(bag) * _standing(number, passages[number - 1]) * whole
        known = found.get(bag.own)
        if not unit.asks and (known is None or known.relevance < relevance):
            found[bag.own] = Evidence(number, unit, relevance)
    return sorted(found.values(), key=lambda each: -each.relevance)


def names_all(question: str, passages: Sequence[Passage]) -> bool:
    """Whether each name in the question is somewhere in the passages: what they say of Kassel answers nothing about Japan."""
    names = names_in(question)
    told = " ".join(part for each in passages for part in (each.title.title, *each.chunk.headings, each.chunk.text))
    words = frozenset(words_of(told)) if names else frozenset()
    return all(_named(name, words) for name in names)


def _named(name: str, words: frozenset[str]) -> bool:
    return any(likeness(name, word) for word in words)


def _standing(number: int, passage: Passage) -> float:
    """From 0 to 1: how much the passage's rank and its similarity to the question speak for its units."""
    similarity = max(0.0, passage.dense_score or 0.0)
    return (1.0 - RANK_LOSS * min(number - 1, 8)) * (1.0 - SIMILARITY_SHARE * (1.0 - similarity))


@dataclass(frozen=True, slots=True)
class _Bag:
    """The words of a unit, of its headings, and of all that was found of its document."""

    own: frozenset[str]
    headings: frozenset[str]
    document: frozenset[str]


def _bags(units: Sequence[tuple[int, Unit]], passages: Sequence[Passage]) -> list[_Bag]:
    own = [frozenset(words_of(unit.text)) for _, unit in units]
    documents: dict[UUID, frozenset[str]] = {}
    for (number, _), words in zip(units, own, strict=True):
        version = passages[number - 1].version_id
        documents[version] = documents.get(version, frozenset()) | words
    bags = []
    for (number, unit), words in zip(units, own, strict=True):
        passage = passages[number - 1]
        headings = " ".join((unit.context, *passage.chunk.headings, passage.title.title))
        bags.append(_Bag(words, frozenset(words_of(headings)), documents[passage.version_id]))
    return bags


def _alone(units: Sequence[tuple[int, Unit]]) -> Iterator[float]:
    """For each unit from 0 to 1: how far it can be understood without what stands before and after it."""
    for place, (number, unit) in enumerate(units):
        listed = any(after == number and following.item for after, following in units[place + 1 : place + 2])
        yield LEANING if unit.leans or (unit.introduces and not listed) else 1.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the question wants besides its words: a figure, or something of what it names."""

    figure: bool
    names: Sequence[str]

    def suited(self, unit: Unit, bag: _Bag) -> float:
        """Around 1: what the unit's relevance is multiplied by."""
        named = all(_named(name, bag.own | bag.headings) for name in self.names)
        suited = 1.0 if named else NAMELESS
        if self.figure:
            suited *= FIGURE_GAIN if _FIGURE.search(unit.text) else FIGURE_LOSS
        return suited


class _Coverage:
    """How much of the question a unit covers."""

    def __init__(self, question: Sequence[str], bags: Sequence[_Bag]) -> None:
        vocabulary = frozenset().union(*(bag.headings | bag.document for bag in bags))
        # Each pair is compared once, and of all words only the few that are alike are ever looked at again.
        self._alike = {wanted: {word: like for word in vocabulary if (like := likeness(wanted, word))} for wanted in question}
        self._weights = {wanted: self._telling(wanted, bags) for wanted in question}
        self._whole = sum(self._weights.values())

    def of(self, bag: _Bag) -> float:
        """From 0 to 1. A question without a telling word is covered by nothing."""
        if self._whole == 0.0:
            return 0.0
        return sum(weight * self._held(wanted, bag) for wanted, weight in self._weights.items()) / self._whole

    def _held(self, wanted: str, bag: _Bag) -> float:
        own, headings = self._best(wanted, bag.own), HEADING * self._best(wanted, bag.headings)
        return max(own, headings) or DOCUMENT * self._best(wanted, bag.document)

    def _telling(self, wanted: str, bags: Sequence[_Bag]) -> float:
        """The word's weight: the fewer units have it, the more. One that none has counts most: it is what is missing."""
        having = sum(self._best(wanted, bag.own) >= FORM for bag in bags)
        return math.log(1.0 + (len(bags) - having + 0.5) / (having + 0.5))

    def _best(self, wanted: str, words: frozenset[str]) -> float:
        alike = self._alike[wanted]
        return max((alike[word] for word in words & alike.keys()), default=0.0)
