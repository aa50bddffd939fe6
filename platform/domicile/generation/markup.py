"""Markdown to the words it sets: what an answer shows of a passage. No word is changed, only the marks around words go."""

from __future__ import annotations

import re

# None of them looks past the next opening mark, so that a run of half-open marks is read once and not once for each.
_MARKS = (
    (re.compile(r"\{%\s*\w+\s+\"([^\"{}]*)\"[^{}]*%\}"), r"\1"),  # template tags keep what they name
    (re.compile(r"\{%[^{}]*%\}|\{\{[^{}]*\}\}|<!--[^<>]*-->|</?[a-zA-Z][^<>]*>"), " "),  # other templates, and tags
    (re.compile(r"!\[[^\[\]]*\]\((?:[^()]|\([^()]*\))*\)"), " "),  # images
    (re.compile(r"\[([^\[\]]*)\]\((?:[^()]|\([^()]*\))*\)"), r"\1"),  # links keep their label
    (re.compile(r"\[([^\[\]]+)\]\[[^\[\]]*\]"), r"\1"),  # and so do links to a reference
    (re.compile(r"\]\((?:https?:|mailto:|[/#.])[^()\s]*\)"), ""),  # what is left of a link whose label began before the text
    (re.compile(r"\\([\\`*_{}\[\]()#+\-.!|~<>])"), r"\1"),  # escapes
    (re.compile(r"(?<![*\w])(\*{1,3}|_{1,3}|`+|~~)(?=[^\s*_`~])([^*`~]+?)(?<=\S)\1(?![*\w])"), r"\2"),  # emphasis and code
)
_SPACE = re.compile(r"\s+")


def plain(markdown: str) -> str:
    """The text on one line, without links' targets, emphasis, escapes, tags and template marks."""
    for mark, kept in _MARKS:
        markdown = mark.sub(kept, markdown)
    return _SPACE.sub(" ", markdown).strip()
