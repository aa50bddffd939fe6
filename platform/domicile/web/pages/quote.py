"""A passage as a short quotation: its words without the Markdown around them. ``sources.js`` does the same."""

from __future__ import annotations

import re

_TABLE_RULE = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*\|?\s*")
_LINE_MARKER = re.compile(r"\s{0,3}(?:#{1,6}\s+|>\s?)")
_EMPHASIS = re.compile(r"\*\*|__|`|(?<![\w*])\*(?=\S)|(?<=\S)\*(?![\w*])")
_IMAGE_OR_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)")


def quoted_text(text: str) -> str:
    """Headings and emphasis lose their marks, table rows become cells with dots between, empty lines go."""
    lines = (_line(line) for line in text.splitlines() if not _TABLE_RULE.fullmatch(line))
    return "\n".join(line for line in lines if line)


def _line(line: str) -> str:
    bare = _IMAGE_OR_LINK.sub(r"\1", _EMPHASIS.sub("", _LINE_MARKER.sub("", line, count=1))).strip()
    if not bare.startswith("|"):
        return bare
    cells = [cell.strip() for cell in bare.strip("|").split("|")]
    return " · ".join(cell for cell in cells if cell)
