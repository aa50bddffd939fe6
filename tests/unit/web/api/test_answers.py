"""``/v1/answers``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.cell import MemoryCell, client, open_memory_cell, populate
from tests.fakes.generator import ScriptedGenerator

from domicile.domain.errors import ModelStreamBroken, ModelTimeout, ModelUnavailable

QUESTION = "How many days of paid annual leave does every employee have a year?"
STREAM = {"Accept": "text/event-stream"}


def _events(text: str) -> list[tuple[str, Any]]:
    blocks = [block.split("\n") for block in text.strip().split("\n\n") if not block.startswith(":")]
    return [(block[0].removeprefix("event: "), json.loads(block[1].removeprefix("data: "))) for block in blocks]


async def test_an_anonymous_question_is_refused(cell: MemoryCell) -> None:
    """As a problem, also where a stream was asked for."""
    answered = await client(cell, None, **STREAM).post("/v1/answers", json={"question": QUESTION})
    assert (answered.status_code, answered.headers["content-type"]) == (401, "application/problem+json")


async def test_another_tenants_collection_and_conversation_do_not_exist(cell: MemoryCell) -> None:
    """Neither narrows nor continues anything."""
    theirs = (await client(cell, "gil").post("/v1/answers", json={"question": "What does Globex build?"})).json()
    for body in ({"collections": ["secrets"]}, {"conversation_id": theirs["conversation_id"]}):
        answered = await client(cell, "mia").post("/v1/answers", json={"question": QUESTION, **body})
        assert answered.status_code == 404
        assert "Globex" not in answered.text


async def test_an_auditor_may_not_ask(cell: MemoryCell) -> None:
    """Neither for the whole answer nor for a stream."""
    for headers in ({}, STREAM):
        assert (await client(cell, "olaf", **headers).post("/v1/answers", json={"question": QUESTION})).status_code == 403


async def test_the_whole_answer_comes_with_sources_and_citations(cell: MemoryCell) -> None:
    """The citation's characters are the words of the document that answer."""
    answer = (await client(cell, "mia").post("/v1/answers", json={"question": QUESTION})).json()
    assert answer["answered"] is True
    assert "30 days" in answer["text"]
    assert (answer["generator"], answer["region"], answer["searched_documents"]) == ("extractive", "eu-de", 2)
    (citation,) = [each for each in answer["citations"] if f"[{each['number']}]" in answer["text"]]
    passage = answer["passages"][citation["number"] - 1]
    text = (await client(cell, "mia").get(f"/v1/documents/{citation['document_id']}/content")).text
    assert passage["document_id"] == citation["document_id"]
    assert "30 days" in text[citation["start"] : citation["end"]]


async def test_the_stream_tells_the_same_in_pieces(cell: MemoryCell) -> None:
    """Sources first, then the text, the citations and the receipt; done comes last and once."""
    answered = await client(cell, "mia", **STREAM).post("/v1/answers", json={"question": QUESTION, "remember": False})
    assert answered.headers["content-type"].startswith("text/event-stream")
    events = _events(answered.text)
    names = [name for name, _ in events]
    assert (names[0], names[-2:], set(names[1:-2])) == ("sources", ["receipt", "done"], {"delta", "citations"})
    assert "30 days" in "".join(data["text"] for name, data in events if name == "delta")
    assert events[0][1]["conversation_id"] is None
    assert events[-1][1]["answered"] is True


async def test_an_answer_never_shows_what_may_not_be_read(cell: MemoryCell) -> None:
    """Neither the words nor the title of the hidden document, nor that there is one."""
    answered = await client(cell, "mia").post("/v1/answers", json={"question": "What will the board buy for 14 million euros?"})
    assert answered.status_code == 200
    assert not any(word in answered.text for word in ("Larch", "minutes", "Board"))


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ({"question": ""}, "question-empty"),
        ({"question": "x" * 100_000}, "question-too-long"),
        ({"question": "a\x00b"}, "invalid-text"),
        ({"question": "a", "conversation_id": "x"}, "invalid-request"),
        ({"question": "a", "remember": "yes"}, "invalid-request"),
    ],
)
async def test_a_question_that_cannot_be_is_refused_before_a_stream_begins(
    cell: MemoryCell, body: dict[str, Any], slug: str
) -> None:
    """As an ordinary problem with its own status."""
    answered = await client(cell, "mia", **STREAM).post("/v1/answers", json=body)
    assert (answered.status_code, answered.json()["type"]) == (400, f"urn:domicile:problem:{slug}")


@pytest.mark.parametrize(("failure", "status"), [(ModelUnavailable(), 503), (ModelTimeout(), 504), (ModelStreamBroken(), 503)])
async def test_a_model_that_fails_is_a_problem_in_the_stream(tmp_path: Path, failure: Exception, status: int) -> None:
    """What was said stays said; the last event is the error with its problem details, and nothing comes after it."""
    async with open_memory_cell(tmp_path, generator=ScriptedGenerator("The leave ", "is ", failure=failure)) as broken:
        await populate(broken)
        body = {"question": QUESTION}
        streamed = _events((await client(broken, "mia", **STREAM).post("/v1/answers", json=body)).text)
        whole = await client(broken, "mia").post("/v1/answers", json=body)
    assert [name for name, _ in streamed] == ["sources", "delta", "delta", "error"]
    assert streamed[-1][1]["status"] == status
    assert streamed[-1][1]["instance"]
    assert (whole.status_code, whole.json()["type"]) == (status, streamed[-1][1]["type"])


async def test_a_fault_of_ours_in_the_stream_explains_nothing(tmp_path: Path) -> None:
    """An exception that nobody foresaw ends the stream as an internal problem; its message stays inside."""
    async with open_memory_cell(tmp_path, generator=ScriptedGenerator("A", failure=RuntimeError("secret words"))) as broken:
        await populate(broken)
        answered = await client(broken, "mia", **STREAM).post("/v1/answers", json={"question": QUESTION})
    assert _events(answered.text)[-1][1]["type"] == "urn:domicile:problem:internal"
    assert "secret words" not in answered.text
