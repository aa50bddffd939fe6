"""Placing and releasing legal holds, and what they forbid."""

from __future__ import annotations

import pytest
from tests.fakes.people import caller, collection, principal, uid
from tests.unit.ingestion.cell import ACME, HANDBOOK, IngestCell

from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.documents import ItemState
from domicile.domain.errors import CallerError, Forbidden, LegalHold, NotFound
from domicile.domain.holds import HoldKind
from domicile.domain.values import Role
from domicile.lifecycle.holds import LegalHolds

AUDITOR = caller(principal("olaf", ACME, role=Role.AUDITOR), ACME)


async def test_a_hold_is_placed_listed_and_released(cell: IngestCell, holds: LegalHolds) -> None:
    """Each with its event; auditors see it and may not release it."""
    (item,) = (await cell.ingest(("a.txt", "a"))).items
    placed = await holds.place(cell.admin, HoldKind.DOCUMENT, str(item.document_id), "matter-1")
    assert await holds.list(AUDITOR) == [placed]
    with pytest.raises(Forbidden):
        await holds.release(AUDITOR, placed.id)
    assert await holds.release(cell.admin, placed.id) == placed
    assert await holds.list(cell.admin) == []
    changes = [dict(each.detail) for each in await cell.events() if each.action is Action.HOLD_WRITE]
    assert [each["change"] for each in changes] == ["place", "release"]
    assert {each["reference"] for each in changes} == {"matter-1"}


async def test_a_held_document_is_not_withdrawn(cell: IngestCell, holds: LegalHolds) -> None:
    """Nothing changes, and the log says what kept it; once it is released, it goes."""
    (item,) = (await cell.ingest(("a.txt", "a"))).items
    placed = await holds.place(cell.admin, HoldKind.COLLECTION, "handbook", "matter-1")
    before = await cell.contents()
    with pytest.raises(LegalHold) as refused:
        await cell.withdrawal.delete(cell.admin, item.document_id)
    assert await cell.contents() == before
    assert refused.value.members == {"hold": str(placed.id), "reference": "matter-1"}
    event = cell.log.events[-1]
    assert (event.action, event.outcome, event.reason) == (Action.DOCUMENT_DELETE, Outcome.FAILED, "legal-hold")
    assert ("hold", str(placed.id)) in event.detail
    await holds.release(cell.admin, placed.id)
    await cell.withdrawal.delete(cell.admin, item.document_id)
    assert await cell.documents() == []


async def test_which_matter_it_is_kept_for_is_told_to_few(cell: IngestCell, holds: LegalHolds) -> None:
    """A curator who owns the document learns that it is held, and nothing of the matter."""
    (item,) = (await cell.ingest(("a.txt", "a"), by=cell.curator)).items
    await holds.place(cell.admin, HoldKind.DOCUMENT, str(item.document_id), "matter-1")
    with pytest.raises(LegalHold) as refused:
        await cell.withdrawal.delete(cell.curator, item.document_id)
    assert (str(refused.value), refused.value.members) == (LegalHold.title, {})


async def test_a_held_document_gets_no_new_version(cell: IngestCell, holds: LegalHolds) -> None:
    """One would end the content of the one before. Alone it is refused at once; among others it fails, and they do not."""
    (item,) = (await cell.ingest(("a.txt", "one"))).items
    await holds.place(cell.admin, HoldKind.DOCUMENT, str(item.document_id), "matter-1")
    before = await cell.document(item)
    with pytest.raises(LegalHold):
        await cell.submit(("a.txt", "two"), reject_single=True)
    held, new = (await cell.ingest(("a.txt", "two"), ("b.txt", "b"))).items
    assert (held.state, held.failure, new.state) == (ItemState.FAILED, "legal-hold", ItemState.ADDED)
    assert "matter-1" not in str(held)
    assert await cell.document(item) == before
    (same,) = (await cell.ingest(("a.txt", "one"))).items
    assert same.state is ItemState.UNCHANGED


async def test_other_marks_are_a_new_version_too(cell: IngestCell, holds: LegalHolds) -> None:
    """Nobody takes a document out of a hold on a subject by saying that it is about somebody else."""
    (item,) = (await cell.ingest(("a.txt", "one"), subjects=("ada",))).items
    await holds.place(cell.admin, HoldKind.SUBJECT, "ADA ", "matter-1")
    with pytest.raises(LegalHold):
        await cell.submit(("a.txt", "one"), subjects=("ben",), reject_single=True)
    with pytest.raises(LegalHold):
        await cell.withdrawal.delete(cell.admin, item.document_id)


