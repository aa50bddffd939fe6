"""``/health`` and ``/metrics``."""

from __future__ import annotations

from tests.fakes.cell import MemoryCell, client


async def test_liveness_needs_nothing(cell: MemoryCell) -> None:
    """Neither a credential nor any component."""
    cell.components["database"] = "database-unavailable"
    try:
        answered = await client(cell).get("/health/live")
    finally:
        cell.components["database"] = "ok"
    assert (answered.status_code, answered.json()) == (200, {"status": "alive"})


async def test_readiness_names_what_is_not_ready(cell: MemoryCell) -> None:
    """By component and slug, as problem details; ready again, it is a 200."""
    cell.components["index"] = "vector-index-unavailable"
    try:
        answered = await client(cell).get("/health/ready")
    finally:
        cell.components["index"] = "ok"
    problem = answered.json()
    assert (answered.status_code, problem["type"]) == (503, "urn:domicile:problem:not-ready")
    assert "index" in problem["detail"]
    assert "database" not in problem["detail"]
    assert problem["components"] == {"database": "ok", "index": "vector-index-unavailable"}
    assert (await client(cell).get("/health/ready")).json()["status"] == "ready"


async def test_metrics_are_numbers_with_fixed_labels(cell: MemoryCell) -> None:
    """Requests are counted by route template; no path, id, question or name is in there."""
    await client(cell, "mia").post("/v1/search", json={"query": "singular-question"})
    await client(cell, "mia").get("/v1/collections/handbook")
    answered = await client(cell).get("/metrics")
    assert answered.headers["content-type"].startswith("text/plain")
    assert 'http_route="/v1/collections/{collection}"' in answered.text
    assert "http_server_request_duration" in answered.text
    for word in ("singular-question", "handbook", "mia", "acme"):
        assert word not in answered.text
