"""A document's extracted text as HTML, with one passage marked.

The text is Markdown where the format had structure. Raw HTML in it stays text, links and images lose their addresses: a
document is not trusted to send its readers anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from domicile.domain.errors import CallerError

#: Characters of one page: what is rendered while somebody waits, and what a browser lays out without effort.
WINDOW = 200_000
#: Private-use characters that stand for the passage's ends while Markdown is parsed.
_START, _END = "\ue000", "\ue001"
_SPLIT = re.compile(f"([{_START}{_END}])")
#: What begins a line in Markdown and must stay in front: the mark goes behind it.
_LINE_MARKER = re.compile(r"[ \t>]*(?:#{1,6}[ \t]+|[-*+][ \t]+|\d{1,9}[.)][ \t]+|\|[ \t]*)?")
#: Lines that are Markdown and nothing else (fences, rules, the second row of a table, empty ones): no mark fits in there.
_SYNTAX_LINE = re.compile(r"[ \t]*(?:(?:```|~~~).*|[-:|=*_ \t]*)")
#: What ends a row of a table: behind it, a mark would be a cell too many, and be dropped.
_ROW_END = " \t\n|"
_TAGS_OF_MARKS = re.compile(r"</?mark[^>]*>| class=\"passage\"")
_RANGE = re.compile(r"(\d{1,10})-(\d{1,10})")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start`` to ``end`` of a document's extracted text."""

    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Span:
        """From ``start-end``, as citations' links have it; raises ``CallerError``."""
        match = _RANGE.fullmatch(text)
        if not match or int(match[1]) > int(match[2]):
            raise CallerError("The passage is not given as 'start-end'.")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class RenderedText:
    """``excerpt`` says that only the part around the passage is shown; ``marked`` that the passage is in it."""

    html: Markup
    excerpt: bool
    marked: bool


def render_text(text: str, passage: Span | None) -> RenderedText:
    """Slow for a long text: call it in a thread."""
    text = text.replace(_START, " ").replace(_END, " ")
    window = _window(len(text), passage)
    excerpt = window.end - window.start < len(text)
    shown = text[window.start : window.end]
    html, _ = _html(shown)
    if passage is not None and passage.start < passage.end:
        inside = Span(max(passage.start - window.start, 0), min(passage.end - window.start, len(shown)))
        # A mark within a piece of Markdown's own syntax would change how the document reads. Then whole lines are marked.
        for span in (inside, Span(_line_start(shown, inside.start), _line_end(shown, inside.end))):
            with_marks, marked = _html(_with_marks(shown, span.start, span.end))
            if marked and _TAGS_OF_MARKS.sub("", with_marks) == html:
                return RenderedText(Markup(with_marks), excerpt, marked=True)  # noqa: S704 - as below
    # The parser escapes all text (html=False) and we add nothing but fixed tags.
    return RenderedText(Markup(html), excerpt, marked=False)  # noqa: S704


def _html(text: str) -> tuple[str, bool]:
    """The text as HTML, and whether a mark is in it."""
    tokens = _PARSER.parse(text)
    marked = _mark(tokens)
    return _PARSER.renderer.render(tokens, _PARSER.options, {}), marked


_PARSER = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")


def _window(length: int, passage: Span | None) -> Span:
    if length <= WINDOW:
        return Span(0, length)
    middle = passage.start if passage is not None else 0
    start = max(0, min(middle - WINDOW // 4, length - WINDOW))
    return Span(start, start + WINDOW)


def _with_marks(text: str, start: int, end: int) -> str:
    """The text with both marks, moved to where they do not break the Markdown around them."""
    while start < end and _SYNTAX_LINE.fullmatch(_line_at(text, start)):
        start = _line_end(text, start) + 1
    while start < end and _SYNTAX_LINE.fullmatch(_line_at(text, end - 1)):
        end = text.rfind("\n", 0, end - 1) if "\n" in text[start : end - 1] else start
    end = start + len(text[start:end].rstrip(_ROW_END if _line_at(text, end - 1).lstrip().startswith("|") else None))
    marker = _LINE_MARKER.match(text, _line_start(text, start))
    start = max(start, marker.end() if marker else start)
    if end <= start:
        return text
    return text[:start] + _START + text[start:end] + _END + text[end:]


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found


def _line_at(text: str, at: int) -> str:
    return text[_line_start(text, at) : _line_end(text, at)]


def _mark(tokens: list[Token]) -> bool:
    """Turn the marks into ``mark`` elements, one within each block that the passage runs through."""
    state = _Marking()
    for token in tokens:
        if token.type == "inline":
            token.children = [new for child in token.children or [] for new in state.inline(child)]
        elif token.type in ("fence", "code_block"):
            token.type, token.tag = "code_block", "code"
            token.content = _SPLIT.sub(state.note, token.content)
            if state.marked_now():
                token.attrSet("class", "passage")
    return state.marked and state.ended


class _Marking:
    def __init__(self) -> None:
        self.marked = self.ended = False
        self._inside = False
        self._touched = False

    def inline(self, token: Token) -> list[Token]:
        """What replaces the token: its text with marks, without links and images."""
        if token.type in ("link_open", "link_close"):
            return []
        if token.type == "image":
            token = Token("text", "", 0, content=token.content)
        if token.type not in ("text", "code_inline"):
            return [token]
        return [new for piece in _SPLIT.split(token.content) for new in self._piece(token, piece)]

    def note(self, match: re.Match[str]) -> str:
        """For code, which is marked as a whole: follow the marks and drop them."""
        self._turn(match[0])
        self._touched = True
        return ""

    def marked_now(self) -> bool:
        """Whether the code just seen has a part of the passage."""
        touched, self._touched = self._touched or self._inside, False
        self.marked = self.marked or touched
        return touched

    def _turn(self, mark: str) -> None:
        self._inside = mark == _START
        self.ended = self.ended or mark == _END

    def _piece(self, token: Token, piece: str) -> list[Token]:
        if piece in (_START, _END):
            self._turn(piece)
            return []
        if not piece:
            return []
        shown = token.copy(content=piece)
        if not self._inside:
            return [shown]
        opening = Token("mark_open", "mark", 1)
        if not self.marked:
            opening.attrSet("id", "passage")
        self.marked = True
        return [opening, shown, Token("mark_close", "mark", -1)]
