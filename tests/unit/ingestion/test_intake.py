"""Accepting documents: what is decided, what is stored, and what a refusal leaves behind."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import update
from tests.unit.ingestion.cell import ACME, ADMIN, BOARD, CURATOR, FINANCE, FOREIGN, HANDBOOK, MEMBER, IngestCell, with_limits

from domicile.adapters.db.marks import mark_columns
from domicile.adapters.db.schema import collections
from domicile.audit.events import Outcome
from domicile.crypto.context import Part
from domicile.crypto.parts import blob_key
from domicile.domain.actions import Action
from domicile.domain.documents import ItemState, JobState
from domicile.domain.errors import (
    CallerError,
    DatabaseUnavailable,
    DocumentEmpty,
    DocumentTooLarge,
    Forbidden,
    InvalidText,
    NotFound,
    RegionRefused,
    StorageFull,
)
from domicile.domain.marks import Marks, Validity
from domicile.domain.subjects import subject_digest
from domicile.domain.values import Classification
from domicile.ingestion.intake import Upload
from domicile.ingestion.sealing import unseal_part


async def test_an_accepted_document_is_spooled_encrypted_recorded_and_enqueued(cell: IngestCell) -> None:
    """Its original opens with the key that was stored beside the job, and its bytes are nowhere in clear."""
    job = await cell.submit(("leave.md", "# Leave\n\nThirty days."))
    (item,) = job.items
    envelope = cell.blobs.blobs[blob_key(item.attributes, item.version_id, Part.ORIGINAL)]
    assert b"Thirty" not in envelope
    key = await cell.keys.open(ACME.id, item.data_key_id)
    assert unseal_part(key, item.attributes, item.version_id, Part.ORIGINAL, envelope) == b"# Leave\n\nThirty days."
    assert await cell.keys_left(item.data_key_id) == {item.data_key_id}
    assert cell.queue.enqueued == [(job.id, ACME.id)]
    (event,) = await cell.events()
    assert (event.action, event.outcome) == (Action.DOCUMENT_CREATE, Outcome.PERMITTED)
    assert event.documents == (item.document_id,)
    assert event.bundle_digest
    assert event.policies == ("administrator-ingest",)


async def test_a_document_is_about_those_whom_it_was_said_to_be_about(cell: IngestCell) -> None:
    """As digests: the identifiers are nowhere. A new version that says nothing keeps them, and one that does replaces them."""
    key = await cell.keys.digest_key(ACME.id)
    ada, ben = subject_digest(key, "Ada"), subject_digest(key, "ben")
    (item,) = (await cell.ingest(("a.txt", "one"), subjects=("ada", "ADA "))).items
    assert await cell.subjects(item) == {ada}
    assert item.subjects is None, "a settled item still holds personal data"
    await cell.ingest(("a.txt", "two"))
    assert await cell.subjects(item) == {ada}
    await cell.ingest(("a.txt", "three"), subjects=("ben",))
    assert await cell.subjects(item) == {ben}
    async with cell.database.reading() as unit:
        assert await unit.subjects.documents_of(ACME.id, ben) == [item.document_id]
        assert await unit.subjects.documents_of(ACME.id, ada) == []


async def test_the_same_bytes_about_somebody_else_are_news(cell: IngestCell) -> None:
    """Else whom it is about would be lost; about the same people they are not."""
    (item,) = (await cell.ingest(("a.txt", "one"))).items
    (again,) = (await cell.ingest(("a.txt", "one"), subjects=("ada",))).items
    (same,) = (await cell.ingest(("a.txt", "one"), subjects=("ADA",))).items
    assert (again.state, same.state) == (ItemState.ADDED, ItemState.UNCHANGED)
    assert len(await cell.subjects(item)) == 1


async def test_a_version_that_waits_is_found_by_whom_it_is_about(cell: IngestCell) -> None:
    """So that an erasure does not miss it; in its own tenant only."""
    (item,) = (await cell.submit(("a.txt", "one"), subjects=("ada",))).items
    ada = subject_digest(await cell.keys.digest_key(ACME.id), "ada")
    async with cell.database.reading() as unit:
        assert await unit.subjects.documents_of(ACME.id, ada) == [item.document_id]
        assert await unit.subjects.documents_of(FOREIGN.tenant_id, ada) == []


async def test_a_collection_of_another_tenant_is_not_there(cell: IngestCell) -> None:
    """The refusal is recorded, and nothing is stored."""
    before = await cell.contents()
    with pytest.raises(NotFound):
        await cell.intake.submit(cell.admin, FOREIGN.id, [Upload("a.txt", b"a")])
    assert await cell.contents() == before
    assert [(event.outcome, event.reason) for event in await cell.events()] == [(Outcome.DENIED, "not-found")]


async def test_a_caller_without_the_right_is_refused(cell: IngestCell) -> None:
    """A member may not ingest."""
    before = await cell.contents()
    with pytest.raises(Forbidden):
        await cell.submit(("a.txt", "a"), by=cell.member)
    assert await cell.contents() == before


async def test_another_region_is_refused_by_name(cell: IngestCell) -> None:
    """The message says where the collection is, the refusal is recorded, and nothing is stored."""
    before = await cell.contents()
    with pytest.raises(RegionRefused, match="eu-de"):
        await cell.submit(("a.txt", "a"), region="us-va")
    assert await cell.contents() == before
    assert [(event.outcome, event.reason) for event in await cell.events()] == [(Outcome.DENIED, "region-refused")]


async def test_the_collections_own_region_may_be_named(cell: IngestCell) -> None:
    """It changes nothing."""
    assert (await cell.submit(("a.txt", "a"), region="eu-de")).state is JobState.QUEUED


async def test_a_new_document_is_internal_and_open_to_its_tenant(cell: IngestCell) -> None:
    """Unless it is marked otherwise."""
    (item,) = (await cell.submit(("a.txt", "a"))).items
    assert item.attributes.classification is Classification.INTERNAL
    assert item.attributes.groups == frozenset()
    assert item.attributes.region == HANDBOOK.region


async def test_marks_are_taken_over(cell: IngestCell) -> None:
    """Groups are named by slug and must be the tenant's own."""
    marks = {"classification": Classification.RESTRICTED, "groups": ["finance"]}
    (item,) = (await cell.submit(("a.txt", "a"), **marks)).items
    assert item.attributes.classification is Classification.RESTRICTED
    assert item.attributes.groups == {FINANCE.id}
    with pytest.raises(CallerError, match="legal"):
        await cell.submit(("b.txt", "b"), groups=["legal"])


