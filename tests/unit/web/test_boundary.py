"""What every response carries, and what is recorded of every request."""

from __future__ import annotations

from uuid import UUID

import pytest
from structlog.testing import capture_logs
from tests.fakes.cell import MemoryCell, client

from domicile.adapters.telemetry.allowlist import LOG_KEYS
from domicile.web.boundary import Boundary


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health/live", 200),
        ("GET", "/nowhere", 404),
        ("PUT", "/v1/me", 405),
        ("GET", "/v1/me", 401),
        ("GET", "/login", 200),
    ],
)
async def test_every_response_has_a_request_id_and_the_security_headers(
    cell: MemoryCell, method: str, path: str, status: int
) -> None:
    """Also those that no route answers."""
    answered = await client(cell).request(method, path)
    assert answered.status_code == status
    UUID(answered.headers["x-request-id"])
    assert answered.headers["x-content-type-options"] == "nosniff"
    assert answered.headers["x-frame-options"] == "DENY"
    assert answered.headers["content-security-policy"].startswith("default-src 'none'")
    assert answered.headers["cache-control"] == "no-store"


async def test_the_request_id_is_ours_whatever_the_client_sends(cell: MemoryCell) -> None:
    """It ends up in logs and in the audit log, so nobody outside chooses it; problems name it."""
    answered = await client(cell, None, **{"X-Request-ID": "chosen"}).get("/v1/me")
    assert answered.headers["x-request-id"] != "chosen"
    assert answered.json()["instance"] == answered.headers["x-request-id"]


async def test_a_request_is_one_log_line_of_allowed_keys(cell: MemoryCell) -> None:
    """Method, route template, status and ids; neither the path, nor the query, nor a name."""
    with capture_logs() as lines:
        await client(cell, "mia").get("/v1/collections/handbook?secret=question")
    (line,) = [each for each in lines if each["event"] == "request"]
    assert set(line) - {"log_level"} <= LOG_KEYS
    assert (line["method"], line["route"], line["status"]) == ("GET", "/v1/collections/{collection}", 200)
    assert line["tenant_id"] == str(cell.people["mia"].tenant.id)
    assert "handbook" not in str(line)
    assert "secret" not in str(line)


async def test_an_unforeseen_error_is_logged_by_class_and_place_only(cell: MemoryCell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its message may hold content; the caller gets a 500 that explains nothing."""

    async def breaks(*_: object) -> None:
        raise ValueError("words of a document")

    monkeypatch.setattr(cell.library, "collections", breaks)
    with capture_logs() as lines:
        answered = await client(cell, "mia").get("/v1/collections")
    assert (answered.status_code, answered.json()["type"]) == (500, "urn:domicile:problem:internal")
    (line,) = [each for each in lines if each["event"] == "request failed"]
    assert line["error"] == "ValueError"
    assert line["where"].startswith("test_boundary.py:")
    assert "words of a document" not in str(lines) + answered.text


async def test_a_host_that_is_not_served_is_refused(cell: MemoryCell) -> None:
    """Against other sites that point their own name here; with a port or without, the served ones work."""
    cell.settings.allowed_hosts = ("domicile.example",)
    try:
        transport_app = Boundary(cell.app, cell)
    finally:
        cell.settings.allowed_hosts = ()
    http = client(cell)
    http._transport.app = transport_app
    evil = await http.get("/health/live", headers={"Host": "evil.example"})
    assert (evil.status_code, evil.json()["type"]) == (400, "urn:domicile:problem:bad-request")
    for host in ("domicile.example", "domicile.example:8443", "Domicile.Example"):
        assert (await http.get("/health/live", headers={"Host": host})).status_code == 200
