"""``/v1/collections``."""

from __future__ import annotations

from uuid import uuid4

import pytest
from tests.fakes.cell import MemoryCell, client


async def test_anonymous_requests_are_refused(cell: MemoryCell) -> None:
    """Listing, reading and creating alike, with the challenge that RFC 9110 wants."""
    http = client(cell)
    for answered in (
        await http.get("/v1/collections"),
        await http.get("/v1/collections/handbook"),
        await http.post("/v1/collections", json={"slug": "new"}),
    ):
        assert answered.status_code == 401
        assert answered.headers["www-authenticate"].startswith("Bearer")


async def test_another_tenants_collection_does_not_exist(cell: MemoryCell) -> None:
    """By name or by id: the answer is the same as for one that nobody has."""
    (secrets,) = (await client(cell, "gil").get("/v1/collections")).json()["items"]
    for reference in ("secrets", secrets["id"], str(uuid4()), "nothing"):
        answered = await client(cell, "mia").get(f"/v1/collections/{reference}")
        assert (answered.status_code, answered.json()["type"]) == (404, "urn:domicile:problem:not-found")


async def test_a_member_may_not_create_one_and_an_auditor_may_not_list_them(cell: MemoryCell) -> None:
    """The missing right is a 403, which only those who may read policies are given the reason of."""
    refused = await client(cell, "mia").post("/v1/collections", json={"slug": "mine"})
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:domicile:problem:forbidden")
    assert {"policies", "reasons"}.isdisjoint(refused.json())
    refused = await client(cell, "olaf").get("/v1/collections")
    assert (refused.status_code, refused.json()["reasons"]) == (403, ["No policy permits it."])


async def test_an_administrator_creates_one_in_the_cells_region(cell: MemoryCell) -> None:
    """201 with its place; then it is found by name and by id."""
    http = client(cell, "ada")
    made = await http.post("/v1/collections", json={"slug": "contracts", "region": "eu-de"})
    assert made.status_code == 201
    assert made.headers["location"] == f"/v1/collections/{made.json()['id']}"
    assert (await http.get(made.headers["location"])).json() == made.json()
    assert (await http.get("/v1/collections/contracts")).json() == made.json()
    assert "contracts" in [each["slug"] for each in (await http.get("/v1/collections")).json()["items"]]


async def test_a_name_in_use_is_a_conflict(cell: MemoryCell) -> None:
    """Nothing is overwritten."""
    answered = await client(cell, "ada").post("/v1/collections", json={"slug": "handbook"})
    assert (answered.status_code, answered.json()["type"]) == (409, "urn:domicile:problem:already-exists")


async def test_a_region_that_the_cell_is_not_in_is_refused_by_name(cell: MemoryCell) -> None:
    """The detail names both regions, and no collection is made."""
    answered = await client(cell, "ada").post("/v1/collections", json={"slug": "abroad", "region": "us-va"})
    problem = answered.json()
    assert (answered.status_code, problem["type"]) == (403, "urn:domicile:problem:region-refused")
    assert "us-va" in problem["detail"]
    assert (await client(cell, "ada").get("/v1/collections/abroad")).status_code == 404


async def test_names_that_are_none_are_refused(cell: MemoryCell) -> None:
    """Upper case, spaces, NUL and too much length."""
    for slug in ("", "Upper", "with space", "nul\x00", "x" * 65, "../etc"):
        answered = await client(cell, "ada").post("/v1/collections", json={"slug": slug})
        assert (answered.status_code, answered.json()["status"]) == (400, 400), slug


async def test_the_same_idempotency_key_makes_one_collection(cell: MemoryCell) -> None:
    """Sent again it answers with the same; with another body it is a conflict."""
    http = client(cell, "ada", **{"Idempotency-Key": "make-once"})
    first = await http.post("/v1/collections", json={"slug": "once"})
    again = await http.post("/v1/collections", json={"slug": "once"})
    other = await http.post("/v1/collections", json={"slug": "other"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert (other.status_code, other.json()["type"]) == (409, "urn:domicile:problem:idempotency-conflict")


async def test_a_collection_says_what_its_new_documents_get(cell: MemoryCell) -> None:
    """All marks, given and told; the owner by login, and whoever made it if nobody is named."""
    http, ada = client(cell, "ada"), cell.people["ada"].principal.id
    marks = {
        "classification": "confidential",
        "groups": ["board"],
        "labels": ["hr"],
        "personal_data": True,
        "valid_from": "2026-01-01",
        "valid_until": "2026-12-31",
    }
    made = (await http.post("/v1/collections", json={"slug": "people", **marks})).json()
    assert (made["classification"], made["labels"], made["personal_data"], made["owner"]) == (
        "confidential",
        ["hr"],
        True,
        str(ada),
    )
    assert (made["valid_from"], made["valid_until"]) == ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")
    plain = (await http.post("/v1/collections", json={"slug": "plain", "owner": "mia"})).json()
    assert plain["owner"] == str(cell.people["mia"].principal.id)
    assert (plain["classification"], plain["groups"], plain["valid_until"]) == ("internal", [], None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"classification": "secret"},
        {"groups": ["nobody"]},
        {"owner": "gil"},
        {"labels": ["Not a label"]},
        {"valid_from": "2026-02-01", "valid_until": "2026-01-01"},
        {"personal_data": "yes"},
        {"lables": []},
    ],
)
async def test_marks_that_cannot_be_are_refused(cell: MemoryCell, wrong: dict[str, object]) -> None:
    """And no collection is made; a misspelt mark is refused rather than left out."""
    answered = await client(cell, "ada").post("/v1/collections", json={"slug": "wrong", **wrong})
    assert answered.status_code == 400, answered.text
    assert (await client(cell, "ada").get("/v1/collections/wrong")).status_code == 404
