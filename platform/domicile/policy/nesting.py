"""How deeply policies may be nested: as texts before they are parsed, and as what they are parsed into.

Cedar's parser calls itself for each level, and at some thousand levels it takes the whole process with it. What is done with
parsed policies calls itself, too, and fails at some hundred. Whoever may write policies must not be able to cause either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from domicile.domain.errors import PolicyInvalid

#: Brackets within one another, conditionals of one policy, and attributes of attributes. What people write stays below 10.
MOST_LEVELS = 100
#: Objects within one another in JSON; an operator is two or three of them. Operators in a row nest as well.
_MOST_JSON_LEVELS = 3 * MOST_LEVELS
#: Operators, dots and opening brackets of one policy: the parser calls itself for each of a row, too, and takes ten thousand.
_MOST_SIGNS = 5000
_SIGNS = frozenset("+-*&|.([")
_TOKEN = re.compile(r'(?P<blank>\s+|//[^\n\r]*)|"(?:\\.|[^"\\])*"|(?P<word>\w+)|.', re.DOTALL)


def require_shallow(name: str, text: str) -> None:
    """Raises ``PolicyInvalid``, naming the file, for a text that is nested more than ``MOST_LEVELS`` deep, with the line, or
    one with more operators than are parsed.
    """
    brackets = conditionals = attributes = signs = 0
    for found in _TOKEN.finditer(text):
        sign = found.group()
        brackets += (sign in "([{") - (sign in ")]}")
        conditionals = 0 if sign == ";" else conditionals + (sign == "if")
        signs = 0 if sign == ";" else signs + (sign in _SIGNS)
        attributes = attributes + (sign == ".") if found["word"] or found["blank"] or sign == "." else 0
        if max(brackets, conditionals, attributes) > MOST_LEVELS:
            raise _too_deep(name, text.count("\n", 0, found.start()) + 1)
        if signs > _MOST_SIGNS:
            raise too_many(name)


def is_deep(policy: object) -> bool:
    """Whether a policy in Cedar's JSON format is nested too deeply for what is done with it."""
    level, depth = [policy], 0
    while level:
        depth += 1
        if depth > _MOST_JSON_LEVELS:
            return True
        level = [below for each in level for below in _below(each)]
    return False


def _below(node: object) -> Iterable[object]:
    return node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()


def too_many(name: str) -> PolicyInvalid:
    """The error for more operators than can be read."""
    return PolicyInvalid(
        f"A policy in {name} has too many operators in a row.",
        hint="Write several policies, or […].contains(…) for many alternatives.",
        file=name,
    )


def _too_deep(name: str, line: int) -> PolicyInvalid:
    return PolicyInvalid(
        f"A policy is nested more than {MOST_LEVELS} levels deep ({name}, line {line}).",
        hint="Write several policies, or […].contains(…) for many alternatives.",
        file=name,
        line=line,
    )
