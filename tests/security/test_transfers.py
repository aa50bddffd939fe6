"""Attacks on the border: data that would cross it without a basis, unseen, or before anybody knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from httpx2 import Response
from sqlalchemy import text
from tests.fakes.cell import ABROAD, HOME, MemoryCell, browser, client, csrf_token, open_memory_cell, populate
from tests.fakes.model_server import DONE, FINISH, ScriptedServer, delta, sends
from tests.fakes.policy import LAPSED, decisions, shipped_regions, shipped_sources

from domicile.access.places import Places
from domicile.access.standing import StandingFlows
from domicile.access.transfers import Flow
from domicile.adapters.identity.clock import SystemClock
from domicile.adapters.llm.openai_compatible import OpenAICompatibleModel
from domicile.audit.events import AuditEvent
from domicile.domain.errors import DatabaseUnavailable, IntegrityError
from domicile.domain.transfers import Unit
from domicile.generation.model_answer import ModelAnswer
from domicile.policy.bundle import PolicyBundle
from domicile.policy.regions import DataKind

ASKED = {"question": "How many days of annual leave do employees have?"}
DENIED = "urn:domicile:problem:transfer-denied"
Opening = Callable[..., Awaitable[MemoryCell]]


@pytest_asyncio.fixture
async def model() -> AsyncIterator[ScriptedServer]:
    """A server with an OpenAI-compatible interface, in another region as far as the cell knows. Counts who asks it."""
    fake = ScriptedServer(acts=[sends(delta("There are 30 days [1]."), FINISH, DONE)])
    listening = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield fake
    listening.close()
    await listening.wait_closed()


@asynccontextmanager
async def cell_with(model: ScriptedServer, folder: Path, regions: str) -> AsyncIterator[MemoryCell]:
    """A populated cell that answers by that model, whose region the operator declared for components."""
    author = ModelAnswer(model=OpenAICompatibleModel(base_url=model.url, model="abroad", region=ABROAD))
    async with open_memory_cell(folder, generator=author, decisions=decisions(ABROAD, regions=regions)) as cell:
        await populate(cell, allowing=frozenset({ABROAD}))
        yield cell
    await author.close()


@pytest_asyncio.fixture
async def cell(model: ScriptedServer, tmp_path: Path) -> AsyncIterator[MemoryCell]:
    async with cell_with(model, tmp_path, shipped_regions()) as made:
        yield made


async def entries(cell: MemoryCell, login: str = "olaf") -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await client(cell, login).get("/v1/transfers")).json()["items"]
    return listed


async def denials(cell: MemoryCell) -> list[AuditEvent]:
    return [entry.event for entry in await cell.audit_log.read(None) if entry.event.reason == "transfer-denied"]


async def test_an_answer_from_abroad_is_registered_as_its_receipt_says(cell: MemoryCell, model: ScriptedServer) -> None:
    """Register, receipt and audit log name the same transfer, of as many passages as the model was given."""
    answer = (await client(cell, "mia").post("/v1/answers", json=ASKED)).json()
    assert len(model.requests) == 1
    (entry,) = await entries(cell)
    assert (entry["from"], entry["to"], entry["component"]) == ("eu-de", "eu-fr", "model")
    assert (entry["amount"], entry["unit"]) == (len(answer["passages"]), "passages")
    (stated,) = answer["receipt"]["statement"]["transfers"]
    assert (stated["id"], stated["basis"], stated["reference"]) == (entry["entry"], entry["basis"], entry["reference"])
    events = {entry.event.id: entry.event for entry in await cell.audit_log.read(None)}
    assert dict(events[UUID(answer["audit_id"])].detail)["transfer"] == entry["id"]
    assert dict(events[UUID(entry["audit_id"])].detail)["transfer"] == entry["id"]


async def test_with_an_expired_basis_nothing_reaches_the_model(model: ScriptedServer, tmp_path: Path) -> None:
    """As JSON, as a stream and on the page; search, which stays at home, goes on working."""
    async with cell_with(model, tmp_path, LAPSED) as cell:
        for headers in ({}, {"Accept": "text/event-stream"}):
            refused = await client(cell, "mia", **headers).post("/v1/answers", json=ASKED)
            assert (refused.status_code, refused.json()["type"]) == (403, DENIED)
            assert "eu-internal" not in refused.text
        http = await browser(cell, "mia")
        assert (await http.post("/", data={**ASKED, "csrf_token": await csrf_token(http)})).status_code == 403
        explained = (await client(cell, "ada").post("/v1/answers", json=ASKED)).json()
        assert "'eu-internal' expired on 2025-03-13" in explained["detail"]
        assert (await client(cell, "mia").post("/v1/search", json={"query": "annual leave"})).status_code == 200
        assert model.requests == []
        assert len(await denials(cell)) == 4
        assert await entries(cell) == []


@pytest.mark.parametrize("slow", [DatabaseUnavailable(), IntegrityError()])
async def test_what_cannot_be_registered_is_not_asked(
    cell: MemoryCell, model: ScriptedServer, monkeypatch: pytest.MonkeyPatch, slow: Exception
) -> None:
    """Fail closed: no answer, no request to the model, and nothing of the passages is told."""

    async def broken(*_: object) -> None:
        raise slow

    monkeypatch.setattr("domicile.adapters.db.transfers.SqlTransfers.add", broken)
    refused = await client(cell, "mia").post("/v1/answers", json=ASKED)
    assert refused.status_code == (503 if isinstance(slow, DatabaseUnavailable) else 500)
    assert "30 days" not in refused.text
    assert model.requests == []


async def test_the_entry_is_durable_before_the_model_is_asked(
    cell: MemoryCell, model: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen from another connection at the moment at which the model's server takes the request."""
    seen: list[int] = []

    async def looking(writer: asyncio.StreamWriter) -> None:
        async with cell.database.reading_transaction() as open_:
            seen.append(len(await open_.all(text("SELECT id FROM transfers"))))
        await sends(delta("There are 30 days [1]."), FINISH, DONE)(writer)

    model.acts = [looking]
    assert (await client(cell, "mia").post("/v1/answers", json=ASKED)).status_code == 200
    assert seen == [1]


