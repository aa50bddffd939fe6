"""``/v1/transfers``."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import timedelta

import pytest
from tests.fakes.cell import ABROAD, HOME, MemoryCell, client

from domicile.access.transfers import Flow
from domicile.domain.actions import Action
from domicile.domain.transfers import TransferRecord, Unit
from domicile.policy.regions import DataKind
from domicile.policy.request import EndpointResource

MODEL = EndpointResource("model", "mistral", ABROAD)


async def registered(cell: MemoryCell, login: str, *kinds: DataKind) -> Sequence[TransferRecord]:
    """Transfers of that person's, the oldest first."""
    caller = await cell.caller(login)
    flows = [Flow(HOME, ABROAD, kind, 1, Unit.PASSAGES, "model") for kind in kinds]
    return [(await cell.transfers.require(caller, flow, Action.ENDPOINT_USE, MODEL)).record for flow in flows]


async def test_an_anonymous_request_is_refused(cell: MemoryCell) -> None:
    """Where data went is nobody else's business."""
    assert (await client(cell).get("/v1/transfers")).status_code == 401


@pytest.mark.parametrize("query", ["", "?format=csv"])
async def test_a_member_is_refused(cell: MemoryCell, query: str) -> None:
    """A page and the table alike, and the refusal is recorded."""
    answered = await client(cell, "mia").get(f"/v1/transfers{query}")
    assert (answered.status_code, answered.headers["content-type"]) == (403, "application/problem+json")
    newest = (await cell.audit_log.read(None, limit=1))[0].event
    assert (newest.action, newest.outcome) == ("transfer:read", "denied")


@pytest.mark.parametrize("login", ["ada", "olaf"])
async def test_it_tells_what_went_where_and_why(cell: MemoryCell, login: str) -> None:
    """Every fact of the entry, and the access is in the audit log."""
    (record,) = await registered(cell, "mia", DataKind.CONTENT)
    told = (await client(cell, login).get("/v1/transfers?limit=1")).json()["items"][0]
    assert told == {
        "id": str(record.id),
        "time": record.time.isoformat().replace("+00:00", "Z"),
        "kind": "content",
        "from": "eu-de",
        "to": "eu-fr",
        "component": "model",
        "amount": 1,
        "unit": "passages",
        "entry": "eu-internal",
        "basis": "No transfer to a third country (GDPR Art. 1(3))",
        "reference": "GDPR Art. 1(3)",
        "tenant_id": str(cell.people["mia"].tenant.id),
        "principal_id": str(cell.people["mia"].principal.id),
        "credential_id": str(record.credential_id),
        "bundle_digest": record.bundle_digest,
        "audit_id": str(record.audit_id),
        "request_id": "test",
    }
    newest = (await cell.audit_log.read(None, limit=1))[0].event
    assert (newest.action, newest.outcome) == ("transfer:read", "permitted")


async def test_pages_follow_the_cursor(cell: MemoryCell) -> None:
    """The newest first, until there is no further one."""
    made = [str(each.id) for each in await registered(cell, "gil", *[DataKind.CONTENT] * 5)]
    seen, path = [], "/v1/transfers?limit=2"
    while path:
        page = (await client(cell, "gab").get(path)).json()
        seen += [each["id"] for each in page["items"]]
        path = f"/v1/transfers?limit=2&after={page['next']}" if page["next"] else ""
    assert seen == made[::-1]


async def test_filters_narrow(cell: MemoryCell) -> None:
    """By kind, regions and time, in any zone."""
    content, keys = await registered(cell, "mia", DataKind.CONTENT, DataKind.KEYS)
    http = client(cell, "olaf")

    async def ids(**wanted: str) -> list[str]:
        answered = await http.get("/v1/transfers", params=wanted)
        assert answered.status_code == 200, answered.text
        return [each["id"] for each in answered.json()["items"]]

    assert await ids(kind="keys") == [str(keys.id)]
    assert str(content.id) in await ids(kind="content", to="eu-fr", **{"from": "eu-de"})
    assert await ids(to="ch-zh") == await ids(**{"from": "eu-fr"}) == []
    assert await ids(since=keys.time.isoformat()) == [str(keys.id)]
    assert await ids(since=(keys.time + timedelta(hours=1)).isoformat()) == []
    elsewhere = keys.time.isoformat().replace("+00:00", "+09:00")  # nine hours ago
    assert await ids(until=elsewhere) == []


@pytest.mark.parametrize(
    "query",
    [
        "kind=gossip",
        "from=Germany",
        "to=",
        "since=yesterday",
        "since=2026",
        "until=1767225600",
        "since=2026-01-01T00:00:00",
        "until=0001-01-01T00:00:00%2B14:00",
        "until=9999-12-31T23:59:59-14:00",
        "format=xml",
        "limit=0",
        "limit=1001",
        "after=1",
    ],
)
async def test_what_is_no_filter_is_refused(cell: MemoryCell, query: str) -> None:
    """Rather than ignored, which would show more than was asked for."""
    assert (await client(cell, "olaf").get(f"/v1/transfers?{query}")).status_code == 400


@pytest.mark.parametrize(("query", "headers"), [("?format=csv&limit=1", {}), ("", {"Accept": "text/csv"})])
async def test_the_table_has_all_of_it(cell: MemoryCell, query: str, headers: dict[str, str]) -> None:
    """To be saved as a file; by name or by media type."""
    made = {str(each.id) for each in await registered(cell, "mia", DataKind.CONTENT, DataKind.CONTENT)}
    answered = await client(cell, "olaf", **headers).get(f"/v1/transfers{query}")
    assert answered.headers["content-type"] == "text/csv; header=present; charset=utf-8"
    assert answered.headers["content-disposition"] == 'attachment; filename="transfers.csv"'
    rows = list(csv.DictReader(io.StringIO(answered.text, newline="")))
    assert made <= {row["id"] for row in rows}
    assert {row["tenant_id"] for row in rows} == {str(cell.people["olaf"].tenant.id)}
    assert [row["time"] for row in rows] == sorted((row["time"] for row in rows), reverse=True)
