"""What the interface takes and gives, as it is on the wire. Times are UTC (RFC 3339), ids are UUIDs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from domicile.audit.events import AuditEntry
from domicile.domain.documents import Collection, Passage
from domicile.domain.marks import MOST_LABELS, NOBODY, Marking, Marks, Validity, label_set
from domicile.domain.principals import Caller
from domicile.domain.values import Classification
from domicile.ingestion.progress import JobView
from domicile.retrieval.library import DocumentPage, DocumentView

#: A reference to a collection: its short name or its id.
Reference = Annotated[str, Meta(min_length=1, max_length=64, description="A collection's short name or id")]
_UNTIL = "The instant at which it stops to be valid"
Limit = Annotated[int, Meta(ge=1, le=50, description="Passages to consider")]


class ProblemDetails(msgspec.Struct):
    """RFC 9457. ``type`` is stable; some problems have further members, such as ``region`` or ``limit``."""

    type: str
    title: str
    status: int
    detail: str
    hint: str
    instance: Annotated[str, Meta(description="The request id")]


class NewCollection(msgspec.Struct, forbid_unknown_fields=True):
    slug: Annotated[str, Meta(description="Lower-case letters, digits and hyphens, at most 64")]
    region: Annotated[str | None, Meta(description="Must be the cell's own, if given")] = None
    classification: Annotated[str, Meta(description="Of new documents in it, as are all marks")] = Classification.INTERNAL.label
    groups: Annotated[list[str], Meta(max_length=100, description="Groups that may read them; everyone if none")] = []
    owner: Annotated[str | None, Meta(description="A login; whoever makes the collection if not given")] = None
    labels: Annotated[list[str], Meta(max_length=MOST_LABELS, description="Short names")] = []
    personal_data: Annotated[bool, Meta(description="Whether they hold personal data")] = False
    valid_from: Annotated[str | None, Meta(description="A day or a time with a zone (ISO 8601)")] = None
    valid_until: Annotated[str | None, Meta(description="The last day, or the time at which they stop to be valid")] = None

    def marking(self) -> Marking:
        """Raises ``CallerError`` for a value that cannot be."""
        return Marking(
            classification=Classification.parse(self.classification),
            groups=tuple(self.groups),
            owner=self.owner,
            labels=label_set(self.labels),
            personal_data=self.personal_data,
            validity=Validity.parse(self.valid_from, self.valid_until),
        )


class SearchBody(msgspec.Struct, forbid_unknown_fields=True):
    query: str
    collections: Annotated[list[Reference], Meta(max_length=200)] | None = None
    limit: Limit = 8


class AnswerBody(msgspec.Struct, forbid_unknown_fields=True):
    question: str
    collections: Annotated[list[Reference], Meta(max_length=200)] | None = None
    conversation_id: UUID | None = None
    remember: Annotated[bool, Meta(description="Keep question and answer, encrypted, in the history")] = True
    limit: Limit = 8


class TenantOut(msgspec.Struct):
    id: UUID
    slug: str
    name: str
    region: str


class PrincipalOut(msgspec.Struct):
    id: UUID
    login: str
    display: str
    role: str
    clearance: str


class MeOut(msgspec.Struct):
    principal: PrincipalOut
    tenant: TenantOut
    method: str
    verbs: Annotated[list[str] | None, Meta(description="What the key is narrowed to; null if it is not")]
    collections: Annotated[list[UUID] | None, Meta(description="What the key is narrowed to; null if it is not")]
    cell_region: str


class CollectionOut(msgspec.Struct):
    """``groups`` are ids here; ``owner`` is null where there is none. The marks are those of new documents in it."""

    id: UUID
    slug: str
    region: str
    classification: str
    groups: list[UUID]
    owner: UUID | None
    labels: list[str]
    personal_data: bool
    valid_from: datetime | None
    valid_until: Annotated[datetime | None, Meta(description=_UNTIL)]


class CollectionsOut(msgspec.Struct):
    items: list[CollectionOut]


class DocumentOut(msgspec.Struct):
    id: UUID
    collection_id: UUID
    version_id: UUID
    title: str
    source: str
    media_type: str
    language: str
    classification: str
    region: str
    groups: list[str]
    owner: UUID | None
    labels: list[str]
    personal_data: bool
    valid_from: datetime | None
    valid_until: Annotated[datetime | None, Meta(description=_UNTIL)]
    size_bytes: int
    created_at: datetime
    subjects: Annotated[int, Meta(description="How many people it is about, as far as that was said")]


class DocumentsOut(msgspec.Struct):
    items: list[DocumentOut]
    next: Annotated[UUID | None, Meta(description="Give it as 'after' for the next page; null on the last")]


class JobItemOut(msgspec.Struct):
    """``failure`` is the slug of a problem's type and ``detail`` its sentence. An ``unchanged`` document was there already."""

    source: str
    document_id: UUID
    state: str
    stage: str
    failure: str | None
    detail: str | None


class WaitingOut(msgspec.Struct):
    """``reason`` is the slug of a problem's type, ``detail`` its sentence and ``hint`` one on what to do."""

    reason: str
    detail: str
    hint: str


