"""Requests that belong into another region's cell: sent there before anything of them is read, and told to nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from httpx2 import Response
from sqlalchemy import update
from structlog.testing import capture_logs
from tests.fakes.cell import ABROAD, HOME, PASSWORD, MemoryCell, Person, browser, client, open_memory_cell, populate

from domicile.access.identity import Origin
from domicile.adapters.db.schema import documents
from domicile.audit.events import AuditEvent
from domicile.domain.documents import Collection
from domicile.domain.principals import Tenant
from domicile.domain.values import Classification, Role

SECRET = "the takeover of Larch"
MISDIRECTED = "urn:domicile:problem:misdirected"


@pytest_asyncio.fixture
async def cell(tmp_path: Path) -> AsyncIterator[MemoryCell]:
    """Besides what every such cell has: a tenant that is at home abroad, and a collection and a document that live there."""
    async with open_memory_cell(tmp_path) as made:
        await populate(made, allowing=frozenset({ABROAD}))
        await settle_abroad(made)
        yield made


async def settle_abroad(cell: MemoryCell) -> None:
    admin = cell.administration
    tenant = Tenant(UUID(int=1), "lyon", "Lyon", ABROAD, frozenset({HOME}))
    async with cell.database.writing() as unit:
        await unit.tenants.add(tenant)
        await unit.collections.add(Collection(UUID(int=2), cell.people["mia"].tenant.id, "abroad", ABROAD))
        await unit.commit()
    operator = admin.operator_caller(tenant)
    remi = await admin.create_user(operator, "remi", "Remi", Role.ADMINISTRATOR, Classification.RESTRICTED, (), PASSWORD)
    _, key = await admin.create_api_key(operator, remi.id, "test")
    async with cell.database.writing() as unit:  # it has moved, and its data may not be here any more
        await unit.tenants.set_allowed_regions(tenant.id, frozenset())
        await unit.commit()
    cell.people["remi"] = Person(remi, tenant, key)


async def moved(cell: MemoryCell, login: str, collection: str) -> UUID:
    """A document of that collection, which lives abroad from now on."""
    view = (await client(cell, login).get(f"/v1/collections/{collection}/documents")).json()["items"][0]
    async with cell.database.writing_transaction() as open_:
        await open_.run(update(documents).where(documents.c.id == UUID(view["id"])).values(region=ABROAD.name))
        await open_.commit()
    return UUID(view["id"])


async def denials(cell: MemoryCell) -> Sequence[AuditEvent]:
    return [entry.event for entry in await cell.audit_log.read(None) if entry.event.reason == "misdirected"]


def assert_sent_on(answered: Response) -> None:
    """421, with the region and where its cell answers."""
    assert (answered.status_code, answered.json()["type"]) == (421, MISDIRECTED)
    assert (answered.json()["region"], answered.json()["url"]) == ("eu-fr", "https://fr.example")


class UnreadBody:
    """A request's body that nobody may read."""

    def __aiter__(self) -> UnreadBody:
        return self

    async def __anext__(self) -> bytes:
        raise AssertionError("The body was read.")


