"""Saying how long things are kept, and looking at what would go."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.fakes.people import caller, principal, uid
from tests.unit.ingestion.cell import ACME, FOREIGN, HANDBOOK, IngestCell

from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import AuditFloor, CallerError, Forbidden, NotFound
from domicile.domain.holds import HoldKind
from domicile.domain.retention import DueCount, Kept, RetentionRule
from domicile.domain.values import Classification, Role
from domicile.lifecycle.holds import LegalHolds
from domicile.lifecycle.retention import RetentionBook, RuleSaid

AUDITOR = caller(principal("olaf", ACME, role=Role.AUDITOR), ACME)
SAID = [RuleSaid(Kept.DOCUMENTS, 365, "handbook"), RuleSaid(Kept.CONVERSATIONS, 90), RuleSaid(Kept.AUDIT, 400)]


async def test_rules_are_written_and_read(cell: IngestCell, book: RetentionBook) -> None:
    """A collection by its short name or its id; the event names every rule. Auditors see them, and change none."""
    written = await book.write(cell.admin, SAID)
    assert RetentionRule(Kept.DOCUMENTS, 365, HANDBOOK.id) in written.rules
    assert (written.floor_days, written.audit_days) == (183, 400)
    assert await book.read(AUDITOR) == written
    event = (await cell.events())[-1]
    assert (event.action, event.outcome) == (Action.RETENTION_WRITE, Outcome.PERMITTED)
    assert {(f"documents:{HANDBOOK.id}", 365), ("conversations", 90), ("audit", 400)} <= set(event.detail)
    with pytest.raises(Forbidden):
        await book.write(AUDITOR, [])
    assert await book.write(cell.admin, [RuleSaid(Kept.DOCUMENTS, 1, str(HANDBOOK.id))]) != written


async def test_the_audit_floor_is_not_undercut(cell: IngestCell, book: RetentionBook) -> None:
    """By nobody: the attempt is recorded, and the rules stay. Not even a row that was written past the product counts."""
    written = await book.write(cell.admin, SAID)
    with pytest.raises(AuditFloor):
        await book.write(cell.admin, [RuleSaid(Kept.AUDIT, 182)])
    assert (cell.log.events[-1].outcome, cell.log.events[-1].reason) == (Outcome.FAILED, "audit-floor")
    assert await book.read(cell.admin) == written
    async with cell.database.writing() as unit:
        await unit.retention.set_rules(ACME.id, [RetentionRule(Kept.AUDIT, 1)])
        await unit.commit()
    assert (await book.read(cell.admin)).audit_days == 183


async def test_members_and_strangers_see_and_change_nothing(cell: IngestCell, book: RetentionBook) -> None:
    """Another tenant's collection is not there to have a rule."""
    await book.write(cell.admin, SAID)
    for refused in (book.read(cell.member), book.write(cell.member, []), book.preview(cell.member)):
        with pytest.raises(Forbidden):
            await refused
    with pytest.raises(NotFound):
        await book.write(cell.rival, [RuleSaid(Kept.DOCUMENTS, 1, str(HANDBOOK.id))])
    with pytest.raises(NotFound):
        await book.write(cell.admin, [RuleSaid(Kept.DOCUMENTS, 1, str(FOREIGN.id))])
    assert (await book.read(cell.rival)).rules == ()
    assert len((await book.read(cell.admin)).rules) == 3


async def test_a_preview_tells_what_would_go_and_changes_nothing(
    cell: IngestCell, book: RetentionBook, holds: LegalHolds
) -> None:
    """A page at a time, with counts of all by rule; what is held is counted apart."""
    items = (await cell.ingest(*((f"{n}.txt", str(n)) for n in range(5)))).items
    await holds.place(cell.admin, HoldKind.DOCUMENT, str(items[0].document_id), "matter-1")
    await book.write(cell.admin, [RuleSaid(Kept.DOCUMENTS, 30, None, Classification.INTERNAL)])
    assert (await book.preview(cell.admin)).due == ()
    cell.clock.advance(timedelta(days=30))
    before = await cell.contents()
    seen, after = [], None
    while True:
        page = await book.preview(cell.admin, after=after, limit=3)
        assert page.counts == {"documents:*:internal": DueCount(4, 1)}
        seen += [each.id for each in page.due]
        after = page.next
        if after is None:
            break
    assert seen == sorted(item.document_id for item in items[1:])
    assert await cell.contents() == before


@pytest.mark.parametrize("cursor", ["", "documents", f"audit:{uid('x')}", "documents:1"])
async def test_what_is_no_cursor_is_refused(cell: IngestCell, book: RetentionBook, cursor: str) -> None:
    """Rather than taken for the first page."""
    with pytest.raises(CallerError):
        await book.preview(cell.admin, after=cursor)
