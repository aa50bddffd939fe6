"""``/v1/erasures``."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from httpx2 import AsyncClient
from tests.fakes.cell import MemoryCell, Person, client, open_memory_cell, populate

from domicile.crypto.erasure_receipt import verify
from domicile.crypto.signatures import SigningKey
from domicile.domain.values import Classification, Role

SUBJECT = {"kind": "subject", "target": "p-4711", "reason": "request-7"}


@pytest_asyncio.fixture(loop_scope="module")
async def cell(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    """One for each test: they change what there is."""
    async with open_memory_cell(tmp_path) as made:
        await populate(made)
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def strict(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    """Where somebody else has to approve."""
    async with open_memory_cell(tmp_path, erasure_approval=True) as made:
        await populate(made)
        yield made


async def document_of(cell: MemoryCell) -> dict[str, Any]:
    found = (await client(cell, "ada").get("/v1/collections/handbook/documents")).json()["items"][0]
    return {"kind": "document", "target": found["id"], "reason": "request-7"}


async def another_administrator(cell: MemoryCell) -> AsyncClient:
    tenant = cell.people["ada"].tenant
    operator = cell.administration.operator_caller(tenant)
    amy = await cell.administration.create_user(operator, "amy", "Amy", Role.ADMINISTRATOR, Classification.PUBLIC)
    _, key = await cell.administration.create_api_key(operator, amy.id, "test")
    cell.people["amy"] = Person(amy, tenant, key)
    return client(cell, "amy")


async def test_an_anonymous_request_is_refused(cell: MemoryCell) -> None:
    """Whatever it asks for."""
    http, id_ = client(cell), uuid4()
    answers = [
        await http.get("/v1/erasures"),
        await http.get(f"/v1/erasures/{id_}"),
        await http.post("/v1/erasures", json=SUBJECT),
        await http.post("/v1/erasures/preview", json=SUBJECT),
        await http.post(f"/v1/erasures/{id_}/approval"),
    ]
    assert {each.status_code for each in answers} == {401}


async def test_another_tenants_erasure_and_document_do_not_exist(cell: MemoryCell) -> None:
    """It is neither listed nor shown nor approved, and nothing of it is erased."""
    asked = (await client(cell, "ada").post("/v1/erasures", json=SUBJECT)).json()
    stranger = client(cell, "gus")
    assert (await stranger.get("/v1/erasures")).json()["items"] == []
    assert (await stranger.get(f"/v1/erasures/{asked['id']}")).status_code == 404
    assert (await stranger.post(f"/v1/erasures/{asked['id']}/approval")).status_code == 404
    assert (await stranger.post("/v1/erasures", json=await document_of(cell))).status_code == 404


async def test_a_member_is_refused_and_an_auditor_only_reads(cell: MemoryCell) -> None:
    """By policy."""
    for login, status in (("mia", 403), ("olaf", 200)):
        assert (await client(cell, login).get("/v1/erasures")).status_code == status
        assert (await client(cell, login).post("/v1/erasures", json=SUBJECT)).status_code == 403


async def test_a_document_is_erased_and_followed_to_its_receipts(cell: MemoryCell) -> None:
    """Taken in with 202 and an id; once it is done, each receipt verifies as it came, and the document is gone."""
    http, body = client(cell, "ada"), await document_of(cell)
    seen = await http.post("/v1/erasures/preview", json=body)
    assert (seen.status_code, seen.json()["documents"]) == (200, 1)
    asked = await http.post("/v1/erasures", json=body)
    assert (asked.status_code, asked.json()["state"], asked.json()["receipts"]) == (202, "approved", [])
    await cell.erasure_run.run_due()
    told = await http.get(f"/v1/erasures/{asked.json()['id']}")
    assert (told.json()["state"], told.json()["target"]) == ("done", body["target"])
    key = SigningKey(b"receipts" * 4).public
    assert [(each.removed > 0, each.found_after) for each in verify(told.content, key)] == [(True, 0)] * 4
    assert verify(json.dumps(told.json()["receipts"]).encode(), key, cell="test", region="eu-de")
    assert (await http.get(f"/v1/documents/{body['target']}")).status_code == 404


async def test_an_account_that_is_erased_is_out_at_once(cell: MemoryCell) -> None:
    """Its key opens nothing any more, and its password neither."""
    body = {**SUBJECT, "account": "mia"}
    assert (await client(cell, "ada").post("/v1/erasures", json=body)).json()["account"]
    await cell.erasure_run.run_due()
    cell.identity._trusted._known.clear()
    assert (await client(cell, "mia").get("/v1/me")).status_code == 401
    refused = await client(cell, None, Origin="http://testserver").post(
        "/login", data={"login": "mia", "password": "correct horse battery"}
    )
    assert refused.status_code == 401


async def test_what_is_held_is_a_conflict(cell: MemoryCell) -> None:
    """Before anything is touched; the matter is told to the administrator."""
    http, body = client(cell, "ada"), await document_of(cell)
    await http.post("/v1/holds", json={"kind": "tenant", "reference": "matter-1"})
    refused = await http.post("/v1/erasures", json=body)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:domicile:problem:legal-hold")
    assert refused.json()["reference"] == "matter-1"
    assert (await http.get("/v1/erasures")).json()["items"] == []


async def test_a_tenant_is_not_erased_from_elsewhere(cell: MemoryCell) -> None:
    """Not by its own administrator."""
    body = {"kind": "tenant", "target": "", "reason": "request-7"}
    assert (await client(cell, "ada").post("/v1/erasures", json=body)).status_code == 403


async def test_somebody_else_has_to_approve(strict: MemoryCell) -> None:
    """Where the operator demands it; what waits for nobody cannot be approved."""
    http = client(strict, "ada")
    asked = (await http.post("/v1/erasures", json=SUBJECT)).json()
    assert asked["state"] == "requested"
    assert (await http.post(f"/v1/erasures/{asked['id']}/approval")).status_code == 403
    other = await another_administrator(strict)
    approved = await other.post(f"/v1/erasures/{asked['id']}/approval")
    assert (approved.status_code, approved.json()["state"]) == (200, "approved")
    assert (await other.post(f"/v1/erasures/{asked['id']}/approval")).status_code == 409
    again = await http.get(f"/v1/erasures/{asked['id']}")
    assert again.json()["state"] == "approved"


@pytest.mark.parametrize(
    "wrong",
    [{}, *({**SUBJECT, **each} for each in ({"kind": "everything"}, {"reason": "Not a slug"}, {"target": ""}, {"x": 1}))],
)
async def test_what_cannot_be_is_refused(cell: MemoryCell, wrong: dict[str, object]) -> None:
    """With 400."""
    assert (await client(cell, "ada").post("/v1/erasures", json=wrong)).status_code == 400
