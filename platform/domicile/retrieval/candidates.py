"""What a search is asked and what it finds, before and after policy lets the content out."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from domicile.domain.documents import Document, Passage
from domicile.policy.request import Decision
from domicile.ports.vector_index import IndexHit

#: Passages one search may return: more is an export, which has its own action.
MAX_LIMIT = 50


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """``collections`` narrows what the caller may read anyway (None: no narrowing); ``limit`` is from 1 to ``MAX_LIMIT``."""

    text: str
    collections: frozenset[UUID] | None = None
    limit: int = 8


@dataclass(frozen=True, slots=True)
class Candidate:
    """A hit that policy permits, with its document as the database has it. Its text is still sealed in ``hit.envelope``."""

    hit: IndexHit
    document: Document
    score: float
    dense_score: float | None
    sparse_score: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a search may release, best first, and how much it looked through. Holds no content.

    ``decision`` is the one on the search itself; ``policies`` also names those that permitted the documents.
    """

    decision: Decision
    candidates: tuple[Candidate, ...]
    searched_documents: int
    searched_collections: int
    policies: tuple[str, ...]

    @property
    def document_ids(self) -> tuple[UUID, ...]:
        """Each document once, in the order of its best candidate."""
        return tuple(dict.fromkeys(candidate.document.id for candidate in self.candidates))

    @property
    def chunk_ids(self) -> tuple[UUID, ...]:
        return tuple(candidate.hit.chunk_id for candidate in self.candidates)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Passages, best first. ``audit_id`` names the event that recorded their release."""

    passages: tuple[Passage, ...]
    searched_documents: int
    searched_collections: int
    audit_id: UUID
