"""Attacks on where a request seems to come from: only a trusted proxy and the network itself are believed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from httpx2 import ASGITransport, AsyncClient
from tests.fakes.cell import MemoryCell, open_memory_cell, populate

from domicile.access.places import Places

PROXY, STRANGER, INSIDE = "192.0.2.1", "203.0.113.9", "10.9.0.4"


@pytest_asyncio.fixture
async def cell(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    async with open_memory_cell(tmp_path) as made:
        await populate(made)
        made.places = Places.parse(
            proxies=[f"{PROXY}/32"], header="X-Client-Region", regions=["10.9.0.0/16=eu-fr", "2001:db8::/32=eu-de"]
        )
        yield made


async def recorded(cell: MemoryCell, peer: str, headers: Sequence[tuple[str, str]] = ()) -> str:
    """The access region in the audit log of a request from that peer."""
    transport = ASGITransport(app=cell.app, client=(peer, 40000))
    sent = [*headers, ("Authorization", f"Bearer {cell.people['mia'].key}")]
    async with AsyncClient(transport=transport, base_url="http://testserver", headers=sent) as http:
        assert (await http.get("/v1/collections")).status_code == 200
    return (await cell.audit_log.read(None, limit=1))[0].event.access_region


async def test_a_client_cannot_say_where_it_is(cell: MemoryCell) -> None:
    """Neither by the proxy's header nor by pretending that a proxy passed it on."""
    claims = [("X-Client-Region", "eu-de"), ("X-Forwarded-For", INSIDE), ("Forwarded", f"for={INSIDE}")]
    assert await recorded(cell, STRANGER, claims) == "unknown"
    assert await recorded(cell, INSIDE, claims) == "eu-fr"


async def test_a_trusted_proxy_can(cell: MemoryCell) -> None:
    """And what it says is in every event of the request."""
    assert await recorded(cell, PROXY, [("X-Client-Region", "ch-zh")]) == "ch-zh"
    assert await recorded(cell, PROXY, [("X-Forwarded-For", f"{STRANGER}, {INSIDE}")]) == "eu-fr"


async def test_a_client_cannot_add_to_what_the_proxy_says(cell: MemoryCell) -> None:
    """Two values, and an address before the one that the proxy saw, make it unknown or change nothing."""
    assert await recorded(cell, PROXY, [("X-Client-Region", "eu-de"), ("X-Client-Region", "us-va")]) == "unknown"
    assert await recorded(cell, PROXY, [("X-Forwarded-For", f"{INSIDE}, {STRANGER}")]) == "unknown"


@pytest.mark.parametrize(
    ("peer", "region"), [("2001:db8::7", "eu-de"), ("::ffff:10.9.0.4", "eu-fr"), ("2001:db9::7", "unknown")]
)
async def test_both_families_of_addresses_are_told(cell: MemoryCell, peer: str, region: str) -> None:
    """An IPv4 client on an IPv6 socket is the IPv4 client that it is."""
    assert await recorded(cell, peer) == region


async def test_a_failed_sign_in_is_recorded_with_its_region_too(cell: MemoryCell) -> None:
    """Where guesses come from is what an auditor looks for."""
    transport = ASGITransport(app=cell.app, client=(INSIDE, 40000))
    async with AsyncClient(transport=transport, base_url="http://testserver") as http:
        assert (await http.get("/v1/me", headers={"Authorization": "Bearer dom_guess"})).status_code == 401
    assert (await cell.audit_log.read(None, limit=1))[0].event.access_region == "eu-fr"
