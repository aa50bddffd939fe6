"""Reading besides searching: collections, documents, texts and originals."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes import people
from tests.fakes.people import uid
from tests.fakes.policy import layer
from tests.fakes.reading import ACME, BEN, CONTRACTS, FINANCE, FOREIGN, GIA, HANDBOOK, LEGAL, MIA, ReadingCell, as_caller

from domicile.audit.events import Outcome
from domicile.domain.actions import Action
from domicile.domain.errors import (
    AlreadyExists,
    AuditUnavailable,
    BlobStoreUnavailable,
    CallerError,
    Forbidden,
    NotFound,
    RegionRefused,
)
from domicile.domain.values import Classification, Role
from domicile.policy.scope import RetrievalScope

ADA = people.principal("ada", role=Role.ADMINISTRATOR)


async def test_collections_are_those_of_the_callers_tenant(cell: ReadingCell) -> None:
    """By slug, and none of another tenant's."""
    assert [each.id for each in await cell.library.collections(as_caller())] == [CONTRACTS.id, HANDBOOK.id]
    assert [each.id for each in await cell.library.collections(as_caller(GIA))] == [FOREIGN.id]


async def test_a_narrowed_credential_lists_its_own_collections(cell: ReadingCell) -> None:
    """What a key was not granted for does not show to it."""
    narrow = as_caller(collections=[HANDBOOK.id])
    assert [each.slug for each in await cell.library.collections(narrow)] == ["handbook"]
    with pytest.raises(NotFound):
        await cell.library.collection(narrow, "contracts")


async def test_a_collection_is_found_by_slug_and_by_id(cell: ReadingCell) -> None:
    """Either names it, and both record the access."""
    for name in ("handbook", str(HANDBOOK.id), str(HANDBOOK.id).upper()):
        assert await cell.library.collection(as_caller(), name) == HANDBOOK
    assert {event.resource for event in cell.log.events} == {f"collection:{HANDBOOK.id}"}


@pytest.mark.parametrize("name", ["nowhere", str(FOREIGN.id), "", "handbook\x00", str(uid("nothing"))])
async def test_an_unknown_collection_is_not_found_and_recorded(cell: ReadingCell, name: str) -> None:
    """Another tenant's and one that never was are the same answer."""
    with pytest.raises(NotFound):
        await cell.library.collection(as_caller(), name)
    assert [(event.outcome, event.reason) for event in cell.log.events] == [(Outcome.DENIED, "not-found")]


async def test_an_administrator_creates_a_collection(cell: ReadingCell) -> None:
    """It is in the cell's region and shows at once."""
    made = await cell.library.create_collection(as_caller(ADA), "minutes", "eu-de")
    assert made.region == cell.gate.cell_region
    assert made in await cell.library.collections(as_caller())


async def test_a_collection_elsewhere_is_refused_by_name_and_recorded(cell: ReadingCell) -> None:
    """A region that the cell is not in is named in the refusal, and nothing was made."""
    with pytest.raises(RegionRefused, match="us-va"):
        await cell.library.create_collection(as_caller(ADA), "minutes", "us-va")
    assert [(event.outcome, event.reason) for event in cell.log.events] == [(Outcome.DENIED, "region-refused")]
    assert len(await cell.library.collections(as_caller())) == 2


async def test_a_member_creates_no_collection(cell: ReadingCell) -> None:
    """Policy says who may; the refusal is recorded."""
    with pytest.raises(Forbidden):
        await cell.library.create_collection(as_caller(), "minutes")
    assert cell.events(Outcome.DENIED)


async def test_a_name_in_use_and_a_name_that_is_none_are_refused(cell: ReadingCell) -> None:
    """Slugs are unique within a tenant and have a form."""
    with pytest.raises(AlreadyExists):
        await cell.library.create_collection(as_caller(ADA), "handbook")
    with pytest.raises(CallerError):
        await cell.library.create_collection(as_caller(ADA), "No Slug!")


async def test_a_document_list_shows_only_what_may_be_read(cell: ReadingCell) -> None:
    """Titles are decrypted for documents within clearance and groups; the others are not even counted."""
    await cell.publish("open", "text")
    await cell.publish("ours", "text", groups=[FINANCE.id], classification=Classification.PUBLIC)
    await cell.publish("theirs", "text", groups=[LEGAL.id])
    await cell.publish("secret", "text", classification=Classification.RESTRICTED)
    await cell.publish("elsewhere", "text", collection=CONTRACTS)
    page = await cell.library.documents(as_caller(), HANDBOOK.id)
    assert {each.title.source for each in page.documents} == {"docs/open.md", "docs/ours.md"}
    ours = next(each for each in page.documents if each.title.source == "docs/ours.md")
    assert (ours.groups, ours.classification, ours.size_bytes) == (("finance",), Classification.PUBLIC, 1234)
    assert page.after is None


async def test_pages_follow_one_another_without_gap_or_repeat(cell: ReadingCell) -> None:
    """The cursor of one page is the start of the next."""
    for number in range(5):
        await cell.publish(f"doc{number}", "text")
    seen, after = [], None
    for _ in range(3):
        page = await cell.library.documents(as_caller(), HANDBOOK.id, after, 2)
        seen += [each.id for each in page.documents]
        after = page.after
    assert after is None
    assert sorted(seen) == sorted(uid(f"document/acme/doc{number}") for number in range(5))
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("limit", [0, 201])
async def test_a_page_has_bounds(cell: ReadingCell, limit: int) -> None:
    """A page of none and a page of everything are refused."""
    with pytest.raises(CallerError):
        await cell.library.documents(as_caller(), HANDBOOK.id, None, limit)


