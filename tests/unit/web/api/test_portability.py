"""``/v1/exports`` and ``/v1/imports``."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from tests.fakes.cell import MemoryCell, client

from domicile.crypto.signatures import SigningKey
from domicile.domain.errors import DatabaseUnavailable
from domicile.lifecycle.bundle_reading import Bundle

KEY = SigningKey(b"root" * 8).public


def opened(content: bytes) -> Bundle:
    bundle = Bundle.open(io.BytesIO(content))
    bundle.verify(KEY)
    bundle.check()
    return bundle


async def bundle_of(cell: MemoryCell, login: str, **body: Any) -> bytes:
    answered = await client(cell, login).post("/v1/exports", json=body)
    assert answered.status_code == 200, answered.text
    return answered.content


@pytest.mark.parametrize("path", ["/v1/exports", "/v1/imports"])
async def test_an_anonymous_request_is_refused(cell: MemoryCell, path: str) -> None:
    """Before anything of it is read."""
    assert (await client(cell).post(path, json={"kind": "tenant"})).status_code == 401


@pytest.mark.parametrize(
    "body", [{"kind": "tenant"}, {"kind": "subject", "user": "ada"}, {"kind": "subject", "identifier": "x"}]
)
async def test_a_member_exports_nobody_else(cell: MemoryCell, body: dict[str, str]) -> None:
    """A problem, and no beginning of an archive."""
    answered = await client(cell, "mia").post("/v1/exports", json=body)
    assert (answered.status_code, answered.headers["content-type"]) == (403, "application/problem+json")


async def test_a_bundle_is_an_archive_to_save(cell: MemoryCell) -> None:
    """With a name that holds nobody's."""
    answered = await client(cell, "ada").post("/v1/exports", json={"kind": "subject", "user": "mia"})
    assert answered.headers["content-type"] == "application/zip"
    assert answered.headers["content-disposition"] == 'attachment; filename="subject.zip"'
    assert json.loads(opened(answered.content).read("account.json"))["login"] == "mia"


async def test_a_member_takes_along_what_is_their_own(cell: MemoryCell) -> None:
    """Without asking anybody."""
    assert json.loads(opened(await bundle_of(cell, "mia", kind="own")).read("account.json"))["login"] == "mia"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "everything"},
        {"kind": "subject"},
        {"kind": "subject", "user": "mia", "identifier": "x"},
        {"kind": "own", "user": "ada"},
        {"kind": "tenant", "user": "ada"},
        {"kind": "subject", "identifier": " "},
        {"kind": "subject", "user": "nobody"},
    ],
)
async def test_what_is_not_clear_is_not_guessed(cell: MemoryCell, body: dict[str, str]) -> None:
    """400, and no archive."""
    answered = await client(cell, "ada").post("/v1/exports", json=body)
    assert (answered.status_code, answered.headers["content-type"]) == (400, "application/problem+json")


async def test_an_export_that_breaks_off_is_no_bundle(cell: MemoryCell, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has begun, so that no status can tell; but nothing that was sent looks complete."""

    async def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailable()

    monkeypatch.setattr(type(cell.audit_log), "read", fail)
    answered = await client(cell, "ada").post("/v1/exports", json={"kind": "tenant"})
    assert b"Larch" in answered.content
    assert b"manifest.json" not in answered.content


async def test_a_bundle_comes_back_in_and_adds_nothing_twice(cell: MemoryCell) -> None:
    """Into the same cell everything is there already."""
    content = await bundle_of(cell, "ada", kind="tenant")
    answered = await client(cell, "ada").post(
        "/v1/imports", data={"source_key": KEY.text}, files={"file": ("a.zip", content, "application/zip")}
    )
    assert answered.status_code == 202, answered.text
    told = answered.json()
    assert (told["source"], told["documents"], told["collections_made"]) == ("eu-de", 3, [])
    for job_id in told["jobs"]:
        job = (await client(cell, "ada").get(f"/v1/jobs/{job_id}")).json()
        assert (job["state"], job["added"]) == ("done", 0)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({}, 400),
        ({"source_key": "nonsense"}, 400),
        ({"source_key": KEY.text, "unverified": "true"}, 400),
        ({"unverified": "perhaps"}, 400),
        ({"unverified": "true", "classification": "public"}, 400),
        ({"source_key": "A" * 2000}, 400),
        ({"source_key": SigningKey(b"other" * 6 + b"..").public.text}, 422),
    ],
)
async def test_a_form_that_is_not_right_is_refused(cell: MemoryCell, data: dict[str, str], status: int) -> None:
    """In words that say what is wrong with it."""
    content = await bundle_of(cell, "ada", kind="tenant")
    files = {"file": ("a.zip", content, "application/zip")}
    answered = await client(cell, "ada").post("/v1/imports", data=data, files=files)
    assert answered.status_code == status, answered.text


async def test_one_bundle_and_no_more_is_sent(cell: MemoryCell) -> None:
    """None, and two."""
    two = [("file", ("a.zip", b"PK", "application/zip"))] * 2
    for files in ([("other", ("a.zip", b"PK", "application/zip"))], two):
        answered = await client(cell, "ada").post("/v1/imports", data={"unverified": "true"}, files=files)
        assert answered.status_code == 400, answered.text


async def test_a_bundle_that_is_too_large_is_refused_while_it_comes(cell: MemoryCell) -> None:
    """Whether its length is told or not."""
    large = bytes(cell.settings.max_bundle_bytes + 2 * 1024 * 1024)
    files = {"file": ("a.zip", large, "application/zip")}
    assert (await client(cell, "ada").post("/v1/imports", files=files)).status_code == 413
    request = client(cell).build_request("POST", "/v1/imports", files=files)

    async def pieces() -> Any:
        body = request.read()
        for start in range(0, len(body), 1 << 20):
            yield body[start : start + (1 << 20)]

    sent = {"content-type": request.headers["content-type"]}
    assert (await client(cell, "ada").post("/v1/imports", content=pieces(), headers=sent)).status_code == 413


@pytest.mark.parametrize("login", ["mia", "olaf"])
async def test_who_may_not_import_is_refused(cell: MemoryCell, login: str) -> None:
    """Members and auditors."""
    files = {"file": ("a.zip", b"PK", "application/zip")}
    assert (await client(cell, login).post("/v1/imports", files=files)).status_code == 403
