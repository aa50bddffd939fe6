"""An answer's text as HTML: a small subset of Markdown, everything else escaped. ``answer.js`` draws the same while streaming.

Blocks: paragraphs, lists, headings (shown as bold lines) and fenced code. Inline: bold, code and citations ``[n]``.
A model's text is hostile until shown otherwise: nothing here lets a tag, a link or an attribute of its own through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from markupsafe import Markup, escape

_LIST_ITEM = re.compile(r"\s{0,3}(?:[-*•]|(\d{1,9})[.)])\s+(.*)")
_HEADING = re.compile(r"#{1,6}\s+(.*)")
_FENCE = re.compile(r"\s{0,3}```")
_INLINE = re.compile(r"`([^`\n]+)`|\*\*(\S(?:[^\n]*?\S)?)\*\*|\[(\d{1,4}(?:\s*,\s*\d{1,4})*)\]")


def answer_html(text: str, links: Mapping[int, str]) -> Markup:
    """The text as HTML; ``[n]`` becomes a link where ``links`` has n, and stays text where it has not."""
    return Markup("").join(_block(kind, lines, links) for kind, lines in _blocks(text))


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """Kind (``p``, ``ul``, ``ol``, ``h`` or ``pre``) and the lines of each block, without their markers."""
    kind, lines = "", list[str]()
    for line in text.splitlines():
        new_kind, content = _line(line, inside_fence=kind == "pre")
        if kind and new_kind != kind:
            yield kind, lines
            lines = []
        kind = new_kind
        if content is not None:
            lines.append(content)
    if kind and (lines or kind == "pre"):
        yield kind, lines


def _line(line: str, *, inside_fence: bool) -> tuple[str, str | None]:
    if _FENCE.match(line):
        return ("", None) if inside_fence else ("pre", None)
    if inside_fence:
        return "pre", line
    if not line.strip():
        return "", None
    if heading := _HEADING.fullmatch(line.strip()):
        return "h", heading[1]
    if item := _LIST_ITEM.fullmatch(line):
        return ("ol" if item[1] else "ul"), item[2]
    return "p", line.strip()


def _block(kind: str, lines: list[str], links: Mapping[int, str]) -> Markup:
    if kind == "pre":
        return Markup("<pre><code>{}</code></pre>").format("\n".join(lines))
    inline = [_inline(line, links) for line in lines]
    if kind in ("ul", "ol"):
        items = Markup("").join(Markup("<li>{}</li>").format(each) for each in inline)
        return Markup(f"<{kind}>{{}}</{kind}>").format(items)  # noqa: S704 - the kind is one of ours
    if kind == "h":
        return Markup("").join(Markup("<p><strong>{}</strong></p>").format(each) for each in inline)
    return Markup("<p>{}</p>").format(Markup("<br>").join(inline))


def _inline(text: str, links: Mapping[int, str]) -> Markup:
    parts, end = [], 0
    for match in _INLINE.finditer(text):
        parts += [escape(text[end : match.start()]), _span(match, links)]
        end = match.end()
    return Markup("").join([*parts, escape(text[end:])])


def _span(match: re.Match[str], links: Mapping[int, str]) -> Markup:
    code, bold, numbers = match.groups()
    if code is not None:
        return Markup("<code>{}</code>").format(code)
    if bold is not None:
        return Markup("<strong>{}</strong>").format(_inline(bold, links))
    named = [int(each) for each in numbers.split(",")]
    if not all(number in links for number in named):
        return escape(match[0])
    return Markup(" ").join(_citation(number, links[number]) for number in named)


def _citation(number: int, href: str) -> Markup:
    return Markup('<a class="citation" href="{}" data-number="{}">{}</a>').format(href, number, number)
