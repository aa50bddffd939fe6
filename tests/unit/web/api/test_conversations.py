"""``/v1/conversations``."""

from __future__ import annotations

from uuid import uuid4

from tests.fakes.cell import MemoryCell, client


async def _asked(cell: MemoryCell, login: str, question: str) -> str:
    answer = (await client(cell, login).post("/v1/answers", json={"question": question})).json()
    return str(answer["conversation_id"])


async def test_anonymous_requests_are_refused(cell: MemoryCell) -> None:
    """Listing, reading and deleting."""
    http, path = client(cell), f"/v1/conversations/{uuid4()}"
    for answered in (await http.get("/v1/conversations"), await http.get(path), await http.delete(path)):
        assert answered.status_code == 401


async def test_somebody_elses_conversation_does_not_exist(cell: MemoryCell) -> None:
    """Not for another tenant, and not for the tenant's own administrator; it is still there afterwards."""
    conversation_id = await _asked(cell, "mia", "How many days of annual leave?")
    for login in ("gus", "ada"):
        http = client(cell, login)
        assert (await http.get(f"/v1/conversations/{conversation_id}")).status_code == 404
        assert (await http.delete(f"/v1/conversations/{conversation_id}")).status_code == 404
    assert (await client(cell, "mia").get(f"/v1/conversations/{conversation_id}")).status_code == 200


async def test_an_auditor_has_no_conversations(cell: MemoryCell) -> None:
    """The right is missing."""
    assert (await client(cell, "olaf").get("/v1/conversations")).status_code == 403


async def test_a_conversation_is_listed_read_and_deleted(cell: MemoryCell) -> None:
    """With question, answer and citations; deleted, it is gone."""
    question = "What is the per diem for a full day of travel?"
    conversation_id = await _asked(cell, "mia", question)
    http = client(cell, "mia")
    listed = (await http.get("/v1/conversations")).json()["items"]
    assert listed[0]["id"] == conversation_id
    assert listed[0]["title"] == question
    (exchange,) = (await http.get(f"/v1/conversations/{conversation_id}")).json()["exchanges"]
    assert exchange["question"] == question
    assert "28 euros" in exchange["text"]
    assert exchange["citations"][0]["title"] == "Travel policy"
    assert (await http.delete(f"/v1/conversations/{conversation_id}")).status_code == 204
    assert (await http.get(f"/v1/conversations/{conversation_id}")).status_code == 404


async def test_citations_of_a_document_that_is_gone_are_left_out(cell: MemoryCell) -> None:
    """Titles are content: of a document that may not be opened any more nothing is told."""
    (document_id,) = await cell.ingest("ada", "handbook", {"tmp/bike.md": "# Bike policy\n\nA bicycle allowance is 35 euros."})
    conversation_id = await _asked(cell, "mia", "How much is the bicycle allowance?")
    http = client(cell, "mia")
    assert "Bike policy" in (await http.get(f"/v1/conversations/{conversation_id}")).text
    await client(cell, "ada").delete(f"/v1/documents/{document_id}")
    read = await http.get(f"/v1/conversations/{conversation_id}")
    assert "Bike policy" not in read.text
    assert read.json()["exchanges"][0]["citations"] == []
