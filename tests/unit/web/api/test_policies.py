"""``/v1/policies``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.fakes.cell import MemoryCell, client, open_memory_cell, populate
from tests.fakes.policy import shipped_bundle

KEEP = '@id("keep")\n@reason("We keep it all.")\nforbid (principal, action == Action::"document:delete", resource);\n'
PATHS = ("/v1/policies", "/v1/policies/versions", "/v1/policies/versions/1")


@pytest_asyncio.fixture(loop_scope="module")
async def cell(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    """One for each test: they change what is in force."""
    async with open_memory_cell(tmp_path) as made:
        await populate(made)
        yield made


def body(text: str = KEEP, version: int = 0, **more: object) -> dict[str, object]:
    return {"text": text, "expected_version": version, **more}


async def test_anonymous_requests_are_refused(cell: MemoryCell) -> None:
    """Reading and writing alike."""
    for path in PATHS:
        assert (await client(cell).get(path)).status_code == 401
    assert (await client(cell).put("/v1/policies", json=body())).status_code == 401


async def test_another_tenants_policies_do_not_exist(cell: MemoryCell) -> None:
    """A version that only they have is not there, and what they wrote shows nowhere."""
    assert (await client(cell, "ada").put("/v1/policies", json=body())).status_code == 200
    answered = await client(cell, "gus").get("/v1/policies/versions/1")
    assert (answered.status_code, answered.json()["type"]) == (404, "urn:domicile:problem:not-found")
    read = (await client(cell, "gus").get("/v1/policies")).json()
    assert (read["version"], read["tenant"], read["text"]) == (0, [], "")
    assert (await client(cell, "gus").get("/v1/policies/versions")).json() == {"items": []}


async def test_members_neither_read_nor_write_and_auditors_only_read(cell: MemoryCell) -> None:
    """403; the auditor is told which right is missing."""
    for path in PATHS:
        assert (await client(cell, "mia").get(path)).status_code == 403
    assert (await client(cell, "mia").put("/v1/policies", json=body())).status_code == 403
    assert (await client(cell, "olaf").get("/v1/policies")).status_code == 200
    refused = await client(cell, "olaf").put("/v1/policies", json=body())
    assert (refused.status_code, refused.json()["reasons"]) == (403, ["No policy permits it."])


async def test_an_administrator_writes_a_version_and_reads_it(cell: MemoryCell) -> None:
    """What PUT answers is what GET answers then; the platform's policies are there beside it, with their texts."""
    http = client(cell, "ada")
    made = await http.put("/v1/policies", json=body())
    assert made.status_code == 200
    told = made.json()
    assert (told["version"], told["in_force"], told["text"]) == (1, True, KEEP)
    assert told["tenant"] == [
        {
            "id": "tenant/keep",
            "effect": "forbid",
            "reason": "We keep it all.",
            "file": "tenant.cedar",
            "line": 1,
            "text": KEEP.strip(),
        }
    ]
    assert {each["id"] for each in told["platform"]} == shipped_bundle().ids
    assert (await http.get("/v1/policies")).json() == told


async def test_a_version_is_kept_and_can_be_written_again(cell: MemoryCell) -> None:
    """Listed newest first without texts; one by one with them."""
    http = client(cell, "ada")
    await http.put("/v1/policies", json=body())
    await http.put("/v1/policies", json=body("", 1))
    listed = (await http.get("/v1/policies/versions")).json()["items"]
    assert [(each["version"], each["text"]) for each in listed] == [(2, None), (1, None)]
    assert {each["principal_id"] for each in listed} == {str(cell.people["ada"].principal.id)}
    first = (await http.get("/v1/policies/versions/1")).json()
    assert (first["text"], first["digest"]) == (KEEP, listed[1]["digest"])
    back = await http.put("/v1/policies", json=body(first["text"], 2))
    assert (back.status_code, back.json()["version"]) == (200, 3)


async def test_a_dry_run_is_in_force_for_nobody(cell: MemoryCell) -> None:
    """It answers with the digest that would be in force."""
    http = client(cell, "ada")
    tried = (await http.put("/v1/policies", json=body(dry_run=True))).json()
    assert (tried["version"], tried["in_force"], tried["tenant"][0]["id"]) == (0, False, "tenant/keep")
    assert (await http.get("/v1/policies")).json()["bundle_digest"] == shipped_bundle().digest
    assert (await http.put("/v1/policies", json=body())).json()["bundle_digest"] == tried["bundle_digest"]


async def test_a_version_that_was_not_seen_is_not_overwritten(cell: MemoryCell) -> None:
    """409 with the latest version's number."""
    http = client(cell, "ada")
    await http.put("/v1/policies", json=body())
    refused = await http.put("/v1/policies", json=body(""))
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:domicile:problem:policy-changed")
    assert refused.json()["version"] == 1


@pytest.mark.parametrize(
    "sent",
    [{}, {"text": KEEP}, body(version=-1), body(version=2**31), body(text=5), body(more=1)],  # type: ignore[arg-type]
)
async def test_a_body_of_another_form_is_refused(cell: MemoryCell, sent: dict[str, object]) -> None:
    """Nothing of it is looked at."""
    assert (await client(cell, "ada").put("/v1/policies", json=sent)).status_code == 400


async def test_a_key_for_one_collection_changes_and_reads_no_policies(cell: MemoryCell) -> None:
    """They reach further than it does; and so does what they permit to whom."""
    ada = cell.people["ada"]
    operator = cell.administration.operator_caller(ada.tenant)
    ids = await cell.administration.collection_ids(operator, ["handbook"])
    _, key = await cell.administration.create_api_key(operator, ada.principal.id, "narrow", None, ids)
    http = client(cell, None, Authorization=f"Bearer {key}")
    refused = await http.put("/v1/policies", json=body())
    assert refused.status_code == 403
    asking = {"principal": "ada", "action": "document:read", "resource": "collection:handbook"}
    told = [await http.get("/v1/policies"), await http.get("/admin"), await http.post("/v1/policies/explain", json=asking)]
    assert [each.status_code for each in told] == [403, 403, 403]