async def test_every_mark_may_be_given(cell: IngestCell) -> None:
    """The owner by login, who must be one of the tenant."""
    marks = {
        "owner": "mia",
        "labels": frozenset({"hr"}),
        "personal_data": True,
        "validity": Validity.parse("2026-01-01", "2026-12-31"),
    }
    (item,) = (await cell.submit(("a.txt", "a"), **marks)).items
    given = item.attributes
    assert (given.owner, given.labels, given.personal_data, given.validity) == (MEMBER.id, *list(marks.values())[1:])
    for login in ("gil", "nobody"):
        with pytest.raises(CallerError, match=login):
            await cell.submit(("b.txt", "b"), owner=login)


async def test_a_new_document_belongs_to_whoever_brought_it(cell: IngestCell) -> None:
    """And goes on to, whoever brings the next version."""
    await cell.ingest(("a.txt", "one"), owner="mia")
    (first,), (second,) = (await cell.submit(("b.txt", "b"))).items, (await cell.submit(("a.txt", "two"))).items
    assert (first.attributes.owner, second.attributes.owner) == (ADMIN.id, MEMBER.id)


async def test_a_new_document_gets_the_marks_of_its_collection(cell: IngestCell) -> None:
    """Where nothing else is said; one that is there already keeps its own."""
    await cell.ingest(("old.txt", "one"))
    marks = Marks(
        Classification.CONFIDENTIAL,
        frozenset({FINANCE.id}),
        MEMBER.id,
        frozenset({"hr"}),
        True,
        Validity.parse(None, "2030-01-01"),
    )
    async with cell.database.writing_transaction() as open_:
        columns = {**mark_columns(marks), "groups": [str(FINANCE.id)], "labels": ["hr"]}
        await open_.run(update(collections).where(collections.c.id == HANDBOOK.id).values(**columns))
        await open_.commit()
    new, old, said = (await cell.submit(("new.txt", "a"), ("old.txt", "two"))).items + (
        await cell.submit(("said.txt", "a"), classification=Classification.PUBLIC, personal_data=False)
    ).items
    assert new.attributes.marks == marks
    assert old.attributes.marks == Marks(owner=ADMIN.id)
    assert said.attributes.marks == replace(marks, classification=Classification.PUBLIC, personal_data=False)


