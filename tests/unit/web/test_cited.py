"""What earlier answers cite."""

from __future__ import annotations

from uuid import uuid4

from tests.fakes.cell import MemoryCell

from domicile.answers.history import CitedPassage
from domicile.retrieval.library import DocumentView
from domicile.web.cited import CitedSources


def _citation(document: DocumentView, version_id: object = None) -> CitedPassage:
    version = version_id or document.version_id
    return CitedPassage(1, document.id, version, uuid4(), 2, 7, "old title", "old/source.md")  # type: ignore[arg-type]


async def _document(cell: MemoryCell, login: str, collection: str) -> DocumentView:
    caller = await cell.caller(login)
    where = await cell.library.collection(caller, collection)
    return (await cell.library.documents(caller, where.id)).documents[0]


async def test_the_words_of_an_unchanged_document_are_quoted(cell: MemoryCell) -> None:
    """From its text, at the offsets that the citation kept."""
    document = await _document(cell, "mia", "handbook")
    sources = CitedSources(await cell.caller("mia"), cell.library)
    (quoted,) = await sources.quoted([_citation(document)])
    assert quoted.quote == (await cell.library.text(await cell.caller("mia"), document.id))[2:7]
    (unquoted,) = await sources.openable([_citation(document)])
    assert unquoted.quote == ""


async def test_a_changed_document_is_named_without_a_quote(cell: MemoryCell) -> None:
    """Its offsets are those of another text."""
    document = await _document(cell, "mia", "handbook")
    (source,) = await CitedSources(await cell.caller("mia"), cell.library).quoted([_citation(document, uuid4())])
    assert (source.quote, source.document.id) == ("", document.id)


async def test_what_may_not_be_opened_is_left_out(cell: MemoryCell) -> None:
    """Forbidden, in another tenant, or gone: the three look the same."""
    minutes, plan = await _document(cell, "ada", "board"), await _document(cell, "gil", "secrets")
    citations = [_citation(minutes), _citation(plan)]
    assert await CitedSources(await cell.caller("mia"), cell.library).quoted(citations) == []