ROUTES = [
    ("GET", "/v1/me"),
    ("GET", "/v1/collections"),
    ("POST", "/v1/collections"),
    ("POST", "/v1/collections/handbook/documents"),
    ("POST", "/v1/search"),
    ("POST", "/v1/answers"),
    ("GET", "/v1/conversations"),
    ("GET", "/v1/audit/events"),
    ("GET", "/v1/residency"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_another_regions_tenant_is_sent_home_before_its_body_is_read(cell: MemoryCell, method: str, path: str) -> None:
    """On every kind of route: the body is not touched, and what it would have said is in no log line and no audit event."""
    headers = {"Content-Type": "multipart/form-data; boundary=x" if "documents" in path else "application/json"}
    with capture_logs() as lines:
        answered = await client(cell, "remi").request(method, path, content=UnreadBody(), headers=headers)
    assert_sent_on(answered)
    (event,) = await denials(cell)
    assert (event.tenant_id, event.resource, dict(event.detail)) == (UUID(int=1), f"tenant:{UUID(int=1)}", {"region": "eu-fr"})
    assert [line["status"] for line in lines if line["event"] == "request"] == [421]


async def test_a_body_that_was_sent_is_in_no_log(cell: MemoryCell) -> None:
    """With a body that could be read, too."""
    with capture_logs() as lines:
        assert_sent_on(await client(cell, "remi").post("/v1/answers", json={"question": SECRET}))
    assert SECRET not in str(lines) + str(await denials(cell))


async def test_a_signed_in_visitor_sees_a_page_that_says_where_to_go(cell: MemoryCell) -> None:
    """Also with a form, whose token is in the body that is not read; signing out works all the same."""
    http = await browser(cell, "remi")
    seen = await http.get("/")
    assert seen.status_code == 421
    assert "https://fr.example" in seen.text
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await http.post("/", content=UnreadBody(), headers=form)).status_code == 421
    _, session = await cell.identity.authenticate_session(http.cookies["domicile"], Origin("test", ""))
    assert (await http.post("/logout", data={"csrf_token": session.csrf_token})).status_code == 303


async def test_a_strange_page_learns_nothing_by_it(cell: MemoryCell) -> None:
    """Without a credential the answer is what it always is."""
    assert (await client(cell).post("/v1/answers", content=UnreadBody())).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/collections/abroad"),
        ("GET", "/v1/collections/abroad/documents"),
        ("GET", f"/v1/collections/{UUID(int=2)}"),
        ("POST", "/v1/collections/abroad/documents"),
    ],
)
async def test_a_collection_that_lives_elsewhere_is_asked_for_there(cell: MemoryCell, method: str, path: str) -> None:
    """By name and by id; an upload is not read."""
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert_sent_on(await client(cell, "ada").request(method, path, content=UnreadBody(), headers=headers))
    (event,) = await denials(cell)
    assert event.resource == f"collection:{UUID(int=2)}"


async def test_a_search_in_a_collection_that_lives_elsewhere_is_sent_there(cell: MemoryCell) -> None:
    """Its name is in the body, so that had to be read; the question is in no log all the same."""
    with capture_logs() as lines:
        for path, asked in (("/v1/search", "query"), ("/v1/answers", "question")):
            for named in ("abroad", str(UUID(int=2))):
                assert_sent_on(await client(cell, "mia").post(path, json={asked: SECRET, "collections": [named]}))
    assert SECRET not in str(lines) + str(await denials(cell))


@pytest.mark.parametrize("path", ["/v1/documents/{}", "/v1/documents/{}/content"])
async def test_a_document_that_lives_elsewhere_is_asked_for_there(cell: MemoryCell, path: str) -> None:
    """And nothing of it is released here, whatever this cell still holds of it."""
    document = await moved(cell, "ada", "handbook")
    answered = await client(cell, "mia").get(path.format(document))
    assert_sent_on(answered)
    assert "leave" not in answered.text.lower()


async def test_who_could_not_read_it_there_does_not_learn_where_it_lives(cell: MemoryCell) -> None:
    """The member of the same tenant, and the other tenant: no 421, no region, no address."""
    document = await moved(cell, "ada", "board")
    for login in ("mia", "gil"):
        for path in (f"/v1/documents/{document}", f"/v1/documents/{document}/content"):
            answered = await client(cell, login).get(path)
            assert answered.status_code in {403, 404}
            assert "fr" not in {*answered.json().get("region", "").split("-")}
            assert "fr.example" not in answered.text
    foreign = await client(cell, "gil").get("/v1/collections/abroad")
    assert (foreign.status_code, foreign.json()["type"]) == (404, "urn:domicile:problem:not-found")
    assert await denials(cell) == []


async def test_what_lives_here_is_served_here(cell: MemoryCell) -> None:
    """The others' data is where it was."""
    assert (await client(cell, "mia").get("/v1/collections/handbook")).status_code == 200
    assert (await client(cell, "mia").post("/v1/search", json={"query": "leave"})).status_code == 200
    assert cell.region == HOME


async def test_nobody_is_sent_anywhere_if_it_cannot_be_recorded(cell: MemoryCell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is audited before it is told."""

    async def broken(*_: Any) -> None:
        from domicile.domain.errors import AuditUnavailable

        raise AuditUnavailable()

    caller = await cell.caller("remi")
    monkeypatch.setattr(cell.audit_log, "append", broken)
    answered = await client(cell, "remi").get("/v1/me")
    assert caller.tenant.region == ABROAD
    assert answered.status_code == 503
    assert "fr.example" not in answered.text