async def test_of_several_versions_marks_the_strictest_are_inherited(cell: IngestCell) -> None:
    """Every label, personal data if any has it, and the time in which all are valid."""
    await cell.ingest(("a.txt", "1"), labels=frozenset({"hr"}), validity=Validity.parse("2026-01-01", "2026-06-30"))
    await cell.submit(
        ("a.txt", "2"), labels=frozenset({"archive"}), personal_data=True, validity=Validity.parse("2026-06-01", None)
    )
    (item,) = (await cell.submit(("a.txt", "3"))).items
    assert item.attributes.labels == {"hr", "archive"}
    assert item.attributes.personal_data
    assert item.attributes.validity == Validity.parse("2026-06-01", "2026-06-30")
    await cell.submit(("a.txt", "4"), validity=Validity.parse("2027-01-01", None))
    (unclear,) = (await cell.submit(("a.txt", "5"))).items
    assert (unclear.state, unclear.failure) == (ItemState.FAILED, "already-exists")


async def test_a_curator_brings_in_what_they_may_read_themselves(cell: IngestCell) -> None:
    """Each file is decided by its own marks; a refusal is on record, and a single one is raised."""
    job = await cell.submit(("a.txt", "a"), by=cell.curator)
    assert [item.state for item in job.items] == [ItemState.PENDING]
    (refused,) = (await cell.submit(("b.txt", "b"), by=cell.curator, classification=Classification.RESTRICTED)).items
    assert (refused.state, refused.failure) == (ItemState.FAILED, "forbidden")
    assert [event.resource for event in cell.log.events] == [f"document:{refused.document_id}"]
    with pytest.raises(Forbidden):
        await cell.submit(("b.txt", "b"), by=cell.curator, groups=("board",), reject_single=True)


async def test_a_curator_does_not_replace_what_they_may_not_read(cell: IngestCell) -> None:
    """However harmless the marks of the new version are: it would be declassified, and its content gone."""
    await cell.ingest(("secret.txt", "one"), classification=Classification.RESTRICTED)
    before = await cell.contents()
    with pytest.raises(Forbidden):
        await cell.submit(
            ("secret.txt", "two"), by=cell.curator, classification=Classification.PUBLIC, groups=(), reject_single=True
        )
    assert await cell.contents() == before


async def test_a_curator_does_not_make_another_s_document_their_own(cell: IngestCell) -> None:
    """They could withdraw it then. New versions of it they may bring in, and what is theirs they may give away."""
    await cell.ingest(("a.txt", "one"))
    before = await cell.contents()
    with pytest.raises(Forbidden):
        await cell.submit(("a.txt", "two"), by=cell.curator, owner=CURATOR.login, reject_single=True)
    assert await cell.contents() == before
    assert [(event.action, event.outcome) for event in cell.log.events] == [(Action.DOCUMENT_DELETE, Outcome.DENIED)]
    (version,) = (await cell.submit(("a.txt", "two"), by=cell.curator)).items
    assert (version.state, version.attributes.owner) == (ItemState.PENDING, ADMIN.id)
    await cell.submit(("b.txt", "one"), by=cell.curator)
    (given,) = (await cell.submit(("b.txt", "two"), by=cell.curator, owner=ADMIN.login)).items
    assert (given.state, given.attributes.owner) == (ItemState.PENDING, ADMIN.id)


async def test_an_unmarked_new_version_keeps_its_marks(cell: IngestCell) -> None:
    """Ingesting a folder again without options must not open a restricted document to everybody."""
    await cell.ingest(("a.txt", "one"), classification=Classification.RESTRICTED, groups=["finance"])
    (item,) = (await cell.submit(("a.txt", "two"))).items
    assert item.attributes.classification is Classification.RESTRICTED
    assert item.attributes.groups == {FINANCE.id}