async def test_a_hold_that_comes_while_a_version_waits_keeps_the_one_before(cell: IngestCell, holds: LegalHolds) -> None:
    """The version that was accepted before fails when it would be published, and leaves nothing behind."""
    (item,) = (await cell.ingest(("a.txt", "one"))).items
    before = await cell.document(item)
    stored = set(cell.blobs.blobs), set(cell.index.points)
    job = await cell.submit(("a.txt", "two"))
    await holds.place(cell.admin, HoldKind.TENANT, "", "matter-1")
    await cell.pipeline.run(job.id, ACME.id)
    (late,) = (await cell.job(job.id)).items
    assert (late.state, late.failure) == (ItemState.FAILED, "legal-hold")
    assert await cell.document(item) == before
    assert await cell.keys_left(before.version.data_key_id) == {before.version.data_key_id}
    assert (set(cell.blobs.blobs), set(cell.index.points)) == stored
    event = (await cell.events())[-1]
    assert (event.outcome, event.reason) == (Outcome.FAILED, "legal-hold")


async def test_what_is_new_may_come_into_a_held_collection(cell: IngestCell, holds: LegalHolds) -> None:
    """It ends nothing, and is held from then on."""
    await holds.place(cell.admin, HoldKind.COLLECTION, str(HANDBOOK.id), "matter-1")
    (item,) = (await cell.ingest(("a.txt", "a"))).items
    assert item.state is ItemState.ADDED
    with pytest.raises(LegalHold):
        await cell.withdrawal.delete(cell.admin, item.document_id)


async def test_members_and_strangers_place_and_see_none(cell: IngestCell, holds: LegalHolds) -> None:
    """Another tenant's document is not there to be held, and its hold not there to be released."""
    (item,) = (await cell.ingest(("a.txt", "a"))).items
    placed = await holds.place(cell.admin, HoldKind.DOCUMENT, str(item.document_id), "matter-1")
    for refused in (holds.place(cell.member, HoldKind.TENANT, "", "m"), holds.list(cell.member)):
        with pytest.raises(Forbidden):
            await refused
    for absent in (
        holds.place(cell.rival, HoldKind.DOCUMENT, str(item.document_id), "m"),
        holds.place(cell.rival, HoldKind.COLLECTION, str(HANDBOOK.id), "m"),
        holds.release(cell.rival, placed.id),
    ):
        with pytest.raises(NotFound):
            await absent
        assert (cell.log.events[-1].outcome, cell.log.events[-1].reason) == (Outcome.DENIED, "not-found")
    assert await holds.list(cell.rival) == []
    assert await holds.list(cell.admin) == [placed]


@pytest.mark.parametrize(
    ("kind", "target", "reference"),
    [
        (HoldKind.DOCUMENT, "a.txt", "matter-1"),
        (HoldKind.TENANT, "acme", "matter-1"),
        (HoldKind.SUBJECT, " ", "matter-1"),
        (HoldKind.COLLECTION, "No Name", "matter-1"),
        (HoldKind.TENANT, "", "Ada Lovelace ./. Acme"),
    ],
)
async def test_what_cannot_be_is_refused(
    cell: IngestCell, holds: LegalHolds, kind: HoldKind, target: str, reference: str
) -> None:
    """A reference is a name and no text, in which there could be anything."""
    with pytest.raises(CallerError):
        await holds.place(cell.admin, kind, target, reference)
    assert await holds.list(cell.admin) == []


async def test_what_is_not_there_cannot_be_held(cell: IngestCell, holds: LegalHolds) -> None:
    """Neither a document nor a collection; of a subject nobody can say."""
    for kind, target in ((HoldKind.DOCUMENT, str(uid("none"))), (HoldKind.COLLECTION, collection("none", ACME).slug)):
        with pytest.raises(NotFound):
            await holds.place(cell.admin, kind, target, "matter-1")
    await holds.place(cell.admin, HoldKind.SUBJECT, "nobody@acme.example", "matter-1")
