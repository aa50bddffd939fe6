"""The application around its routes."""

from __future__ import annotations

import pytest
from tests.fakes.cell import MemoryCell, client


@pytest.mark.parametrize("path", ["/nowhere", "/v1/nowhere", "/v1/documents/not-a-uuid", "/static/%2e%2e", "/static/no.js"])
async def test_what_does_not_exist_is_a_problem(cell: MemoryCell, path: str) -> None:
    """Also below the interface, where no page would be expected."""
    answered = await client(cell, "mia").get(path)
    assert (answered.status_code, answered.headers["content-type"]) == (404, "application/problem+json")
    assert answered.json()["type"] == "urn:domicile:problem:not-found"


async def test_a_browser_gets_the_problem_in_words(cell: MemoryCell) -> None:
    """Outside the interface, where HTML is wanted; in German where that is preferred."""
    http = client(cell, "mia", Accept="text/html", **{"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"})
    page = await http.get("/nowhere")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert 'lang="de"' in page.text
    assert "Hier gibt es nichts" in page.text
    assert page.headers["x-request-id"] in page.text
    assert (await http.get("/v1/nowhere")).headers["content-type"] == "application/problem+json"


async def test_a_wrong_method_says_which_are_right(cell: MemoryCell) -> None:
    """405 with Allow, as RFC 9110 wants."""
    answered = await client(cell, "mia").put("/v1/search", json={})
    assert (answered.status_code, answered.json()["type"]) == (405, "urn:domicile:problem:method-not-allowed")
    assert "POST" in answered.headers["allow"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/msgpack", ""])
async def test_a_body_that_does_not_say_that_it_is_json_is_not_read(cell: MemoryCell, kind: str) -> None:
    """A form on another site can send the first two across sites without asking."""
    answered = await client(cell, "mia", **{"Content-Type": kind}).post("/v1/search", content=b'{"query": "leave"}')
    assert (answered.status_code, answered.json()["type"]) == (415, "urn:domicile:problem:media-type-not-supported")


async def test_a_body_that_is_too_large_is_refused(cell: MemoryCell) -> None:
    """Before it is parsed."""
    answered = await client(cell, "mia").post("/v1/search", json={"query": "x" * 1_100_000})
    assert (answered.status_code, answered.json()["type"]) == (413, "urn:domicile:problem:body-too-large")


async def test_the_openapi_document_is_served_and_names_every_route_of_the_interface(cell: MemoryCell) -> None:
    """OpenAPI 3.1, from this service itself, with problem details for what goes wrong."""
    served = (await client(cell).get("/v1/openapi.json")).json()
    assert served["openapi"].startswith("3.1")
    assert "/v1/answers" in served["paths"]
    assert not any(path == "/" or path.startswith(("/login", "/static")) for path in served["paths"])
    failing = served["paths"]["/v1/search"]["post"]["responses"]["403"]
    assert list(failing["content"]) == ["application/problem+json"]


async def test_assets_are_served_with_a_tag_and_their_own_type(cell: MemoryCell) -> None:
    """So that browsers keep them and ask; none may be sniffed into something else."""
    http = client(cell)
    style = await http.get("/static/domicile.css")
    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    again = await http.get("/static/domicile.css", headers={"If-None-Match": style.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
