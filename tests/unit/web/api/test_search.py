"""``/v1/search``."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from tests.fakes.cell import MemoryCell, client


async def _search(cell: MemoryCell, login: str | None, **body: Any) -> Any:
    return await client(cell, login).post("/v1/search", json=body)


async def test_an_anonymous_search_is_refused(cell: MemoryCell) -> None:
    """Before anything is looked at."""
    assert (await _search(cell, None, query="leave")).status_code == 401


async def test_another_tenants_collection_cannot_be_searched(cell: MemoryCell) -> None:
    """By name or by id it does not exist."""
    (secrets,) = (await client(cell, "gil").get("/v1/collections")).json()["items"]
    for reference in ("secrets", secrets["id"], str(uuid4())):
        assert (await _search(cell, "mia", query="turbine", collections=[reference])).status_code == 404


async def test_an_auditor_may_not_search(cell: MemoryCell) -> None:
    """The right is missing, whatever there is to find."""
    assert (await _search(cell, "olaf", query="leave")).status_code == 403


async def test_passages_come_with_all_that_a_citation_needs(cell: MemoryCell) -> None:
    """Title, source, place, classification and region, and how much was searched."""
    found = (await _search(cell, "mia", query="days of annual leave", collections=["handbook"])).json()
    best = found["passages"][0]
    assert best["title"] == "Leave policy"
    assert (best["source"], best["classification"], best["region"]) == ("handbook/leave.md", "internal", "eu-de")
    assert "30 days" in best["text"]
    assert best["end"] > best["start"]
    assert (found["searched_documents"], found["searched_collections"]) == (2, 1)


async def test_nothing_of_what_may_not_be_read_is_found_or_counted(cell: MemoryCell) -> None:
    """The same question finds the minutes for who may read them, and for nobody else."""
    question = "Which company will the board buy"
    assert "Larch" in (await _search(cell, "ada", query=question)).text
    hidden = await _search(cell, "mia", query=question)
    assert "Larch" not in hidden.text
    assert hidden.json()["searched_documents"] == 2


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ({"query": ""}, "question-empty"),
        ({"query": " \n"}, "question-empty"),
        ({"query": "x" * 100_000}, "question-too-long"),
        ({"query": "nul\x00"}, "invalid-text"),
        ({"query": "leave", "limit": 0}, "invalid-request"),
        ({"query": "leave", "limit": 51}, "invalid-request"),
        ({"query": 7}, "invalid-request"),
        ({}, "invalid-request"),
        ({"query": "leave", "querry": "x"}, "invalid-request"),
        ({"query": "leave", "collections": "handbook"}, "invalid-request"),
    ],
)
async def test_a_search_that_cannot_be_is_refused(cell: MemoryCell, body: dict[str, Any], slug: str) -> None:
    """With a stable type."""
    answered = await client(cell, "mia").post("/v1/search", json=body)
    assert (answered.status_code, answered.json()["type"]) == (400, f"urn:domicile:problem:{slug}")


@pytest.mark.parametrize(
    "body", [b'{"query": "\\ud800 lone"}', b'{"query": "lone\\udc00"}', b'{"query": "\xed\xa0\x80"}', b'{"query": "\xff"}']
)
async def test_lone_surrogates_and_broken_utf8_are_invalid_text(cell: MemoryCell, body: bytes) -> None:
    """No store and no model could hold them."""
    answered = await client(cell, "mia", **{"Content-Type": "application/json"}).post("/v1/search", content=body)
    assert (answered.status_code, answered.json()["type"]) == (400, "urn:domicile:problem:invalid-text")


@pytest.mark.parametrize("body", [b"", b"{", b"[1,2", b"null", b'"text"', b"{}" * 3, b"[" * 100_000])
async def test_malformed_json_is_an_invalid_request(cell: MemoryCell, body: bytes) -> None:
    """Also when it nests without end."""
    answered = await client(cell, "mia", **{"Content-Type": "application/json"}).post("/v1/search", content=body)
    assert (answered.status_code, answered.json()["type"]) == (400, "urn:domicile:problem:invalid-request")


async def test_a_broken_embedder_is_unavailable_and_says_when_to_come_back(cell: MemoryCell) -> None:
    """503 by the family of the error, with Retry-After."""
    cell.embedder.broken = True
    try:
        answered = await _search(cell, "mia", query="leave")
    finally:
        cell.embedder.broken = False
    assert (answered.status_code, answered.json()["type"]) == (503, "urn:domicile:problem:embedder-unavailable")
    assert "retry-after" in answered.headers