async def test_an_unmarked_upload_keeps_the_marks_of_a_version_that_waits(cell: IngestCell) -> None:
    """The first version may still be on its way when the second one comes."""
    await cell.submit(("a.txt", "one"), classification=Classification.RESTRICTED, groups=["finance"])
    (item,) = (await cell.submit(("a.txt", "two"))).items
    assert (item.attributes.classification, item.attributes.groups) == (Classification.RESTRICTED, {FINANCE.id})


async def test_of_published_and_waiting_marks_the_strictest_are_kept(cell: IngestCell) -> None:
    """The version that waits may fail, and then what is published would have been opened."""
    await cell.ingest(("a.txt", "one"), classification=Classification.RESTRICTED, groups=["finance", "board"])
    await cell.submit(("a.txt", "two"), classification=Classification.PUBLIC, groups=["board"])
    (item,) = (await cell.submit(("a.txt", "three"))).items
    assert (item.attributes.classification, item.attributes.groups) == (Classification.RESTRICTED, {BOARD.id})
    (marked,) = (await cell.submit(("a.txt", "four"), classification=Classification.PUBLIC, groups=[])).items
    assert (marked.attributes.classification, marked.attributes.groups) == (Classification.PUBLIC, frozenset())


async def test_an_unmarked_upload_between_two_groups_has_to_name_its_own(cell: IngestCell) -> None:
    """No group may read both versions, and no group at all would mean everyone. The other file is taken."""
    await cell.ingest(("a.txt", "one"), groups=["finance"])
    await cell.submit(("a.txt", "two"), groups=["board"])
    job = await cell.submit(("a.txt", "three"), ("b.txt", "three"))
    assert [(item.state, item.failure) for item in job.items] == [
        (ItemState.FAILED, "already-exists"),
        (ItemState.PENDING, None),
    ]


@pytest.mark.parametrize("settled", [False, True])
async def test_of_two_requests_at_once_neither_opens_what_the_other_restricts(cell: IngestCell, settled: bool) -> None:
    """The marked one is accepted, perhaps even published, while the unmarked one is on its way to be recorded."""
    put = cell.blobs.put

    async def overtaken(key: str, envelope: bytes) -> None:
        cell.blobs.put = put  # type: ignore[method-assign]
        act = cell.ingest if settled else cell.submit
        await act(("a.txt", "one"), classification=Classification.RESTRICTED, groups=["finance"])
        await put(key, envelope)

    cell.blobs.put = overtaken  # type: ignore[method-assign]
    job = await cell.submit(("a.txt", "two"))
    await cell.pipeline.run(job.id, ACME.id)
    (document,) = await cell.documents() if settled else [await cell.document(job.items[0])]
    assert (document.attributes.classification, document.attributes.groups) == (Classification.RESTRICTED, {FINANCE.id})


async def test_a_withdrawal_in_between_does_not_open_an_unmarked_upload(cell: IngestCell) -> None:
    """It was accepted for a restricted document, and stays so when that is gone before the job is recorded."""
    marks = {"classification": Classification.RESTRICTED, "groups": ["finance"]}
    (old,) = (await cell.ingest(("a.txt", "one"), **marks)).items
    await cell.withdraw_during(cell.blobs, "put", old)
    (item,) = (await cell.submit(("a.txt", "two"))).items
    assert (item.attributes.classification, item.attributes.groups) == (Classification.RESTRICTED, {FINANCE.id})


async def test_an_unchanged_document_is_recognised(cell: IngestCell) -> None:
    """Nothing is stored twice and the job is done at once, with nothing left to run."""
    await cell.ingest(("a.txt", "same"))
    before = await cell.contents()
    job = await cell.submit(("a.txt", "same"))
    assert job.state is JobState.DONE
    assert [item.state for item in job.items] == [ItemState.UNCHANGED]
    assert await cell.contents() == before
    assert len(cell.queue.enqueued) == 1


async def test_new_marks_make_a_new_version(cell: IngestCell) -> None:
    """The same bytes with another classification are not the same document any more."""
    await cell.ingest(("a.txt", "same"))
    job = await cell.submit(("a.txt", "same"), classification=Classification.PUBLIC)
    assert [item.state for item in job.items] == [ItemState.PENDING]


