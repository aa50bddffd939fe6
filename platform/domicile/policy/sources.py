"""Where each policy stands: its file, its line and its exact text, which Cedar's parser does not tell.

A file is cut at every ``;`` outside of strings and comments, since in Cedar's grammar nothing but the end of a policy is one
(https://docs.cedarpolicy.com/policies/syntax-grammar.html). Each piece is then read again on its own, and has to be the very
policy that the file as a whole was read as: a text that is shown as the reason for a decision must be the one that decided.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from domicile.domain.errors import PolicyInvalid
from domicile.policy.parsing import Policy, identified

_TOKEN = re.compile(r'(?P<blank>\s+|//[^\n\r]*)|(?P<end>;)|"(?:\\.|[^"\\])*"|[^\s";/]+|.', re.DOTALL)


@dataclass(frozen=True, slots=True)
class PolicySource:
    """One policy as it is written. ``line`` counts from 1 and is where its first annotation stands, or its effect."""

    file: str
    line: int
    text: str
    #: ``permit`` or ``forbid``.
    effect: str


def find_sources(files: Mapping[str, str], policies: Mapping[str, Policy]) -> dict[str, PolicySource]:
    """The source of each of the policies that the files were parsed into. Raises ``PolicyInvalid`` if they do not match."""
    sources: dict[str, PolicySource] = {}
    for name, text in sorted(files.items()):
        for line, written in _pieces(text):
            for id_, policy in identified(name, written):
                if id_ in sources or policies.get(id_) != policy:
                    raise PolicyInvalid(f"Policy '{id_}' cannot be told from its neighbours in {name}.", policy=id_, file=name)
                sources[id_] = PolicySource(name, line, written, policy["effect"])
    if lost := sorted(policies.keys() - sources.keys()):
        raise PolicyInvalid(f"The text of policy '{lost[0]}' cannot be found.", policy=lost[0])
    return sources


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Each policy's line and its text, without the blanks and comments before it."""
    begin: int | None = None
    for token in _TOKEN.finditer(text):
        if begin is None and not token["blank"]:
            begin = token.start()
        if begin is not None and token["end"]:
            yield text.count("\n", 0, begin) + 1, text[begin : token.end()]
            begin = None
