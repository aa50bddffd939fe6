"""Passages as retrieval would release them."""

from __future__ import annotations

from tests.fakes import people
from tests.fakes.people import uid

from domicile.domain.documents import Chunk, DocumentTitle, Passage


def passage(
    text: str,
    *,
    name: str = "travel",
    ordinal: int = 0,
    title: str = "",
    headings: tuple[str, ...] = (),
    dense: float | None = 0.5,
    start: int = 0,
) -> Passage:
    """One of a document's chunks; passages of one ``name`` belong to one version."""
    return Passage(
        chunk_id=uid(f"chunk/{name}/{ordinal}"),
        version_id=uid(f"version/{name}"),
        attributes=people.document(name),
        title=DocumentTitle(title or f"The {name} policy", f"docs/{name}.md", "text/markdown", "en"),
        chunk=Chunk(ordinal, text, start, start + len(text), headings),
        score=1.0,
        dense_score=dense,
    )