async def test_a_question_without_passages_crosses_no_border(cell: MemoryCell, model: ScriptedServer) -> None:
    """Whoever may read nothing sends nothing anywhere, and nothing is registered."""
    found = await client(cell, "mia").post("/v1/answers", json={"question": "leave", "collections": ["board"]})
    assert found.status_code == 200
    assert found.json()["receipt"]["statement"]["transfers"] == []
    assert (model.requests, await entries(cell)) == ([], [])


async def test_another_tenants_entries_are_neither_shown_nor_counted(cell: MemoryCell) -> None:
    """In pages, in the table, by cursor and by filter; what concerns the cell is shown to both."""
    for login in ("mia", "gil", "gil", "gil"):
        await client(cell, login).post("/v1/answers", json={"question": "What are leave days and the turbine?"})
    telemetry = Flow(HOME, ABROAD, DataKind.TELEMETRY, 1, Unit.COMPONENTS, "telemetry")
    gate = cell.transfers._gate
    await StandingFlows([telemetry], database=cell.database, gate=gate, clock=SystemClock()).enter()
    acme, globex = str(cell.people["olaf"].tenant.id), str(cell.people["gab"].tenant.id)
    assert [each["tenant_id"] for each in await entries(cell)] == [None, acme]
    theirs = await entries(cell, "gab")
    assert [each["tenant_id"] for each in theirs] == [None, globex, globex, globex]
    http = client(cell, "olaf")
    page = (await http.get("/v1/transfers?limit=2")).json()
    assert (await http.get(f"/v1/transfers?after={page['next']}")).json() == {"items": [], "next": None}
    assert (await http.get(f"/v1/transfers?after={theirs[-1]['id']}&kind=content")).json()["next"] is None
    table = (await http.get("/v1/transfers?format=csv")).text
    assert globex not in table
    assert len(table.splitlines()) == 3


async def test_a_key_for_some_collections_does_not_read_the_register(cell: MemoryCell) -> None:
    """It reaches further than they do."""
    ada = await cell.caller("ada")
    where = await cell.library.collection(ada, "handbook")
    _, narrowed = await cell.administration.create_api_key(
        ada, cell.people["olaf"].principal.id, "narrow", collections=frozenset({where.id})
    )
    refused = await client(cell, None, Authorization=f"Bearer {narrowed}").get("/v1/transfers")
    assert refused.status_code == 403


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE transfers SET target = 'eu-de'",
        "DELETE FROM transfers",
        "INSERT OR REPLACE INTO transfers SELECT * FROM transfers",
    ],
)
async def test_nobody_changes_what_is_registered(cell: MemoryCell, statement: str) -> None:
    """With the cell's own connection, neither."""
    await client(cell, "mia").post("/v1/answers", json=ASKED)
    before = await entries(cell)
    with pytest.raises(IntegrityError):
        async with cell.database.writing_transaction() as open_:
            await open_.run(text(statement))
    assert await entries(cell) == before


