"""A policy's text as the single demands that it makes: the three parts of its head, and each ``when`` and ``unless``.

Each demand becomes a permit of its own, to be decided against the same request: one that does not apply is a demand that is not
met. They are cut from the text as it is written, so that what is shown is what its author wrote; read back, they have to be the
very head and conditions of the policy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from domicile.domain.errors import PolicyInvalid
from domicile.policy.parsing import Policy, identified
from domicile.policy.sources import PolicySource

_TOKEN = re.compile(r'@\w+|//[^\n\r]*|"(?:\\.|[^"\\])*"|\w+|\s+|.', re.DOTALL)
_HEAD = ("principal", "action", "resource")
_OPENS, _CLOSES = frozenset("([{"), frozenset(")]}")


@dataclass(frozen=True, slots=True)
class Clause:
    """``kind`` is ``principal``, ``action``, ``resource``, ``when`` or ``unless``; ``text`` is as it is written."""

    kind: str
    text: str

    @property
    def permit(self) -> str:
        """A policy that is satisfied exactly where this demand is met."""
        head = ", ".join(self.text if self.kind == each else each for each in _HEAD)
        return f"permit ({head}) {self.kind} {self.text};" if self.kind in ("when", "unless") else f"permit ({head});"


def clauses_of(source: PolicySource) -> list[Clause]:
    """The demands of the policy, in the order in which they are written. Raises ``PolicyInvalid`` if the text is not so cut."""
    groups = list(_groups(source.text))
    head = next((text for word, text in groups if word in ("permit", "forbid")), "")
    clauses = [Clause(kind, part) for kind, part in zip(_HEAD, _parts(head[1:-1]), strict=False)]
    clauses += [Clause(word, text) for word, text in groups if word in ("when", "unless")]
    _require_same(source, clauses)
    return clauses


def as_permits(clauses: Mapping[str, Clause]) -> dict[str, Policy]:
    """Each demand as a policy in Cedar's JSON format, by the given names."""
    text = "\n".join(f'@id("{name}") {clause.permit}' for name, clause in clauses.items())
    return dict(identified("clauses", text))


def _require_same(source: PolicySource, clauses: list[Clause]) -> None:
    policies = [policy for _, policy in identified(source.file, source.text)]
    read = as_permits({str(number): clause for number, clause in enumerate(clauses)})
    heads = {kind: read[str(number)][kind] for number, kind in enumerate(_HEAD)} if len(clauses) >= len(_HEAD) else {}
    conditions = [each for number in range(len(_HEAD), len(clauses)) for each in read[str(number)]["conditions"]]
    cut = {**heads, "conditions": conditions}
    if [{name: each[name] for name in (*_HEAD, "conditions")} for each in policies] != [cut]:
        raise PolicyInvalid(f"The conditions of a policy in {source.file} cannot be told apart.", file=source.file)


def _groups(text: str) -> Iterator[tuple[str, str]]:
    """Every outermost pair of brackets with the word before it: ``permit (…)``, ``when {…}``."""
    word, begin, depth = "", 0, 0
    for token in _TOKEN.finditer(text):
        if token[0] in _OPENS:
            begin = begin if depth else token.start()
            depth += 1
        elif token[0] in _CLOSES:
            depth -= 1
            if not depth:
                yield word, text[begin : token.end()]
        elif not depth and token[0].isidentifier():
            word = token[0]


def _parts(text: str) -> Iterator[str]:
    """What stands between the outermost commas; one after the last part is no further part."""
    begin, depth = 0, 0
    for token in _TOKEN.finditer(text):
        depth += (token[0] in _OPENS) - (token[0] in _CLOSES)
        if token[0] == "," and not depth:
            yield text[begin : token.start()].strip()
            begin = token.end()
    if rest := text[begin:].strip():
        yield rest