async def test_the_same_file_twice_in_a_request_is_stored_once(cell: IngestCell) -> None:
    """The second is unchanged if its bytes are the same, and fails if they differ, since one of the two would be lost."""
    job = await cell.submit(("a.txt", "same"), ("a.txt", "same"), ("a.txt", "other"), ("b.txt", "same"))
    assert [item.state for item in job.items] == [
        ItemState.PENDING,
        ItemState.UNCHANGED,
        ItemState.FAILED,
        ItemState.PENDING,
    ]
    assert job.items[2].failure == "already-exists"
    assert len(cell.blobs.blobs) == 2


async def test_two_requests_with_the_same_new_source_mean_the_same_document(cell: IngestCell) -> None:
    """Neither has been published when the other is accepted."""
    first, second = await cell.submit(("a.txt", "one")), await cell.submit(("a.txt", "two"))
    assert first.items[0].document_id == second.items[0].document_id
    assert first.items[0].version_id != second.items[0].version_id


async def test_a_file_that_cannot_be_taken_does_not_keep_the_others_out(cell: IngestCell) -> None:
    """It becomes a failed item with its reason."""
    job = await cell.submit(("big.txt", b"x" * 100_001), ("empty.txt", " \n"), ("good.txt", "good"))
    assert [(item.state, item.failure) for item in job.items] == [
        (ItemState.FAILED, "document-too-large"),
        (ItemState.FAILED, "document-empty"),
        (ItemState.PENDING, None),
    ]
    assert len(cell.blobs.blobs) == 1


@pytest.mark.parametrize(("content", "error"), [(b"", DocumentEmpty), (b"x" * 100_001, DocumentTooLarge)])
async def test_a_single_file_that_cannot_be_taken_raises_on_request(
    cell: IngestCell, content: bytes, error: type[CallerError]
) -> None:
    """A REST caller with one file gets its error as the answer, and nothing is stored."""
    before = await cell.contents()
    with pytest.raises(error):
        await cell.submit(("a.txt", content), reject_single=True)
    assert await cell.contents() == before


async def test_a_request_has_limits(cell: IngestCell) -> None:
    """No files, too many, a source that is empty, too long or unstorable: refused as a whole."""
    small = with_limits(cell, documents=1)
    with pytest.raises(CallerError, match="2 documents"):
        await small.submit(("a.txt", "a"), ("b.txt", "b"))
    for files, error in [((), CallerError), ((("", "a"),), CallerError), ((("x" * 2000, "a"),), CallerError)]:
        with pytest.raises(error):
            await cell.submit(*files)
    for source in ("a\x00.txt", "a\ud800.txt"):
        with pytest.raises(InvalidText):
            await cell.submit((source, "a"))


async def test_a_full_disk_leaves_nothing_behind(cell: IngestCell) -> None:
    """The caller is told, and neither a job nor a blob remains."""
    before = await cell.contents()
    cell.blobs.full = True
    with pytest.raises(StorageFull):
        await cell.submit(("a.txt", "a"), ("b.txt", "b"))
    assert await cell.contents() == before


async def test_what_could_not_be_enqueued_is_resumed(cell: IngestCell) -> None:
    """The job is durable before it is enqueued, so the next start finds it."""
    cell.queue.broken = True
    with pytest.raises(DatabaseUnavailable):
        await cell.submit(("a.txt", "a"))
    cell.queue.broken = False
    assert await cell.intake.resume() == 1
    (job_id, tenant_id), *_ = cell.queue.enqueued
    await cell.pipeline.run(job_id, tenant_id)
    assert len(await cell.documents()) == 1
    assert await cell.intake.resume() == 0


async def test_no_source_is_stored_in_clear(cell: IngestCell, tmp_path: object) -> None:
    """File names are content."""
    job = await cell.submit(("salaries-2026.txt", "a"))
    async with cell.database.reading() as unit:
        (item,) = (await unit.jobs.get(ACME.id, job.id)).items
    assert b"salaries" not in item.title_envelope
    assert isinstance(item.document_id, UUID)
    assert len(item.source_digest) == 32