class JobOut(msgspec.Struct):
    id: UUID
    state: str
    total: int
    added: int
    unchanged: int
    failed: int
    progress: Annotated[float, Meta(description="From 0 to 1")]
    waiting: Annotated[WaitingOut | None, Meta(description="What the job waits for; null if it does not")]
    items: list[JobItemOut]


class PassageOut(msgspec.Struct):
    """``start`` and ``end`` count characters of the document's extracted text."""

    document_id: UUID
    version_id: UUID
    chunk_id: UUID
    title: str
    source: str
    headings: list[str]
    page: int | None
    start: int
    end: int
    text: str
    classification: str
    region: str
    score: float
    dense_score: float | None
    sparse_score: float | None


class SearchOut(msgspec.Struct):
    passages: list[PassageOut]
    searched_documents: int
    searched_collections: int
    audit_id: UUID


class AuditEventOut(msgspec.Struct):
    position: int
    id: UUID
    time: datetime
    principal_id: UUID | None
    credential_id: UUID | None
    method: str
    access_region: str
    action: str
    resource: str
    documents: list[UUID]
    chunks: list[UUID]
    outcome: str
    policies: list[str]
    bundle_digest: str
    model: str
    model_region: str
    reason: str
    request_id: str
    trace_id: str
    detail: dict[str, str | int]


class AuditEventsOut(msgspec.Struct):
    items: list[AuditEventOut]
    next: Annotated[int | None, Meta(description="Give it as 'after' for older events; null on the last page")]


def me_out(caller: Caller, cell_region: str) -> MeOut:
    who, tenant, grant = caller.principal, caller.tenant, caller.grant
    return MeOut(
        principal=PrincipalOut(who.id, who.login, who.display, who.role.value, who.clearance.label),
        tenant=TenantOut(tenant.id, tenant.slug, tenant.name, tenant.region.name),
        method=caller.method.value,
        verbs=None if grant.verbs is None else sorted(grant.verbs),
        collections=None if grant.collections is None else sorted(grant.collections),
        cell_region=cell_region,
    )


def collection_out(collection: Collection) -> CollectionOut:
    marks = collection.marks
    return CollectionOut(
        id=collection.id,
        slug=collection.slug,
        region=collection.region.name,
        classification=marks.classification.label,
        groups=sorted(marks.groups),
        owner=_owner(marks),
        labels=sorted(marks.labels),
        personal_data=marks.personal_data,
        valid_from=marks.validity.starts,
        valid_until=marks.validity.ends,
    )


def _owner(marks: Marks) -> UUID | None:
    return None if marks.owner == NOBODY else marks.owner


def document_out(view: DocumentView) -> DocumentOut:
    return DocumentOut(
        id=view.id,
        collection_id=view.collection_id,
        version_id=view.version_id,
        title=view.title.title,
        source=view.title.source,
        media_type=view.title.media_type,
        language=view.title.language,
        classification=view.classification.label,
        region=view.region.name,
        groups=list(view.groups),
        owner=_owner(view.marks),
        labels=sorted(view.marks.labels),
        personal_data=view.marks.personal_data,
        valid_from=view.marks.validity.starts,
        valid_until=view.marks.validity.ends,
        size_bytes=view.size_bytes,
        created_at=view.created_at,
        subjects=view.subjects,
    )


def documents_out(page: DocumentPage) -> DocumentsOut:
    return DocumentsOut([document_out(each) for each in page.documents], page.after)


def job_out(view: JobView) -> JobOut:
    items = [
        JobItemOut(each.source, each.document_id, each.state.value, each.stage.value, each.failure, each.detail)
        for each in view.items
    ]
    return JobOut(
        id=view.id,
        state=view.state.value,
        total=view.total,
        added=view.added,
        unchanged=view.unchanged,
        failed=view.failed,
        progress=view.progress,
        waiting=WaitingOut(waiting.reason, waiting.detail, waiting.hint) if (waiting := view.waiting) else None,
        items=items,
    )


def passage_out(passage: Passage) -> PassageOut:
    return PassageOut(
        document_id=passage.attributes.document_id,
        version_id=passage.version_id,
        chunk_id=passage.chunk_id,
        title=passage.title.title,
        source=passage.title.source,
        headings=list(passage.chunk.headings),
        page=passage.chunk.page,
        start=passage.chunk.start,
        end=passage.chunk.end,
        text=passage.chunk.text,
        classification=passage.attributes.classification.label,
        region=passage.attributes.region.name,
        score=passage.score,
        dense_score=passage.dense_score,
        sparse_score=passage.sparse_score,
    )


def audit_event_out(entry: AuditEntry) -> AuditEventOut:
    event = entry.event
    return AuditEventOut(
        position=entry.position,
        id=event.id,
        time=event.time,
        principal_id=event.principal_id,
        credential_id=event.credential_id,
        method=event.method,
        access_region=event.access_region,
        action=event.action.value,
        resource=event.resource,
        documents=list(event.documents),
        chunks=list(event.chunks),
        outcome=event.outcome.value,
        policies=list(event.policies),
        bundle_digest=event.bundle_digest,
        model=event.model,
        model_region=event.model_region,
        reason=event.reason,
        request_id=event.request_id,
        trace_id=event.trace_id,
        detail=dict(event.detail),
    )
