"""Files to text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PageSpan:
    """Characters ``start`` to ``end`` of the extracted text are on this page, counted from 1."""

    page: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """Extracted text as Markdown where the format has structure. ``language`` is ISO 639-1, empty where it is unclear."""

    text: str
    media_type: str
    title: str
    language: str
    pages: tuple[PageSpan, ...] = ()


class Parser(Protocol):
    """Runs confined: it may be handed hostile bytes."""

    async def parse(self, content: bytes, filename: str) -> ParsedDocument:
        """Raises ``DocumentEmpty``, ``DocumentTypeUnknown``, ``DocumentTypeMismatch``, ``DocumentEncrypted``,
        ``DocumentCorrupt`` or ``ParserLimitExceeded``."""
        ...

    async def close(self) -> None: ...
