"""``/v1/collections/{collection}/documents`` and ``/v1/documents``."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.cell import MemoryCell, client

from domicile.domain.documents import DocumentTitle
from domicile.domain.marks import Validity
from domicile.web.api.documents import attachment


async def _documents(cell: MemoryCell, login: str, collection: str) -> list[dict[str, Any]]:
    answered = await client(cell, login).get(f"/v1/collections/{collection}/documents")
    assert answered.status_code == 200, answered.text
    return answered.json()["items"]


async def _done(cell: MemoryCell, login: str, job: dict[str, Any]) -> dict[str, Any]:
    while job["state"] != "done":
        await asyncio.sleep(0.01)
        job = (await client(cell, login).get(f"/v1/jobs/{job['id']}")).json()
    return job


async def test_anonymous_requests_are_refused(cell: MemoryCell) -> None:
    """Every route of documents, whether what it names exists or not."""
    http, id_ = client(cell), uuid4()
    for answered in (
        await http.get("/v1/collections/handbook/documents"),
        await http.post("/v1/collections/handbook/documents", files={"file": ("a.md", b"# A")}),
        await http.get(f"/v1/documents/{id_}"),
        await http.get(f"/v1/documents/{id_}/content"),
        await http.delete(f"/v1/documents/{id_}"),
    ):
        assert answered.status_code == 401


async def test_another_tenants_document_does_not_exist(cell: MemoryCell) -> None:
    """Not for its attributes, its text, its original or its deletion; afterwards it is still there."""
    (plan,) = await _documents(cell, "gil", "secrets")
    http = client(cell, "ada")
    for answered in (
        await http.get(f"/v1/documents/{plan['id']}"),
        await http.get(f"/v1/documents/{plan['id']}/content"),
        await http.get(f"/v1/documents/{plan['id']}/content?original=true"),
        await http.delete(f"/v1/documents/{plan['id']}"),
        await http.post("/v1/collections/secrets/documents", files={"file": ("a.md", b"# A")}),
        await http.post(f"/v1/collections/{plan['collection_id']}/documents", files={"file": ("a.md", b"# A")}),
    ):
        assert (answered.status_code, answered.json()["type"]) == (404, "urn:domicile:problem:not-found")
        assert "Globex" not in answered.text
    assert await _documents(cell, "gil", "secrets") == [plan]


async def test_what_policy_does_not_permit_is_refused(cell: MemoryCell) -> None:
    """A member neither ingests nor deletes, nor reads what is above its clearance."""
    (minutes,) = await _documents(cell, "ada", "board")
    http = client(cell, "mia")
    for answered in (
        await http.post("/v1/collections/handbook/documents", files={"file": ("a.md", b"# A")}),
        await http.delete(f"/v1/documents/{minutes['id']}"),
        await http.get(f"/v1/documents/{minutes['id']}"),
        await http.get(f"/v1/documents/{minutes['id']}/content"),
        await http.get(f"/v1/documents/{minutes['id']}/content?original=true"),
    ):
        assert (answered.status_code, answered.json()["type"]) == (403, "urn:domicile:problem:forbidden")
        assert "Larch" not in answered.text
    assert await _documents(cell, "mia", "board") == []


async def test_a_list_comes_a_page_at_a_time(cell: MemoryCell) -> None:
    """The cursor leads to the next page; the last page has none; nothing comes twice."""
    http = client(cell, "mia")
    first = (await http.get("/v1/collections/handbook/documents?limit=1")).json()
    second = (await http.get(f"/v1/collections/handbook/documents?limit=1&after={first['next']}")).json()
    titles = [each["title"] for each in (*first["items"], *second["items"])]
    assert sorted(titles) == ["Leave policy", "Travel policy"]
    assert second["next"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "after=x"])
async def test_a_page_that_cannot_be_is_refused(cell: MemoryCell, query: str) -> None:
    """With the parameter's name among the errors."""
    answered = await client(cell, "mia").get(f"/v1/collections/handbook/documents?{query}")
    assert (answered.status_code, answered.json()["type"]) == (400, "urn:domicile:problem:invalid-request")
    assert answered.json()["errors"][0]["field"] == query.partition("=")[0]


