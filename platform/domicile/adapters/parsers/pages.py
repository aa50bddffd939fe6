"""Where the pages of a PDF lie in the Markdown that was made of it.

kreuzberg gives byte offsets of pages, but into the raw text layer, not into the Markdown it returns, which joins lines, escapes
characters and drops running headers. What it does know is the page of every paragraph, so each paragraph is found again by its
letters and digits alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

#: Letters and digits by which a paragraph is recognised, and how far ahead of the last one it is looked for.
_KEY = 40
_REACH = 20_000


def page_spans(text: str, nodes: Iterable[Mapping[str, Any]]) -> list[tuple[int, int, int]]:
    """(page, start, end) in characters, ascending and without gaps from the first page found to the end of the text."""
    starts = _page_starts(text, nodes)
    ends = [*(start for _, start in starts[1:]), len(text)][: len(starts)]
    return [(page, start, end) for (page, start), end in zip(starts, ends, strict=True) if start < end]


def _page_starts(text: str, nodes: Iterable[Mapping[str, Any]]) -> list[tuple[int, int]]:
    letters, positions = _letters(text)
    starts: list[tuple[int, int]] = []
    cursor = 0
    for node in nodes:
        key, _ = _letters(str((node.get("content") or {}).get("text") or ""))
        page = node.get("page")
        if not key or not isinstance(page, int) or (starts and page < starts[-1][0]):
            continue
        found = letters.find(key[:_KEY], cursor, cursor + _REACH + _KEY)
        if found < 0:
            continue
        if not starts or page > starts[-1][0]:
            starts.append((page, _line_start(text, positions[found]) if starts else 0))
        cursor = found + len(key) if letters.startswith(key, found) else found + min(len(key), _KEY)
    return starts


def _letters(text: str) -> tuple[str, list[int]]:
    """The letters and digits, lower-cased one by one so that each keeps its position."""
    kept = [(character.lower()[:1], position) for position, character in enumerate(text) if character.isalnum()]
    return "".join(character for character, _ in kept), [position for _, position in kept]


def _line_start(text: str, position: int) -> int:
    """The line's own start where only markup stands before the position; the position itself inside a paragraph."""
    start = text.rfind("\n", 0, position) + 1
    return position if any(character.isalnum() for character in text[start:position]) else start
