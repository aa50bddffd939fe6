"""Somebody who can write every store alters, moves or puts back what is sealed there: one opaque failure, and it is on record.

What is attacked is a whole cell's stores, through its HTTP interface. Whatever was done, the answer is the same problem, holds
no byte of the content, and an event says that a permitted access failed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from tests.fakes.cell import MemoryCell, client, open_memory_cell, populate

from domicile.answers.events import AnswerRequest
from domicile.audit.events import Outcome
from domicile.domain.documents import Document

WORDS = ("30 days", "Leave policy", "28 euros", "Travel policy", "annual leave")
QUESTION = "How many days of paid annual leave?"


@dataclass
class Scene:
    """A cell with two documents and a conversation of ``mia``'s."""

    cell: MemoryCell
    leave: Document
    travel: Document
    foreign: Document
    conversation: UUID

    async def execute(self, statement: str, **values: Any) -> None:
        async with self.cell.database.writing_transaction() as open_:
            await open_.run(text(statement), values)
            await open_.commit()

    async def events(self) -> list[Any]:
        return [entry.event for entry in await self.cell.audit_log.read(self.leave.attributes.tenant_id, limit=50)]

    def forget_keys(self) -> None:
        ring: Any = self.cell.library._keys
        ring._cache.clear()
        ring.tenant_keys.forget_all()


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_memory_cell(tmp_path) as cell:
        await populate(cell)
        mia = await cell.caller("mia")
        events = [each async for each in cell.answers.answer(mia, AnswerRequest(QUESTION))]
        conversation = next(each.conversation_id for each in events if hasattr(each, "conversation_id"))
        assert conversation is not None
        tenants = [mia.tenant.id, (await cell.caller("gus")).tenant.id]
        async with cell.database.reading() as unit:
            all_ = {
                each.id: each
                for tenant_id in tenants
                for each in (
                    await unit.documents.many([p.attributes.document_id for p in cell.index.points.values()], tenant_id)
                ).values()
            }
        by_size = {each.version.size_bytes: each for each in all_.values()}
        assert len(by_size) == len(all_)
        titles = await cell.library.titles(
            mia, [each.id for each in all_.values() if each.attributes.tenant_id == mia.tenant.id]
        )
        named = {title.title: all_[id_] for id_, title in titles.items()}
        foreign = next(each for each in all_.values() if each.attributes.tenant_id != mia.tenant.id)
        yield Scene(cell, named["Leave policy"], named["Travel policy"], foreign, conversation)


def blob(document: Document, part: str) -> str:
    return f"{document.attributes.tenant_id}/{document.id}/{document.version.id}/{part}"


def flipped(envelope: bytes) -> bytes:
    return envelope[:-20] + bytes([envelope[-20] ^ 1]) + envelope[-19:]


async def _alter_blob(scene: Scene, change: Callable[[bytes], bytes]) -> None:
    store, key = scene.cell.library._blobs, blob(scene.leave, "text")
    await store.put(key, change(await store.get(key)))


async def _blob_of(scene: Scene, other: Document) -> None:
    store = scene.cell.library._blobs
    await store.put(blob(scene.leave, "text"), await store.get(blob(other, "text")))


async def _original_as_text(scene: Scene) -> None:
    store = scene.cell.library._blobs
    await store.put(blob(scene.leave, "text"), await store.get(blob(scene.leave, "original")))


#: What is done to the text in the blob store, which ``GET …/content`` opens.
BLOBS: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "a flipped bit": lambda scene: _alter_blob(scene, flipped),
    "truncated": lambda scene: _alter_blob(scene, lambda envelope: envelope[:-1]),
    "only a header": lambda scene: _alter_blob(scene, lambda envelope: envelope[:62]),
    "empty": lambda scene: _alter_blob(scene, lambda _: b""),
    "lengthened": lambda scene: _alter_blob(scene, lambda envelope: envelope + b"\x00"),
    "another document's": lambda scene: _blob_of(scene, scene.travel),
    "another tenant's": lambda scene: _blob_of(scene, scene.foreign),
    "its own original": _original_as_text,
    "clear text": lambda scene: _alter_blob(
        scene, lambda _: b"# Leave policy\n\nEverybody has 99 days of leave, says the attacker."
    ),
}


@pytest.mark.parametrize("what", BLOBS)
async def test_a_blob_that_is_not_what_was_stored(scene: Scene, what: str) -> None:
    """Opens for nobody."""
    await BLOBS[what](scene)
    await _refused(scene, "GET", f"/v1/documents/{scene.leave.id}/content", "document:read")


@pytest.mark.parametrize("change", [flipped, lambda envelope: envelope[:-1], lambda _: b""], ids=["flipped", "cut", "empty"])
async def test_a_chunk_in_the_index_that_was_altered(scene: Scene, change: Callable[[bytes], bytes]) -> None:
    """The search that finds it fails as a whole: no passage of it, nor of the others, is told."""
    for id_, point in scene.cell.index.points.items():
        if point.attributes.document_id == scene.leave.id:
            scene.cell.index.points[id_] = replace(point, envelope=change(point.envelope))
    await _refused(scene, "POST", "/v1/search", "search:create", json={"query": QUESTION})


