"""``/v1/me``."""

from __future__ import annotations

from tests.fakes.cell import MemoryCell, client


async def test_an_anonymous_request_is_refused(cell: MemoryCell) -> None:
    """Without a credential there is nobody to tell about."""
    assert (await client(cell).get("/v1/me")).status_code == 401


async def test_it_tells_whom_the_key_belongs_to(cell: MemoryCell) -> None:
    """Principal, tenant and the cell's region; nothing narrows this key."""
    told = (await client(cell, "mia").get("/v1/me")).json()
    assert told["principal"]["login"] == "mia"
    assert told["principal"]["clearance"] == "confidential"
    assert told["tenant"]["slug"] == "acme"
    assert (told["method"], told["verbs"], told["cell_region"]) == ("api-key", None, "eu-de")


async def test_it_tells_what_a_key_is_narrowed_to(cell: MemoryCell) -> None:
    """So that an integrator sees why something else is refused."""
    operator = cell.administration.operator_caller(cell.people["mia"].tenant)
    principal = cell.people["mia"].principal
    _, secret = await cell.administration.create_api_key(operator, principal.id, "narrow", frozenset({"search:create"}))
    told = await client(cell, None, Authorization=f"Bearer {secret}").get("/v1/me")
    assert told.json()["verbs"] == ["search:create"]
