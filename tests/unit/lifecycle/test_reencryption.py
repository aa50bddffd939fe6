"""Chosen documents under new data keys, while they are read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from tests.fakes.cell import MemoryCell, open_memory_cell, populate

from domicile.crypto.envelope import key_id_of
from domicile.domain.actions import Action
from domicile.domain.documents import Document
from domicile.domain.errors import CallerError, DependencyError, Forbidden, NotFound, VectorIndexUnavailable
from domicile.lifecycle import reencryption as module
from domicile.lifecycle.reencryption import Reencrypted
from domicile.retrieval.candidates import SearchQuery

LATER = datetime.now(UTC) + timedelta(days=1)
QUESTION = "How many days of paid annual leave?"


@pytest.fixture
async def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MemoryCell]:
    monkeypatch.setattr(module, "GRACE_SECONDS", 0.0)
    async with open_memory_cell(tmp_path) as opened:
        await populate(opened)
        yield opened


async def stored(cell: MemoryCell, document_id: UUID) -> Document:
    tenant_id = (await cell.caller("ada")).tenant.id
    async with cell.database.reading() as unit:
        return await unit.documents.get(tenant_id, document_id)


async def leave_policy(cell: MemoryCell) -> UUID:
    found = await cell.search.search(await cell.caller("ada"), SearchQuery(QUESTION))
    return next(each.attributes.document_id for each in found.passages if "30 days" in each.chunk.text)


async def sealed_with(cell: MemoryCell, document: Document) -> set[UUID]:
    """Every key that an envelope of the document names, in every store."""
    prefix = f"{document.attributes.tenant_id}/{document.id}/"
    blobs = [await cell.library._blobs.get(key) async for key in cell.library._blobs.list(prefix)]
    points = [each.envelope for each in cell.index.points.values() if each.attributes.document_id == document.id]
    return {key_id_of(each) for each in (*blobs, *points, document.version.title_envelope)}


async def read(cell: MemoryCell, document_id: UUID) -> None:
    """By every way: found, as text, as the original, in a list."""
    caller = await cell.caller("mia")
    found = await cell.search.search(caller, SearchQuery(QUESTION))
    assert any("30 days" in each.chunk.text for each in found.passages)
    assert "30 days" in await cell.library.text(caller, document_id)
    content, title = await cell.library.original(caller, document_id)
    assert (b"30 days" in content, title.title) == (True, "Leave policy")
    assert (await cell.library.document(caller, document_id)).title.title == "Leave policy"


async def test_everything_of_a_document_has_the_new_key_and_the_old_one_is_gone(cell: MemoryCell) -> None:
    """In every store; the document reads as before, and the event names it."""
    ada = await cell.caller("ada")
    before = await stored(cell, await leave_policy(cell))
    assert await cell.reencryption.documents(ada, [before.id], LATER) == Reencrypted(1, 0, None)
    await asyncio.sleep(0.05)
    after = await stored(cell, before.id)
    assert await sealed_with(cell, after) == {after.version.data_key_id} != {before.version.data_key_id}
    assert after.version.id == before.version.id
    assert await cell.library._keys.open_existing(ada.tenant.id, frozenset(before.version.key_ids)) == {}
    await read(cell, before.id)
    event = next(each.event for each in await cell.audit_log.read(ada.tenant.id) if each.event.action is Action.KEY_ROTATE)
    assert event.documents == (before.id,)


async def test_it_can_be_read_at_every_moment(cell: MemoryCell, monkeypatch: pytest.MonkeyPatch) -> None:
    """After each envelope that is replaced, while others still have the old key."""
    document_id = await leave_policy(cell)
    looked = 0

    def looking(store: Any, method: str) -> None:
        call = getattr(store, method)

        async def and_look(*arguments: Any) -> None:
            nonlocal looked
            await call(*arguments)
            await read(cell, document_id)
            looked += 1

        monkeypatch.setattr(store, method, and_look)

    looking(cell.library._blobs, "put")
    looking(cell.index, "replace_envelopes")
    await cell.reencryption.documents(await cell.caller("ada"), [document_id], LATER)
    assert looked == 3


@pytest.mark.parametrize("step", ["put", "replace_envelopes"])
async def test_one_that_broke_off_is_gone_on_with(cell: MemoryCell, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """With the key that was made for it; meanwhile it reads, and both keys are known to the sweep and to a withdrawal."""
    ada, document_id = await cell.caller("ada"), await leave_policy(cell)
    store = cell.library._blobs if step == "put" else cell.index

    async def broken(*_: Any) -> None:
        raise VectorIndexUnavailable()

    with monkeypatch.context() as patch:
        patch.setattr(store, step, broken)
        with pytest.raises(DependencyError):
            await cell.reencryption.documents(ada, [document_id], LATER)
    half = await stored(cell, document_id)
    assert half.version.next_key_id is not None
    await read(cell, document_id)
    async with cell.database.reading() as unit:
        assert await unit.doomed_keys.named(half.version.key_ids) == set(half.version.key_ids)
    assert (await cell.reencryption.documents(ada, [document_id], LATER)).documents == 1
    done = await stored(cell, document_id)
    assert (done.version.data_key_id, done.version.next_key_id) == (half.version.next_key_id, None)
    await read(cell, document_id)


async def test_withdrawing_half_way_destroys_both_keys(cell: MemoryCell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is sealed with either is unreadable."""
    ada, document_id = await cell.caller("ada"), await leave_policy(cell)

    async def broken(*_: Any) -> None:
        raise VectorIndexUnavailable()

    with monkeypatch.context() as patch:
        patch.setattr(cell.index, "replace_envelopes", broken)
        with pytest.raises(DependencyError):
            await cell.reencryption.documents(ada, [document_id], LATER)
    half = await stored(cell, document_id)
    await cell.withdrawal.delete(ada, document_id)
    assert await cell.library._keys.open_existing(ada.tenant.id, frozenset(half.version.key_ids)) == {}


