"""What a restored backup brings back, although its keys are gone."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from tests.unit.ingestion.cell import ACME, ADMIN, MEMBER
from tests.unit.lifecycle.erasing import Erasing, forbidding

from domicile.adapters.db.database import SqlDatabase
from domicile.domain.actions import Action
from domicile.domain.documents import ItemState
from domicile.domain.errors import NotFound


@pytest.fixture
async def made(sqlite_database: SqlDatabase) -> Erasing:
    """A populated cell."""
    erasing = Erasing(sqlite_database)
    await erasing.cell.populate()
    return erasing


async def test_what_is_under_a_destroyed_key_goes(made: Erasing) -> None:
    """A document and a conversation whose keys were destroyed behind the database's back; what has its key stays."""
    cell = made.cell
    gone, kept = (await cell.ingest(("a.txt", "one"), ("b.txt", "two"))).items
    talk, other = await made.talk(cell.member), await made.talk(cell.member)
    await made.ring.destroy(ACME.id, [gone.data_key_id, talk.data_key_id])
    assert await made.restored.reconcile() == 2
    assert [each.id for each in await cell.documents()] == [kept.document_id]
    assert await made.conversations(MEMBER) == {other.id}
    assert made.blobs_of(gone.document_id) == []
    assert {point.version_id for point in cell.index.points.values()} == {kept.version_id}
    events = [each for each in await cell.events() if each.action is Action.ERASURE_RUN]
    assert [(each.resource, each.reason) for each in events] == [
        (f"document:{gone.document_id}", "restored"),
        (f"conversation:{talk.id}", "restored"),
    ]


async def test_an_account_that_was_erased_does_not_come_back(made: Erasing) -> None:
    """Its name cannot be read, and its credentials are taken away again; others keep theirs."""
    await made.ring.destroy(ACME.id, [await made.key_of(MEMBER)])
    await made.key_of(ADMIN)
    assert await made.restored.reconcile() == 1
    async with made.database.reading() as unit:
        gone, kept = await unit.principals.get(MEMBER.id), await unit.principals.get(ADMIN.id)
    assert (gone.disabled, gone.profile, kept.disabled, kept.profile is None) == (True, None, False, False)


async def test_a_tenant_that_was_erased_does_not_come_back(made: Erasing) -> None:
    """Nobody of it gets in, and nothing of it is left."""
    cell = made.cell
    await cell.ingest(("a.txt", "one"))
    await made.talk(cell.member)
    await made.ring.destroy_tenant(ACME.id)
    assert await made.restored.reconcile() == 1
    async with made.database.reading() as unit:
        assert await unit.erasing.rows_of_tenant(ACME.id) == 0
        with pytest.raises(NotFound):
            await unit.principals.get(MEMBER.id)
    assert (cell.blobs.blobs, cell.index.points) == ({}, {})


async def test_what_waits_under_a_destroyed_key_fails(made: Erasing) -> None:
    """A newer version that was still to be published; one that has its key is published all the same."""
    cell = made.cell
    (old,) = (await cell.ingest(("a.txt", "one"))).items
    lost, fine = (job := await cell.submit(("a.txt", "two"), ("b.txt", "three"))).items
    await made.ring.destroy(ACME.id, [lost.data_key_id])
    assert await made.restored.reconcile() == 0
    await cell.pipeline.run(job.id, ACME.id)
    states = [item.state for item in (await cell.job(job.id)).items]
    assert states == [ItemState.FAILED, ItemState.ADDED]
    assert {each.id for each in await cell.documents()} == {old.document_id, fine.document_id}


async def test_it_goes_on_from_where_it_was(made: Erasing, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that were looked at once are not looked at again, in a database that was not restored."""
    cell = made.cell
    items = (await cell.ingest(("a.txt", "one"), ("b.txt", "two"))).items
    await made.ring.destroy(ACME.id, [items[0].data_key_id])
    await made.restored.reconcile()
    asked: list[int] = []
    after = made.keys.destroyed_after

    async def counted(position: int, limit: int = 1_000) -> object:
        found = await after(position, limit)
        asked.append(len(found))
        return found

    monkeypatch.setattr(made.keys, "destroyed_after", counted)
    assert await made.restored.reconcile() == 0
    assert asked == [1, 0]  # the last one that it knows, and none after it
    await made.ring.destroy(ACME.id, [items[1].data_key_id])
    assert await made.restored.reconcile() == 1


async def test_an_older_key_store_is_looked_through_from_its_beginning(made: Erasing) -> None:
    """Its positions are others than the database remembers."""
    cell = made.cell
    (item,) = (await cell.ingest(("a.txt", "one"))).items
    async with made.database.writing() as unit:
        await unit.erasing.follow(1_000)
        await unit.commit()
    await made.ring.destroy(ACME.id, [item.data_key_id])
    assert await made.restored.reconcile() == 1


async def test_another_process_may_be_quicker(made: Erasing, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that starts at the same moment: what it has removed is not there any more, and that is no reason not to start."""
    cell = made.cell
    (item,) = (await cell.ingest(("a.txt", "one"))).items
    talk = await made.talk(cell.member)
    await made.ring.destroy(ACME.id, [item.data_key_id, talk.data_key_id, await made.key_of(MEMBER)])
    for name in ("_document", "_conversation"):
        remove = getattr(made.restored, name)

        async def after_another(*which: UUID, remove: Any = remove) -> bool:
            await remove(*which)
            removed: bool = await remove(*which)
            return removed

        monkeypatch.setattr(made.restored, name, after_another)
    assert await made.restored.reconcile() == 1  # the account
    assert (await cell.documents(), await made.conversations(MEMBER)) == ([], set())


async def test_a_policy_may_keep_even_that(made: Erasing) -> None:
    """It decides this, too, and nothing is done without it."""
    cell = made.cell
    (item,) = (await cell.ingest(("a.txt", "one"))).items
    await made.ring.destroy(ACME.id, [item.data_key_id])
    forbidding(made, "resource")
    assert await made.restored.reconcile() == 0
    assert len(await cell.documents()) == 1
