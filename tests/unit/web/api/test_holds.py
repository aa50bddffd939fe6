"""``/v1/holds``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from tests.fakes.cell import MemoryCell, client, open_memory_cell, populate

TENANT = {"kind": "tenant", "reference": "matter-1"}


@pytest_asyncio.fixture(loop_scope="module")
async def cell(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    """One for each test: they change what can go."""
    async with open_memory_cell(tmp_path) as made:
        await populate(made)
        yield made


async def test_an_anonymous_request_is_refused(cell: MemoryCell) -> None:
    """Whatever it asks for."""
    http = client(cell)
    answers = [
        await http.get("/v1/holds"),
        await http.post("/v1/holds", json=TENANT),
        await http.delete(f"/v1/holds/{uuid4()}"),
    ]
    assert {each.status_code for each in answers} == {401}


async def test_another_tenants_hold_does_not_exist(cell: MemoryCell) -> None:
    """It is neither listed nor released."""
    placed = (await client(cell, "ada").post("/v1/holds", json=TENANT)).json()
    stranger = client(cell, "gus")
    assert (await stranger.get("/v1/holds")).json()["items"] == []
    assert (await stranger.delete(f"/v1/holds/{placed['id']}")).status_code == 404
    assert len((await client(cell, "ada").get("/v1/holds")).json()["items"]) == 1


async def test_a_member_is_refused_and_an_auditor_only_reads(cell: MemoryCell) -> None:
    """By policy."""
    assert (await client(cell, "mia").get("/v1/holds")).status_code == 403
    assert (await client(cell, "olaf").get("/v1/holds")).status_code == 200
    assert (await client(cell, "olaf").post("/v1/holds", json=TENANT)).status_code == 403


async def test_what_is_held_is_a_conflict_to_delete(cell: MemoryCell) -> None:
    """Documents and conversations; the matter is told to the administrator only. Once it is released, both can go."""
    http, member = client(cell, "ada"), client(cell, "mia")
    asked = {"question": "How many days of annual leave?"}
    conversation = (await member.post("/v1/answers", json=asked)).json()["conversation_id"]
    document = (await http.get("/v1/collections/handbook/documents")).json()["items"][0]["id"]
    placed = await http.post("/v1/holds", json=TENANT)
    assert placed.status_code == 201
    held = await http.delete(f"/v1/documents/{document}")
    assert (held.status_code, held.json()["type"]) == (409, "urn:domicile:problem:legal-hold")
    assert held.json()["reference"] == "matter-1"
    kept = await member.delete(f"/v1/conversations/{conversation}")
    assert (kept.status_code, "matter-1" in kept.text) == (409, False)
    assert (await member.get(f"/v1/conversations/{conversation}")).status_code == 200
    assert (await http.delete(f"/v1/holds/{placed.json()['id']}")).status_code == 204
    assert (await http.delete(f"/v1/documents/{document}")).status_code == 204
    assert (await member.delete(f"/v1/conversations/{conversation}")).status_code == 204


async def test_whom_a_hold_is_about_is_not_told(cell: MemoryCell) -> None:
    """Not even to whoever placed it, and it is in no row."""
    http = client(cell, "ada")
    sent = {"kind": "subject", "target": "p-4711", "reference": "matter-1"}
    placed = (await http.post("/v1/holds", json=sent)).json()
    assert placed["target"] is None
    assert "4711" not in (await http.get("/v1/holds?released=true")).text


@pytest.mark.parametrize(
    "wrong", [{}, {**TENANT, "kind": "people"}, {**TENANT, "until": "2030"}, {**TENANT, "reference": "A B"}]
)
async def test_what_is_no_hold_is_refused(cell: MemoryCell, wrong: dict[str, str]) -> None:
    """And nothing is placed."""
    http = client(cell, "ada")
    assert (await http.post("/v1/holds", json=wrong)).status_code == 400
    assert (await http.get("/v1/holds")).json() == {"items": [], "next": None}
