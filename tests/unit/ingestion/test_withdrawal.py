"""Taking a document away."""

from __future__ import annotations

import pytest
from tests.unit.ingestion.cell import ACME, IngestCell

from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import ItemState
from domicile.domain.errors import Forbidden, NotFound, VectorIndexUnavailable


async def test_a_withdrawn_document_is_gone_from_every_store(cell: IngestCell) -> None:
    """With its data key, and the event says who did it."""
    (item,) = (await cell.ingest(("a.txt", "a"))).items
    await cell.withdrawal.delete(cell.admin, item.document_id)
    assert await cell.documents() == []
    assert (cell.blobs.blobs, cell.index.points) == ({}, {})
    assert await cell.key_rows(item.data_key_id) == set()
    assert (ACME.id, item.data_key_id) not in cell.keys.keys
    event = (await cell.events())[-1]
    assert (event.action, event.outcome) == (Action.DOCUMENT_DELETE, Outcome.PERMITTED)
    assert event.documents == (item.document_id,)


async def test_another_tenants_document_is_not_there(cell: IngestCell) -> None:
    """Nothing changes, and the attempt is recorded in the tenant that made it."""
    (item,) = (await cell.ingest(("a.txt", "a"))).items
    before = await cell.contents()
    with pytest.raises(NotFound):
        await cell.withdrawal.delete(cell.rival, item.document_id)
    assert await cell.contents() == before
    event = (await cell.events())[-1]
    assert (event.outcome, event.tenant_id) == (Outcome.DENIED, cell.rival.tenant.id)


async def test_a_caller_without_the_right_is_refused(cell: IngestCell) -> None:
    """A member may not withdraw, and nothing changes."""
    (item,) = (await cell.ingest(("a.txt", "a"))).items
    before = await cell.contents()
    with pytest.raises(Forbidden):
        await cell.withdrawal.delete(cell.member, item.document_id)
    assert await cell.contents() == before


async def test_a_store_that_fails_does_not_bring_the_document_back(cell: IngestCell) -> None:
    """It is out of sight and unreadable; the sweep removes the rest."""
    (item,) = (await cell.ingest(("a.txt", "a"))).items
    cell.index.broken = True
    with pytest.raises(VectorIndexUnavailable):
        await cell.withdrawal.delete(cell.admin, item.document_id)
    cell.index.broken = False
    assert await cell.documents() == []
    await cell.sweep_everything()
    assert (cell.blobs.blobs, cell.index.points) == ({}, {})


async def test_a_withdrawn_document_can_be_ingested_again(cell: IngestCell) -> None:
    """It is new then, not unchanged."""
    (item,) = (await cell.ingest(("a.txt", "a"))).items
    await cell.withdrawal.delete(cell.admin, item.document_id)
    (again,) = (await cell.ingest(("a.txt", "a"))).items
    assert again.state is ItemState.ADDED
