"""Markdown to the words it sets: what an answer shows of a passage. No word is changed, only the marks around words go."""

from __future__ import annotations

import re

_MARKS = (
    (re.compile(r"\{%\s*\w+\s+\"([^\"{}]*)\"[^{}]*%\}"), r"\1"),  # template tags keep what they name
    (re.compile(r"\{%.*?%\}|\{\{.*?\}\}|<!--.*?-->|</?[a-zA-Z][^<>]*>"), " "),  # templates and tags
    (re.compile(r"!\[[^\]]*\]\([^()\s]*(?:\([^()]*\)[^()\s]*)*[^()]*\)"), " "),  # images
    (re.compile(r"\[([^\]]*)\]\((?:[^()]|\([^()]*\))*\)"), r"\1"),  # links keep their label
    (re.compile(r"\\([\\`*_{}\[\]()#+\-.!|~<>])"), r"\1"),  # escapes
    (re.compile(r"(\*{1,3}|(?<!\w)_{1,3}|`+|~~)(?=\S)(.+?)(?<=\S)\1(?!\w)"), r"\2"),  # emphasis and code
)
_SPACE = re.compile(r"\s+")


def plain(markdown: str) -> str:
    """The text on one line, without links' targets, emphasis, escapes, tags and template marks."""
    for mark, kept in _MARKS:
        markdown = mark.sub(kept, markdown)
    return _SPACE.sub(" ", markdown).strip()
