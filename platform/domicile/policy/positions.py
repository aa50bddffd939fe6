"""On which line of a policy an operator stands, which Cedar's parser does not tell."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain

from domicile.policy.expressions import walk
from domicile.policy.operands import Json, only
from domicile.policy.sources import PolicySource

_TOKEN = re.compile(r'\s+|//[^\n\r]*|(?P<word>"(?:\\.|[^"\\])*"|\w+|\.\s*\w+|[=!<>]=|&&|\|\||.)', re.DOTALL)
_WORDS: Mapping[str, str] = {"if-then-else": "if", "neg": "-", "Set": "[", "Record": "{"}


def line_of(expression: Json, policy: Json, source: PolicySource) -> int:
    """The line of the expression's operator; the policy's own where it cannot be told for certain.

    Equal operators come in the same order in the text as in what it was parsed into. That is relied on only if there are as
    many of them here as there.
    """
    bodies = (condition["body"] for condition in policy["conditions"])
    sought = _word(expression)
    alike = [each for each in chain.from_iterable(map(walk, bodies)) if _word(each) == sought]
    lines = [line for word, line in _conditions(source) if word == sought]
    if len(lines) == len(alike):
        return next((line for line, each in zip(lines, alike, strict=True) if each is expression), source.line)
    return source.line


def _word(expression: Json) -> str:
    """What stands in the text for the expression's operator, the same for all that cannot be told apart there."""
    operator, arguments = only(expression)
    match operator, arguments:
        case ".", {"attr": str(name)}:
            return f".{name}"
        case "Value", int() if not isinstance(arguments, bool) and arguments < 0:
            return "-"
        case (("contains" | "containsAny" | "containsAll" | "isEmpty" | "getTag" | "hasTag"), _):
            return f".{operator}"
    return _WORDS.get(operator, operator)


def _conditions(source: PolicySource) -> Iterator[tuple[str, int]]:
    """Each word and sign of the policy's conditions with its line. They follow the first ``)`` after the effect."""
    before, in_head, in_conditions = "", False, False
    for found in _TOKEN.finditer(source.text):
        word = re.sub(r"\s", "", found["word"] or "")
        if in_conditions and word:
            yield word, source.line + source.text.count("\n", 0, found.start("word"))
        in_head = in_head or (word == source.effect and before != "@")
        in_conditions = in_conditions or (in_head and word == ")")
        before = word or before
