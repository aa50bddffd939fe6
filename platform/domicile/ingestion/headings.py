"""Which headings a place in a Markdown text stands under."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*$")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
#: Lines that are no paragraph, so that a row of hyphens below them is a rule and not an underline.
_NO_PARAGRAPH = re.compile(r"\s*$| {4}|\t| {0,3}(?:[-*+>|]|\d+[.)] )")


class HeadingMap:
    """The heading path at every offset of one Markdown text (CommonMark 0.31, sections 4.2, 4.3 and 4.5)."""

    def __init__(self, text: str) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._paths: list[tuple[str, ...]] = []
        open_headings: dict[int, str] = {}
        for start, end, level, title in _headings(text):
            open_headings = {known: name for known, name in open_headings.items() if known < level} | {level: title}
            self._starts.append(start)
            self._ends.append(end)
            self._paths.append(tuple(name for _, name in sorted(open_headings.items()) if name))

    def path_at(self, text: str, start: int) -> tuple[str, ...]:
        """From the outermost to the innermost. Headings that a chunk itself begins with count as well."""
        index = bisect_right(self._starts, start) - 1
        while index + 1 < len(self._starts) and not text[self._body_from(index, start) : self._starts[index + 1]].strip():
            index += 1
        return self._paths[index] if index >= 0 else ()

    def _body_from(self, index: int, start: int) -> int:
        return max(start, self._ends[index]) if index >= 0 else start


def _headings(text: str) -> Iterator[tuple[int, int, int, str]]:
    """(start, end, level, words) of each heading, outside fenced code."""
    fence, previous, previous_start, position = "", "", 0, 0
    for line in text.split("\n"):
        end = position + len(line)
        marker = _FENCE.match(line)
        if fence:
            if marker and marker.group(1).startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            previous = ""
        elif marker:
            fence, previous = marker.group(1), ""
        elif atx := _ATX.match(line):
            yield position, end, len(atx.group(1)), _words(atx.group(2) or "")
            previous = ""
        elif previous and (underline := _SETEXT.match(line)):
            yield previous_start, end, 1 if underline.group(1)[0] == "=" else 2, _words(previous)
            previous = ""
        else:
            previous, previous_start = ("" if _NO_PARAGRAPH.match(line) else line), position
        position = end + 1


def _words(heading: str) -> str:
    """Without the marks of emphasis, code and links."""
    return " ".join(re.sub(r"[*_`]{1,3}|\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("\\", "").split())
