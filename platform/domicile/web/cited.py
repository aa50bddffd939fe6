"""What earlier answers cite, as far as the reader may still open it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from domicile.answers.history import CitedPassage
from domicile.domain.errors import Forbidden, NotFound
from domicile.domain.principals import Caller
from domicile.retrieval.library import DocumentView, Library


@dataclass(frozen=True, slots=True)
class CitedSource:
    """A citation with its document as it is now. ``quote`` is the cited words, empty where they were not asked for or the
    document has changed since."""

    citation: CitedPassage
    document: DocumentView
    quote: str = ""


class CitedSources:
    """Looks each document up once, however often it is cited. Every look is decided and recorded like any other."""

    def __init__(self, caller: Caller, library: Library) -> None:
        self._caller = caller
        self._library = library
        self._documents: dict[UUID, DocumentView | None] = {}
        self._texts: dict[UUID, str] = {}

    async def openable(self, citations: Sequence[CitedPassage]) -> list[CitedSource]:
        """Those whose document the reader may open now. Titles are content: of the others nothing is told."""
        found = [(each, await self._document(each.document_id)) for each in citations]
        return [CitedSource(citation, document) for citation, document in found if document is not None]

    async def quoted(self, citations: Sequence[CitedPassage]) -> list[CitedSource]:
        """Like ``openable``, with the cited words of each. That reads the documents, and is recorded so."""
        return [CitedSource(each.citation, each.document, await self._quote(each)) for each in await self.openable(citations)]

    async def _quote(self, source: CitedSource) -> str:
        citation, document = source.citation, source.document
        if citation.version_id != document.version_id:
            return ""
        if document.id not in self._texts:
            try:
                self._texts[document.id] = await self._library.text(self._caller, document.id)
            except (NotFound, Forbidden):
                self._texts[document.id] = ""
        return self._texts[document.id][citation.start : citation.end]

    async def _document(self, document_id: UUID) -> DocumentView | None:
        if document_id not in self._documents:
            try:
                self._documents[document_id] = await self._library.document(self._caller, document_id)
            except (NotFound, Forbidden):
                self._documents[document_id] = None
        return self._documents[document_id]
