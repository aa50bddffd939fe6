"""``/v1/retention``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.fakes.cell import MemoryCell, client, open_memory_cell, populate

RULES = {
    "documents": [{"days": 3650}, {"collection": "handbook", "classification": "restricted", "days": 30}],
    "conversations": 180,
    "audit": 400,
}
PATHS = ("/v1/retention", "/v1/retention/preview")


@pytest_asyncio.fixture(loop_scope="module")
async def cell(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    """One for each test: they change what is kept."""
    async with open_memory_cell(tmp_path) as made:
        await populate(made)
        yield made


async def test_an_anonymous_request_is_refused(cell: MemoryCell) -> None:
    """Reading and writing alike."""
    for path in PATHS:
        assert (await client(cell).get(path)).status_code == 401
    assert (await client(cell).put("/v1/retention", json=RULES)).status_code == 401


async def test_another_tenants_rules_and_collections_do_not_exist(cell: MemoryCell) -> None:
    """Neither by id nor in the answer."""
    http, stranger = client(cell, "ada"), client(cell, "gus")
    handbook = (await http.get("/v1/collections/handbook")).json()["id"]
    assert (await http.put("/v1/retention", json=RULES)).status_code == 200
    wrong = {"documents": [{"collection": handbook, "days": 1}]}
    assert (await stranger.put("/v1/retention", json=wrong)).status_code == 404
    assert (await stranger.get("/v1/retention")).json()["rules"] == []


async def test_a_member_is_refused_and_an_auditor_only_reads(cell: MemoryCell) -> None:
    """By policy."""
    for path in PATHS:
        assert (await client(cell, "mia").get(path)).status_code == 403
        assert (await client(cell, "olaf").get(path)).status_code == 200
    for login in ("mia", "olaf"):
        assert (await client(cell, login).put("/v1/retention", json=RULES)).status_code == 403


async def test_rules_are_written_all_at_once_and_read(cell: MemoryCell) -> None:
    """The most specific first, with the operator's floor; nothing is old enough yet."""
    http = client(cell, "ada")
    written = (await http.put("/v1/retention", json=RULES)).json()
    assert (await http.get("/v1/retention")).json() == written
    assert (written["audit_floor_days"], written["audit_days"]) == (183, 400)
    assert [each["days"] for each in written["rules"] if each["kept"] == "documents"] == [30, 3650]
    seen = (await http.get("/v1/retention/preview")).json()
    assert (seen["items"], seen["next"]) == ([], None)
    assert {each["rule"] for each in seen["counts"]} >= {"documents", "conversations"}
    assert (await http.put("/v1/retention", json={})).json()["rules"] == []


async def test_the_audit_floor_is_not_undercut(cell: MemoryCell) -> None:
    """The problem names the least."""
    http = client(cell, "ada")
    refused = await http.put("/v1/retention", json={"audit": 182})
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:domicile:problem:audit-floor")
    assert refused.json()["limit"] == 183
    assert (await http.get("/v1/retention")).json()["rules"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"documents": [{"days": 0}]},
        {"documents": [{"days": 1, "classification": "secret"}]},
        {"documents": [{"days": 1}, {"days": 2}]},
        {"document": [{"days": 1}]},
        {"conversations": -1},
    ],
)
async def test_rules_that_cannot_be_change_nothing(cell: MemoryCell, wrong: dict[str, object]) -> None:
    """A misspelt name would otherwise mean for ever."""
    http = client(cell, "ada")
    assert (await http.put("/v1/retention", json=wrong)).status_code == 400
    assert (await http.get("/v1/retention")).json()["rules"] == []
