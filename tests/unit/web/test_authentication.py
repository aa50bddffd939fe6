"""Who is calling."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from litestar.routes import HTTPRoute
from tests.fakes.cell import PASSWORD, MemoryCell, browser, client, csrf_token

from domicile.web.authentication import PUBLIC
from domicile.web.headers import session_cookie


def _routes(cell: MemoryCell) -> list[tuple[str, str]]:
    return sorted(
        (str(method), route.path_format)
        for route in cell.app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
    )


async def test_every_route_that_is_not_listed_as_public_wants_a_caller(cell: MemoryCell) -> None:
    """Walked over the application itself, so that a new route is closed until somebody opens it on purpose."""
    http = client(cell)
    closed = [each for each in _routes(cell) if each not in PUBLIC]
    assert len(closed) > 20
    for method, path in closed:
        answered = await http.request(method, re.sub(r"{[^}]*}", str(uuid4()), path.replace("{version}", "1")))
        assert answered.status_code == 401, (method, path)
        assert answered.headers["content-type"] == "application/problem+json"


def test_the_list_of_public_routes_names_only_routes_that_exist(cell: MemoryCell) -> None:
    """And these few; whoever adds one changes this test as well."""
    assert set(_routes(cell)) >= PUBLIC
    assert {path for _, path in PUBLIC} == {
        "/login",
        "/theme",
        "/static/{name}",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/v1",
        "/v1/openapi.json",
        "/v1/receipts/key",
    }


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic bWlhOnB3", "Bearer wrong", "Bearer dom_" + "x" * 43, "Bearer " + "x" * 5000, "bearer\tx"],
)
async def test_a_credential_that_is_none_is_refused(cell: MemoryCell, header: str) -> None:
    """Alike, whatever is wrong with it."""
    answered = await client(cell, None, Authorization=header).get("/v1/me")
    assert (answered.status_code, answered.json()["type"]) == (401, "urn:domicile:problem:not-authenticated")


async def test_a_key_is_not_taken_from_anywhere_but_its_header(cell: MemoryCell) -> None:
    """Query strings end up in logs."""
    key = cell.people["mia"].key
    http = client(cell)
    assert (await http.get(f"/v1/me?api_key={key}")).status_code == 401
    assert (await http.get("/v1/me", headers={"X-API-Key": key})).status_code == 401


async def test_a_bad_header_counts_even_beside_a_good_cookie(cell: MemoryCell) -> None:
    """The header is what the client meant."""
    http = await browser(cell, "mia")
    assert (await http.get("/v1/me")).status_code == 200
    assert (await http.get("/v1/me", headers={"Authorization": "Bearer wrong"})).status_code == 401


async def test_a_session_reads_with_its_cookie_and_writes_with_its_token(cell: MemoryCell) -> None:
    """The page's script sends the token with each question."""
    http = await browser(cell, "mia")
    body = {"question": "How many days of annual leave?"}
    assert (await http.post("/v1/answers", json=body)).status_code == 403
    token = await csrf_token(http)
    answered = await http.post("/v1/answers", json=body, headers={"X-CSRF-Token": token})
    assert answered.status_code == 200


async def test_a_cookie_that_is_none_is_refused(cell: MemoryCell) -> None:
    """Garbage, and what is too long to be a token."""
    for value in ("garbage", "x" * 600):
        http = client(cell)
        http.cookies.set(session_cookie(over_tls=False), value)
        assert (await http.get("/v1/me")).status_code == 401


async def test_the_session_cookie_cannot_be_read_by_script_or_sent_from_elsewhere(cell: MemoryCell) -> None:
    """HttpOnly, Lax, for the whole path; over TLS also Secure and bound to the host."""
    http = client(cell, None, Origin="http://testserver")
    cell.settings.secure_cookies = True
    try:
        tls = await http.post("/login", data={"login": "mia", "password": PASSWORD})
    finally:
        cell.settings.secure_cookies = False
    plain = await http.post("/login", data={"login": "mia", "password": PASSWORD})
    for answered, secure in ((tls, True), (plain, False)):
        cookie = answered.headers["set-cookie"].lower()
        assert all(part in cookie for part in ("httponly", "samesite=lax", "path=/"))
        assert ("secure" in cookie) is secure
        assert cookie.startswith("__host-") is secure


async def test_a_purpose_is_a_short_name_and_stands_in_the_audit_log(cell: MemoryCell) -> None:
    """Policies can ask for it; what is no name is refused before anything is decided."""
    http = client(cell, "mia", **{"Domicile-Purpose": "support"})
    assert (await http.get("/v1/me")).status_code == 200
    recorded = (await cell.audit_log.read(None))[0].event
    assert dict(recorded.detail)["purpose"] == "support"
    for wrong in ("Not a name", "x" * 65, "a\tb"):
        answered = await client(cell, "mia", **{"Domicile-Purpose": wrong}).get("/v1/me")
        assert answered.status_code == 400
    twice = await http.get("/v1/me", headers=[("Domicile-Purpose", "support"), ("Domicile-Purpose", "audit")])
    assert twice.status_code == 400