async def test_content_is_the_extracted_text_or_the_original(cell: MemoryCell) -> None:
    """Neither may be kept by a cache, and the original can do nothing in a browser."""
    leave = next(each for each in await _documents(cell, "mia", "handbook") if each["title"] == "Leave policy")
    http = client(cell, "mia")
    text = await http.get(f"/v1/documents/{leave['id']}/content")
    assert "30 days of paid annual leave" in text.text
    assert text.headers["content-type"] == "text/plain; charset=utf-8"
    original = await http.get(f"/v1/documents/{leave['id']}/content?original=true")
    assert original.content.startswith(b"# Leave policy")
    assert original.headers["content-disposition"] == "attachment; filename=\"leave.md\"; filename*=UTF-8''leave.md"
    for answered in (text, original):
        assert answered.headers["cache-control"] == "no-store"
        assert answered.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answered.headers["content-security-policy"]


async def test_an_upload_is_taken_in_and_becomes_readable(cell: MemoryCell) -> None:
    """202 with the job's place; each file keeps the source path that was sent for it, and the marks of the request."""
    http = client(cell, "ada")
    sent = await http.post(
        "/v1/collections/handbook/documents",
        data={"source": ["hr/one.md", "hr/two.md"], "classification": "confidential", "groups": ["board"]},
        files=[("file", ("one.md", b"# One\n\nFirst.")), ("file", ("two.md", b"# Two\n\nSecond."))],
    )
    assert sent.status_code == 202, sent.text
    assert sent.headers["location"] == f"/v1/jobs/{sent.json()['id']}"
    job = await _done(cell, "ada", sent.json())
    assert (job["total"], job["added"], job["failed"], job["progress"]) == (2, 2, 0, 1.0)
    made = (await http.get(f"/v1/documents/{job['items'][0]['document_id']}")).json()
    assert (made["title"], made["source"], made["classification"], made["groups"]) == (
        "One",
        "hr/one.md",
        "confidential",
        ["board"],
    )
    for item in job["items"]:
        assert (await http.delete(f"/v1/documents/{item['document_id']}")).status_code == 204
        assert (await http.get(f"/v1/documents/{item['document_id']}")).status_code == 404


async def test_the_same_idempotency_key_starts_one_job(cell: MemoryCell) -> None:
    """Sent again it answers with the same job; with other content it is a conflict."""
    http = client(cell, "ada", **{"Idempotency-Key": "upload-once"})
    path, files = "/v1/collections/board/documents", {"file": ("idem.md", b"# Idem\n\nOnce.")}
    first, again = await http.post(path, files=files), await http.post(path, files=files)
    other = await http.post(path, files={"file": ("idem.md", b"# Idem\n\nTwice.")})
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert (other.status_code, other.json()["type"]) == (409, "urn:domicile:problem:idempotency-conflict")
    job = await _done(cell, "ada", first.json())
    await http.delete(f"/v1/documents/{job['items'][0]['document_id']}")


@pytest.mark.parametrize(
    ("files", "data", "status", "slug"),
    [
        ({"file": ("a.md", b"")}, {}, 422, "document-empty"),
        ({"file": ("a.md", b"x" * 70_000)}, {}, 413, "document-too-large"),
        ({"file": ("a.md", b"# A")}, {"region": "us-va"}, 403, "region-refused"),
        ({"file": ("a.md", b"# A")}, {"classification": "secret"}, 400, "bad-request"),
        ({"file": ("a.md", b"# A")}, {"clasification": "restricted"}, 400, "bad-request"),
        ({"file": ("a.md", b"# A")}, {"groups": "nobody"}, 400, "bad-request"),
        ({"file": ("a.md", b"# A")}, {"source": "a\x00b"}, 400, "invalid-text"),
        ({"file": ("a.md", b"# A")}, {"source": ["one", "two"]}, 400, "bad-request"),
        ({"file": ("a.md", b"# A")}, {"source": "x" * 9000}, 400, "bad-request"),
        ([("file", (f"{n}.md", b"# A")) for n in range(9)], {}, 400, "bad-request"),
        ({"other": ("a.md", b"# A")}, {}, 400, "bad-request"),
        ({}, {"classification": "public"}, 415, "media-type-not-supported"),
    ],
)
async def test_an_upload_that_cannot_be_used_changes_nothing(
    cell: MemoryCell, files: Any, data: dict[str, Any], status: int, slug: str
) -> None:
    """A clear problem with a stable type; afterwards the collection is as it was."""
    before = await _documents(cell, "ada", "handbook")
    answered = await client(cell, "ada").post("/v1/collections/handbook/documents", files=files, data=data)
    assert (answered.status_code, answered.json()["type"]) == (status, f"urn:domicile:problem:{slug}"), answered.text
    assert await _documents(cell, "ada", "handbook") == before


async def test_the_region_that_was_asked_for_is_named_in_the_refusal(cell: MemoryCell) -> None:
    """So that the caller sees which one does not fit."""
    answered = await client(cell, "ada").post(
        "/v1/collections/handbook/documents", files={"file": ("a.md", b"# A")}, data={"region": "us-va"}
    )
    assert "us-va" in answered.json()["detail"]