async def test_chunks_that_have_changed_places(scene: Scene) -> None:
    """Within a document, and between two: the place is a part of what is authenticated."""
    points = scene.cell.index.points
    theirs = [id_ for id_, point in points.items() if point.attributes.document_id == scene.leave.id]
    other = next(id_ for id_, point in points.items() if point.attributes.document_id == scene.travel.id)
    moved = dict(zip(theirs, [*theirs[1:], other], strict=True))
    envelopes = {id_: points[source].envelope for id_, source in moved.items()}
    for id_, envelope in envelopes.items():
        points[id_] = replace(points[id_], envelope=envelope)
    await _refused(scene, "POST", "/v1/search", "search:create", json={"query": QUESTION})


@pytest.mark.parametrize("of", ["travel", "foreign"])
async def test_rows_that_have_changed_places(scene: Scene, of: str) -> None:
    """A title, and the key that it names, taken from another document, of the same tenant and of another one."""
    other: Document = getattr(scene, of)
    await scene.execute(
        "UPDATE documents SET title_envelope = :title, data_key_id = :key WHERE id = :id",
        title=other.version.title_envelope,
        key=other.version.data_key_id.hex,
        id=scene.leave.id.hex,
    )
    await _refused(scene, "GET", f"/v1/documents/{scene.leave.id}", "document:list")
    await _refused(scene, "GET", f"/v1/collections/{scene.leave.attributes.collection_id}/documents", "document:list")


async def test_an_old_version_that_is_put_back(scene: Scene) -> None:
    """Row, blobs and points of the version before: its key is gone, so it says nothing."""
    store = scene.cell.library._blobs
    before = {part: await store.get(blob(scene.leave, part)) for part in ("text", "original")}
    await scene.cell.ingest(
        "ada", "handbook", {"handbook/leave.md": "# Leave policy\n\nEverybody has 31 days of annual leave."}
    )
    for part, envelope in before.items():
        await store.put(blob(scene.leave, part), envelope)
    version = scene.leave.version
    await scene.execute(
        "UPDATE documents SET title_envelope = :title, data_key_id = :key, version_id = :version WHERE id = :id",
        title=version.title_envelope,
        key=version.data_key_id.hex,
        version=version.id.hex,
        id=scene.leave.id.hex,
    )
    await _refused(scene, "GET", f"/v1/documents/{scene.leave.id}/content", "document:read")
    await _refused(scene, "GET", f"/v1/documents/{scene.leave.id}", "document:list")


async def test_an_old_row_before_a_present_blob(scene: Scene) -> None:
    """And the other way round: neither half of another version fits."""
    version = scene.leave.version
    await scene.cell.ingest(
        "ada", "handbook", {"handbook/leave.md": "# Leave policy\n\nEverybody has 31 days of annual leave."}
    )
    await scene.execute(
        "UPDATE documents SET title_envelope = :title WHERE id = :id", title=version.title_envelope, id=scene.leave.id.hex
    )
    await _refused(scene, "GET", f"/v1/documents/{scene.leave.id}", "document:list")


async def test_a_document_that_was_declared_to_be_in_another_region(scene: Scene) -> None:
    """Policy refuses it there, and where it would not, its envelopes are about the region that they were sealed in."""
    await scene.execute("UPDATE documents SET region = 'eu-fr' WHERE id = :id", id=scene.leave.id.hex)
    async with client(scene.cell, "mia") as http:
        answered = await http.get(f"/v1/documents/{scene.leave.id}/content")
    assert answered.status_code in (403, 421)
    assert not any(word in answered.text for word in WORDS)


async def test_a_conversation_that_was_altered(scene: Scene) -> None:
    """An exchange moved to another place of it, and a title of somebody else's."""
    await scene.execute("UPDATE exchanges SET ordinal = 7 WHERE conversation_id = :id", id=scene.conversation.hex)
    await _refused(scene, "GET", f"/v1/conversations/{scene.conversation}", "conversation:read")
    await scene.execute(
        "UPDATE conversations SET title_envelope = :title WHERE id = :id",
        title=scene.leave.version.title_envelope,
        id=scene.conversation.hex,
    )
    await _refused(scene, "GET", "/v1/conversations", "conversation:read")


@pytest.mark.parametrize("what", ["flipped", "moved", "another tenant's"])
async def test_a_wrapped_key_that_was_altered_or_moved(scene: Scene, what: str) -> None:
    """Whoever can write the key store can destroy, and read nothing by it."""
    data = scene.cell.library._keys._store.data  # type: ignore[attr-defined]
    own, travel, foreign = (data[each.version.data_key_id] for each in (scene.leave, scene.travel, scene.foreign))
    data[own.id] = {
        "flipped": replace(own, wrapped=flipped(own.wrapped)),
        "moved": replace(own, wrapped=travel.wrapped),
        "another tenant's": replace(own, wrapped=foreign.wrapped, wrapped_by=foreign.wrapped_by),
    }[what]
    scene.forget_keys()
    await _refused(scene, "GET", f"/v1/documents/{scene.leave.id}/content", "document:read")


async def _refused(scene: Scene, method: str, path: str, action: str, **body: Any) -> None:
    """The one answer, without a word of content; and the event that it failed, after the one that it was permitted."""
    async with client(scene.cell, "mia") as http:
        answered = await http.request(method, path, **body)
    assert answered.status_code == 500
    problem = answered.json()
    assert problem["type"] == "urn:domicile:problem:decryption-failed"
    assert (problem["title"], problem["detail"]) == ("Stored data could not be decrypted",) * 2
    assert not any(word in answered.text for word in WORDS)
    failed, permitted, *_ = await scene.events()
    assert (failed.action.value, failed.outcome, failed.reason) == (action, Outcome.FAILED, "decryption-failed")
    assert (permitted.action.value, permitted.outcome) == (action, Outcome.PERMITTED)