# --- Somebody who looks from elsewhere --------------------------------------------------------------------------------
async def look(cell: MemoryCell, region: str, path: str = "/v1/collections", login: str = "mia") -> Response:
    """A request by way of a trusted proxy that tells that region."""
    cell.places = Places.parse(proxies=["127.0.0.1/32"], header="X-Client-Region", regions=[])
    return await client(cell, login, **({"X-Client-Region": region} if region else {})).get(path)


@pytest.mark.parametrize("path", ["/v1/collections", "/v1/collections/handbook/documents", "/v1/conversations"])
async def test_who_looks_from_where_there_is_no_basis_sees_nothing(cell: MemoryCell, path: str) -> None:
    """Not even names; the denial is recorded, and says from where."""
    refused = await look(cell, "us-va", path)
    assert (refused.status_code, refused.json()["type"]) == (403, DENIED)
    assert "handbook" not in refused.text
    (event,) = await denials(cell)
    assert (event.access_region, dict(event.detail)["to"], dict(event.detail)["kind"]) == ("us-va", "us-va", "access")
    assert await entries(cell) == []


async def test_a_document_is_not_opened_for_who_looks_from_there(cell: MemoryCell) -> None:
    """Over REST and on the page, and the refusal is the same whether or not there is such a document."""
    listed = (await client(cell, "mia").get("/v1/collections/handbook/documents")).json()["items"]
    for document in (listed[0]["id"], str(UUID(int=7))):
        refused = await look(cell, "us-va", f"/v1/documents/{document}/content")
        assert (refused.status_code, refused.json()["type"]) == (403, DENIED)
        assert "leave" not in refused.text


async def test_the_pages_are_as_closed_as_the_interface(cell: MemoryCell) -> None:
    """Signing in is no look at content; the page behind it is, and says in words why it stays closed."""
    cell.places = Places.parse(proxies=["127.0.0.1/32"], header="X-Client-Region", regions=[])
    http = await browser(cell, "mia", **{"X-Client-Region": "us-va"})
    seen = await http.get("/")
    assert (seen.status_code, "text/html" in seen.headers["content-type"]) == (403, True)
    assert "legal basis" in seen.text
    assert "handbook" not in seen.text


async def test_who_looks_from_where_there_is_a_basis_is_registered_before_seeing_anything(
    cell: MemoryCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One entry a request, from the cell's region to theirs; if it cannot be written, nothing is shown."""
    assert (await look(cell, "ch-zh")).status_code == 200
    (entry,) = await entries(cell)
    assert (entry["kind"], entry["from"], entry["to"], entry["entry"]) == ("access", "eu-de", "ch-zh", "eu-ch-access")
    assert entry["principal_id"] == str(cell.people["mia"].principal.id)

    async def broken(*_: object) -> None:
        raise DatabaseUnavailable()

    monkeypatch.setattr("domicile.adapters.db.transfers.SqlTransfers.add", broken)
    refused = await look(cell, "ch-zh")
    assert refused.status_code == 503
    assert "handbook" not in refused.text


async def test_who_looks_from_home_makes_no_transfer(cell: MemoryCell) -> None:
    """Nor does whoever only asks who they are, wherever they are."""
    assert (await look(cell, "eu-de")).status_code == 200
    assert (await look(cell, "us-va", "/v1/me")).status_code == 200
    assert await entries(cell) == []


async def test_from_an_unknown_place_it_is_for_policy_to_deny(model: ScriptedServer, tmp_path: Path) -> None:
    """Neither registered nor refused by the register; a forbid that tests for it does."""
    forbid = (
        '@id("guard-access-unknown") @reason("Nobody looks from an unknown place.")\n'
        'forbid (principal, action, resource) when { context.access_region == "unknown" };'
    )
    schema, policies = shipped_sources()
    bundle = PolicyBundle.parse(schema, {**policies, "access.cedar": forbid}, shipped_regions())
    async with open_memory_cell(tmp_path) as made:
        await populate(made, allowing=frozenset({ABROAD}))
        assert (await look(made, "")).status_code == 200
        assert await entries(made) == []
        await made.refresh.replace_platform(bundle)
        refused = await look(made, "")
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:domicile:problem:forbidden")


async def test_a_form_of_another_site_fills_no_register(cell: MemoryCell) -> None:
    """A page that makes a visitor's browser send something has not made them look at anything."""
    cell.places = Places.parse(proxies=["127.0.0.1/32"], header="X-Client-Region", regions=[])
    http = await browser(cell, "mia", **{"X-Client-Region": "ch-zh"})
    before = len(await entries(cell))
    forged = await http.post("/", data={**ASKED, "csrf_token": "guess"}, headers={"Origin": "https://evil.example"})
    assert forged.status_code == 403
    assert len(await entries(cell)) == before
