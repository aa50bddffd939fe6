"""``/v1/residency``."""

from __future__ import annotations

import pytest
from tests.fakes.cell import MemoryCell, client


async def test_an_anonymous_request_is_refused(cell: MemoryCell) -> None:
    """The addresses of a cell's components are nobody else's business."""
    assert (await client(cell).get("/v1/residency")).status_code == 401


async def test_a_member_is_refused(cell: MemoryCell) -> None:
    """And the refusal is recorded."""
    assert (await client(cell, "mia").get("/v1/residency")).status_code == 403
    newest = (await cell.audit_log.read(None, limit=1))[0].event
    assert (newest.action, newest.outcome) == ("residency:read", "denied")


@pytest.mark.parametrize("login", ["ada", "olaf"])
async def test_it_tells_where_every_component_is_and_why(cell: MemoryCell, login: str) -> None:
    """Decided now, by the policies in force: one that they would not allow any more shows as that."""
    answered = await client(cell, login).get("/v1/residency")
    assert answered.status_code == 200
    told = answered.json()
    assert (told["cell_region"], told["access_region"]) == ("eu-de", "unknown")
    assert told["policies_signed_by"] is None
    database, model = told["components"]
    assert database == {
        "kind": "database",
        "address": "SQLite in the data folder",
        "region": "eu-de",
        "data": ["metadata"],
        "allowed": True,
        "policies": ["endpoint-region"],
        "confined": "in-process",
        "way": "in-process",
    }
    assert (model["region"], model["allowed"]) == ("eu-fr", False)
    newest = (await cell.audit_log.read(None, limit=1))[0].event
    assert (newest.action, newest.outcome, newest.bundle_digest) == ("residency:read", "permitted", told["bundle_digest"])
