"""Questions to try."""

from __future__ import annotations

from tests.fakes.cell import MemoryCell

from domicile.web.pages.examples import questions_to_try


async def test_they_are_about_documents_that_the_visitor_may_read(cell: MemoryCell) -> None:
    """The board's minutes show to the administrator only."""
    for login, known in (("mia", False), ("ada", True)):
        caller = await cell.caller(login)
        questions = await questions_to_try(caller, cell.library, await cell.library.collections(caller), "en")
        assert any(" policy" in question for question in questions)
        assert any("Board minutes" in question for question in questions) is known


async def test_a_document_is_asked_about_in_its_own_language(cell: MemoryCell) -> None:
    """Its words would not be found with those of another."""
    german = "# Reisekostenrichtlinie\n\nDie Pauschale für einen vollen Reisetag beträgt 28 Euro, und sie wird erstattet."
    await cell.ingest("gus", "reisen", {"reisen.md": german})
    caller = await cell.caller("gus")
    (where,) = [each for each in await cell.library.collections(caller) if each.slug == "reisen"]
    (question,) = await questions_to_try(caller, cell.library, [where], "en")
    assert "Reisekostenrichtlinie" in question
    assert "„" in question
