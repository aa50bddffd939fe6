"""A parser that reads text in the test's own process, and fails on request."""

from __future__ import annotations

from domicile.adapters.parsers.plaintext import decode, first_heading, language_of, split_front_matter
from domicile.domain.errors import DocumentEmpty
from domicile.ports.parser import ParsedDocument


class PlainParser:
    """Implements the ``Parser`` port for Markdown and plain text. ``failures`` maps a file name to what parsing it raises."""

    def __init__(self) -> None:
        self.failures: dict[str, Exception] = {}
        self.parsed: list[str] = []

    async def parse(self, content: bytes, filename: str) -> ParsedDocument:
        self.parsed.append(filename)
        if filename in self.failures:
            raise self.failures[filename]
        if not content.strip():
            raise DocumentEmpty()
        title, text = split_front_matter(decode(content))
        media_type = "text/markdown" if filename.endswith(".md") else "text/plain"
        return ParsedDocument(text, media_type, title or first_heading(text) or filename, language_of(text))

    async def close(self) -> None:
        """Nothing is held open."""