async def test_a_lenient_upload_reports_the_failure_in_its_job(cell: MemoryCell) -> None:
    """Whoever sends a folder in pieces wants a report and not an end at the first bad file."""
    http = client(cell, "ada", Prefer="handling=lenient")
    sent = await http.post("/v1/collections/handbook/documents", files={"file": ("empty.md", b"")})
    assert sent.status_code == 202
    (item,) = (await _done(cell, "ada", sent.json()))["items"]
    assert (item["state"], item["failure"]) == ("failed", "document-empty")


async def test_a_body_that_is_no_form_is_refused(cell: MemoryCell) -> None:
    """Without a boundary, cut off in the middle, or too large as a whole."""
    http, path = client(cell, "ada"), "/v1/collections/handbook/documents"
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\n# A'
    for body, kind in ((form, "multipart/form-data"), (form, "multipart/form-data; boundary=x"), (b"", "multipart/form-data")):
        answered = await http.post(path, content=body, headers={"Content-Type": kind})
        assert (answered.status_code, answered.json()["type"]) == (400, "urn:domicile:problem:bad-request")
    huge = await http.post(path, content=b"x" * 2_000_000, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert (huge.status_code, huge.json()["type"]) == (413, "urn:domicile:problem:body-too-large")


@given(st.text(max_size=60))
def test_no_file_name_breaks_out_of_the_header(source: str) -> None:
    """Whatever a document was called, the header stays one line of plain ASCII with one quoted name."""
    header = attachment(DocumentTitle("t", source, "text/plain"))
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2


async def test_marks_are_given_with_the_form_and_told_with_the_document(cell: MemoryCell) -> None:
    """As they stand in the document's attributes."""
    form = {
        "classification": "confidential",
        "owner": "mia",
        "labels": ["hr", "works-council"],
        "personal_data": "true",
        "valid_from": "2020-01-01",
        "valid_until": "2099-12-31",
        "subject": ["p-4711", "ben@acme.example"],
    }
    http = client(cell, "ada")
    job = (await http.post("/v1/collections/handbook/documents", files={"file": ("m.md", b"# M")}, data=form)).json()
    job = await _done(cell, "ada", job)
    told = (await http.get(f"/v1/documents/{job['items'][0]['document_id']}")).json()
    assert told["subjects"] == 2
    assert "4711" not in str(told)
    assert (told["owner"], told["labels"]) == (str(cell.people["mia"].principal.id), ["hr", "works-council"])
    assert (told["personal_data"], told["valid_from"], told["valid_until"]) == (
        True,
        "2020-01-01T00:00:00Z",
        "2100-01-01T00:00:00Z",
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"owner": "gil"},
        {"labels": "Not a label"},
        {"personal_data": "yes"},
        {"valid_until": "yesterday"},
        {"label": "hr"},
        {"subject": " "},
    ],
)
async def test_wrong_marks_store_nothing(cell: MemoryCell, wrong: dict[str, str]) -> None:
    """Refused at once, by name."""
    before = await _documents(cell, "ada", "handbook")
    sent = await client(cell, "ada").post("/v1/collections/handbook/documents", files={"file": ("m.md", b"# M")}, data=wrong)
    assert sent.status_code == 400, sent.text
    assert await _documents(cell, "ada", "handbook") == before


async def test_a_document_is_read_only_while_it_is_valid(cell: MemoryCell) -> None:
    """Afterwards members do not even see that it is there; the administrator does, and cannot read it either."""
    text = "# Canteen\n\nThe canteen serves lentil soup on Fridays."
    (old,) = await cell.ingest("ada", "handbook", {"old.md": text}, validity=Validity.parse("2020-01-01", "2020-12-31"))
    (coming,) = await cell.ingest("ada", "handbook", {"coming.md": text}, validity=Validity.parse("2099-01-01", None))
    for document in (old, coming):
        assert (await client(cell, "mia").get(f"/v1/documents/{document}")).status_code == 403
        assert (await client(cell, "ada").get(f"/v1/documents/{document}")).status_code == 200
        assert (await client(cell, "ada").get(f"/v1/documents/{document}/content")).status_code == 403
    found = (await client(cell, "mia").post("/v1/search", json={"query": "lentil soup on Fridays"})).json()
    assert {str(old), str(coming)}.isdisjoint(each["document_id"] for each in found["passages"])
    listed = {each["id"] for each in await _documents(cell, "mia", "handbook")}
    assert {str(old), str(coming)}.isdisjoint(listed)