@pytest.mark.parametrize("collection_id", [FOREIGN.id, uid("nowhere")])
async def test_documents_of_an_unknown_collection_are_not_found(cell: ReadingCell, collection_id) -> None:
    """Another tenant's collection does not exist here."""
    with pytest.raises(NotFound):
        await cell.library.documents(as_caller(), collection_id)
    assert cell.events(Outcome.DENIED)


async def test_text_and_original_are_released_after_they_are_recorded(cell: ReadingCell) -> None:
    """The event says which part of which document."""
    document = await cell.publish("travel", "First.", "Second.")
    assert await cell.library.text(as_caller(), document.id) == "First.\n\nSecond."
    content, title = await cell.library.original(as_caller(), document.id)
    assert (content, title.media_type) == (b"First.\n\nSecond.", "text/markdown")
    assert [(event.action, event.detail[0]) for event in cell.log.events] == [
        (Action.DOCUMENT_READ, ("part", "text")),
        (Action.DOCUMENT_READ, ("part", "original")),
    ]


async def test_titles_are_given_of_what_may_be_listed_and_of_nothing_else(cell: ReadingCell) -> None:
    """Each is recorded; one that may not be listed, and one that is not there, have none, and say not why."""
    shown = await cell.publish("travel", "First.")
    closed = await cell.publish("board", "Second.", classification=Classification.RESTRICTED)
    cell.log.entries.clear()
    titles = await cell.library.titles(as_caller(), [shown.id, closed.id, uid("absent")])
    assert set(titles) == {shown.id}
    assert [(event.action, event.documents) for event in cell.log.events] == [(Action.DOCUMENT_LIST, (shown.id,))]


@pytest.mark.parametrize("read", ["document", "text", "original"])
async def test_another_tenants_document_is_not_found(cell: ReadingCell, read: str) -> None:
    """By its true id, and the attempt is recorded."""
    foreign = await cell.publish("travel", "text", collection=FOREIGN)
    with pytest.raises(NotFound):
        await getattr(cell.library, read)(as_caller(), foreign.id)
    (event,) = cell.log.events
    assert (event.outcome, event.documents) == (Outcome.DENIED, (foreign.id,))
    assert cell.keys.reads == 0


@pytest.mark.parametrize("read", ["document", "text", "original"])
async def test_a_document_above_ones_clearance_is_refused(cell: ReadingCell, read: str) -> None:
    """Nothing of it is opened."""
    secret = await cell.publish("secret", "text", classification=Classification.RESTRICTED)
    with pytest.raises(Forbidden):
        await getattr(cell.library, read)(as_caller(MIA), secret.id)
    assert cell.keys.reads == 0
    await getattr(cell.library, read)(as_caller(BEN), secret.id)


@pytest.mark.parametrize("read", ["document", "text", "original"])
async def test_nothing_is_opened_if_the_audit_log_cannot_be_written(cell: ReadingCell, read: str) -> None:
    """No record, no content."""
    document = await cell.publish("travel", "text")
    cell.log.broken = True
    with pytest.raises(AuditUnavailable):
        await getattr(cell.library, read)(as_caller(), document.id)
    assert cell.keys.reads == 0


async def test_titles_of_a_list_stay_sealed_if_the_audit_log_cannot_be_written(cell: ReadingCell) -> None:
    """A title is content."""
    await cell.publish("travel", "text")
    cell.log.broken = True
    with pytest.raises(AuditUnavailable):
        await cell.library.documents(as_caller(), HANDBOOK.id)
    assert cell.keys.reads == 0


async def test_a_blob_store_that_fails_is_told_and_recorded(cell: ReadingCell) -> None:
    """A permitted access that could not be completed is recorded as failed."""
    document = await cell.publish("travel", "text")
    cell.blobs.broken = True
    with pytest.raises(BlobStoreUnavailable):
        await cell.library.text(as_caller(), document.id)
    assert [event.outcome for event in cell.log.events] == [Outcome.PERMITTED, Outcome.FAILED]


async def test_a_list_leaves_out_what_newer_policies_deny_without_an_alarm(
    cell: ReadingCell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They changed after the filter was made."""
    await cell.publish("open", "text")
    await cell.publish("secret", "text", classification=Classification.CONFIDENTIAL)
    scope = cell.gate.scope

    async def overtaken(*arguments: Any) -> RetrievalScope:
        made = await scope(*arguments)
        text = '@id("a") forbid (principal, action == Action::"document:list", resource is Document) when { CONDITION };'
        closed = layer(cell.in_force.platform, text.replace("CONDITION", "resource.classification > 1"))
        cell.in_force.put(cell.in_force.platform, {ACME.id: closed})
        return made

    monkeypatch.setattr(cell.gate, "scope", overtaken)
    page = await cell.library.documents(as_caller(BEN), HANDBOOK.id)
    assert [each.id for each in page.documents] == [uid("document/acme/open")]
    assert cell.events(Outcome.DENIED) == []
