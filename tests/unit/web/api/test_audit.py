"""``/v1/audit``."""

from __future__ import annotations

from tests.fakes.cell import MemoryCell, client


async def test_an_anonymous_request_is_refused(cell: MemoryCell) -> None:
    """The log tells who did what."""
    assert (await client(cell).get("/v1/audit/events")).status_code == 401


async def test_a_member_may_not_read_it(cell: MemoryCell) -> None:
    """And the attempt is an entry itself."""
    assert (await client(cell, "mia").get("/v1/audit/events")).status_code == 403
    newest = (await client(cell, "olaf").get("/v1/audit/events?limit=2")).json()["items"][1]
    assert (newest["action"], newest["outcome"]) == ("audit:read", "denied")
    assert newest["principal_id"] == str(cell.people["mia"].principal.id)


async def test_an_auditor_sees_the_own_tenants_events_only(cell: MemoryCell) -> None:
    """Never a principal of the other tenant."""
    await client(cell, "gil").post("/v1/search", json={"query": "turbine"})
    events = (await client(cell, "olaf").get("/v1/audit/events?limit=1000")).json()["items"]
    theirs = {str(person.principal.id) for person in cell.people.values() if person.tenant.slug == "globex"}
    assert events
    assert not theirs & {event["principal_id"] for event in events}


async def test_an_access_is_in_the_log_with_the_request_id_of_its_response(cell: MemoryCell) -> None:
    """So that a response can be traced to its decision; no words of the question are there."""
    searched = await client(cell, "mia").post("/v1/search", json={"query": "annual leave days"})
    answered = await client(cell, "olaf").get("/v1/audit/events?limit=50")
    event = next(each for each in answered.json()["items"] if each["action"] == "search:create")
    assert event["request_id"] == searched.headers["x-request-id"]
    assert event["id"] == searched.json()["audit_id"]
    assert event["documents"]
    assert "annual leave" not in answered.text


async def test_older_events_come_a_page_at_a_time(cell: MemoryCell) -> None:
    """The cursor leads further back; no event comes twice."""
    http = client(cell, "olaf")
    first = (await http.get("/v1/audit/events?limit=3")).json()
    second = (await http.get(f"/v1/audit/events?limit=3&after={first['next']}")).json()
    positions = [each["position"] for each in (*first["items"], *second["items"])]
    assert positions == sorted(positions, reverse=True)
    assert len(set(positions)) == 6