async def test_a_version_that_is_published_meanwhile_wins(cell: MemoryCell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old version's new key is destroyed with it, and the new version keeps its own."""
    ada, document_id = await cell.caller("ada"), await leave_policy(cell)
    replace = cell.index.replace_envelopes

    async def and_publish(*arguments: Any) -> None:
        await replace(*arguments)
        await cell.ingest("ada", "handbook", {"handbook/leave.md": "# Leave policy\n\nEveryone has 31 days."})

    monkeypatch.setattr(cell.index, "replace_envelopes", and_publish)
    assert (await cell.reencryption.documents(ada, [document_id], LATER)) == Reencrypted(0, 1, None)
    latest = await stored(cell, document_id)
    assert latest.version.next_key_id is None
    assert "31 days" in await cell.library.text(ada, document_id)


async def test_a_collection_page_by_page(cell: MemoryCell) -> None:
    """Each document once; what has a new key already is passed over, so that it can be begun again."""
    ada = await cell.caller("ada")
    where = (await cell.library.collection(ada, "handbook")).id
    begun = datetime.now(UTC) + timedelta(seconds=1)
    first = await cell.reencryption.collection(ada, where, begun, None, limit=1)
    second = await cell.reencryption.collection(ada, where, begun, first.after, limit=9)
    assert [(each.documents, each.skipped) for each in (first, second)] == [(1, 0), (1, 0)]
    assert second.after is None
    await asyncio.sleep(1.1)
    again = await cell.reencryption.collection(ada, where, begun - timedelta(days=1), None)
    assert (again.documents, again.skipped) == (0, 2)


async def test_who_may_not_and_what_is_not_there(cell: MemoryCell) -> None:
    """Members and auditors do not; another tenant's document is not there, and then none of those named is touched."""
    document_id = await leave_policy(cell)
    before = await stored(cell, document_id)
    for login in ("mia", "olaf"):
        with pytest.raises(Forbidden):
            await cell.reencryption.documents(await cell.caller(login), [document_id], LATER)
    ada, gus = await cell.caller("ada"), await cell.caller("gus")
    for by, ids in ((gus, [document_id]), (ada, [document_id, uuid4()])):
        with pytest.raises(NotFound):
            await cell.reencryption.documents(by, ids, LATER)
    with pytest.raises(NotFound):
        await cell.reencryption.collection(gus, before.attributes.collection_id, LATER, None)
    for ids in ([], [document_id] * 33):
        with pytest.raises(CallerError):
            await cell.reencryption.documents(ada, ids, LATER)
    assert await stored(cell, document_id) == before
