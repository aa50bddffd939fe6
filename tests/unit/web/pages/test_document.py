"""A document's page."""

from __future__ import annotations

from uuid import UUID, uuid4

from tests.fakes.cell import MemoryCell, browser, client


async def _document_id(cell: MemoryCell, login: str, collection: str) -> UUID:
    caller = await cell.caller(login)
    where = await cell.library.collection(caller, collection)
    return (await cell.library.documents(caller, where.id)).documents[0].id


async def test_an_anonymous_visitor_is_sent_to_sign_in(cell: MemoryCell) -> None:
    """And comes back to the passage afterwards."""
    path = f"/documents/{await _document_id(cell, 'mia', 'handbook')}?passage=1-5"
    answered = await client(cell, None, Accept="text/html").get(path)
    assert answered.status_code == 303
    assert "passage" in answered.headers["location"]


async def test_another_tenants_document_does_not_exist_and_a_hidden_one_is_refused(cell: MemoryCell) -> None:
    """The refusal names the rule and whom to ask, and neither title nor words."""
    http = await browser(cell, "mia")
    foreign = await http.get(f"/documents/{await _document_id(cell, 'gil', 'secrets')}")
    assert foreign.status_code == 404
    hidden = await http.get(f"/documents/{await _document_id(cell, 'ada', 'board')}")
    assert hidden.status_code == 403
    assert "A policy of your organisation does not permit it" in hidden.text
    assert "Larch" not in hidden.text
    assert "Board minutes" not in hidden.text


async def test_the_text_is_shown_with_its_marks(cell: MemoryCell) -> None:
    """Title, source, classification and region; the words of the passage are marked."""
    document_id = await _document_id(cell, "mia", "handbook")
    page = (await (await browser(cell, "mia")).get(f"/documents/{document_id}?passage=0-16")).text
    assert '<mark id="passage">' in page
    for words in ("handbook/", "internal", "eu-de", "everyone with this clearance"):
        assert words in page


async def test_a_citation_of_an_older_version_says_so(cell: MemoryCell) -> None:
    """Its offsets may point to other words now."""
    document_id = await _document_id(cell, "mia", "handbook")
    page = (await (await browser(cell, "mia")).get(f"/documents/{document_id}?version={uuid4()}")).text
    assert "has changed since it was cited" in page


async def test_the_way_back_leads_to_an_answer_or_home_and_nowhere_else(cell: MemoryCell) -> None:
    """Whatever the link says."""
    document_id = await _document_id(cell, "mia", "handbook")
    http = await browser(cell, "mia")
    for came_from in ("//evil.example", "javascript:alert(1)", f"{uuid4()}.evil", ""):
        page = (await http.get(f"/documents/{document_id}", params={"from": came_from})).text
        assert 'class="quiet back" href="/"' in page
    answer = f"{uuid4()}.e{uuid4()}"
    page = (await http.get(f"/documents/{document_id}", params={"from": answer})).text
    assert f'href="/conversations/{answer.replace(".", "#")}"' in page


async def test_a_passage_that_is_none_is_refused(cell: MemoryCell) -> None:
    """In words."""
    document_id = await _document_id(cell, "mia", "handbook")
    page = await (await browser(cell, "mia")).get(f"/documents/{document_id}?passage=x")
    assert page.status_code == 400
