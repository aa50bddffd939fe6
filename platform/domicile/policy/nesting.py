"""How deeply a policy text may be nested, looked at before it is parsed.

Cedar's parser calls itself for each level, and at some thousand levels it takes the whole process with it. Whoever may write
policies must not be able to do that.
"""

from __future__ import annotations

import re

from domicile.domain.errors import PolicyInvalid

#: Brackets within one another, conditionals of one policy, and attributes of attributes. What people write stays below 10.
MOST_LEVELS = 100
_TOKEN = re.compile(r'(?P<blank>\s+|//[^\n\r]*)|"(?:\\.|[^"\\])*"|(?P<word>\w+)|.', re.DOTALL)


def require_shallow(name: str, text: str) -> None:
    """Raises ``PolicyInvalid``, naming the file and the line, for a text that is nested more than ``MOST_LEVELS`` deep."""
    brackets = conditionals = attributes = 0
    for found in _TOKEN.finditer(text):
        sign = found.group()
        brackets += (sign in "([{") - (sign in ")]}")
        conditionals = 0 if sign == ";" else conditionals + (sign == "if")
        attributes = attributes + (sign == ".") if found["word"] or found["blank"] or sign == "." else 0
        if max(brackets, conditionals, attributes) > MOST_LEVELS:
            raise _too_deep(name, text.count("\n", 0, found.start()) + 1)


def _too_deep(name: str, line: int) -> PolicyInvalid:
    return PolicyInvalid(
        f"A policy is nested more than {MOST_LEVELS} levels deep ({name}, line {line}).",
        hint="Write several policies, or […].contains(…) for many alternatives.",
        file=name,
        line=line,
    )
