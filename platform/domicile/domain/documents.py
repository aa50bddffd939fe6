"""Collections, documents, their versions, chunks and passages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domicile.domain.marks import ALWAYS, NOBODY, UNMARKED, Marks, Validity
from domicile.domain.values import Classification, Region


@dataclass(frozen=True, slots=True)
class Collection:
    """``marks`` are what its new documents get where nothing else is said."""

    id: UUID
    tenant_id: UUID
    slug: str
    region: Region
    marks: Marks = UNMARKED


@dataclass(frozen=True, slots=True)
class DocumentAttributes:
    """What policy decides a document by, and what both stores filter by. Opaque ids only: nothing here is content.

    Empty ``groups`` means every principal of the tenant (within its clearance); ``owner`` is ``NOBODY`` where there is none.
    """

    tenant_id: UUID
    document_id: UUID
    collection_id: UUID
    region: Region
    classification: Classification
    groups: frozenset[UUID] = frozenset()
    owner: UUID = NOBODY
    labels: frozenset[str] = frozenset()
    personal_data: bool = False
    validity: Validity = ALWAYS

    @classmethod
    def marked(
        cls, tenant_id: UUID, document_id: UUID, collection_id: UUID, region: Region, marks: Marks
    ) -> DocumentAttributes:
        """Those of a document in that place with those marks."""
        return cls(
            tenant_id,
            document_id,
            collection_id,
            region,
            marks.classification,
            marks.groups,
            marks.owner,
            marks.labels,
            marks.personal_data,
            marks.validity,
        )

    @property
    def marks(self) -> Marks:
        """Everything that may be said about it; its place is not among them."""
        return Marks(self.classification, self.groups, self.owner, self.labels, self.personal_data, self.validity)


@dataclass(frozen=True, slots=True)
class DocumentTitle:
    """The part of a document's description that is content, and therefore only stored in an envelope.

    ``source`` is the path or URL that the document was given with; citations name it.
    """

    title: str
    source: str
    media_type: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class DocumentVersion:
    """One version of a document's content. At most one version of a document is current, and only that one is visible.

    ``content_digest`` and the document's ``source_digest`` are keyed (HMAC), so that a stolen database cannot be matched
    against known files.
    """

    id: UUID
    document_id: UUID
    data_key_id: UUID
    content_digest: bytes
    title_envelope: bytes
    size_bytes: int
    chunk_count: int
    created_at: datetime
    #: The data key that it will have, while it is being encrypted anew: until then some of it is sealed with each.
    next_key_id: UUID | None = None

    @property
    def key_ids(self) -> tuple[UUID, ...]:
        """Every key that something of it may be sealed with."""
        return (self.data_key_id,) if self.next_key_id is None else (self.data_key_id, self.next_key_id)


@dataclass(frozen=True, slots=True)
class Document:
    attributes: DocumentAttributes
    source_digest: bytes
    version: DocumentVersion
    created_at: datetime

    @property
    def id(self) -> UUID:
        return self.attributes.document_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedDocument:
    """What was taken away with a document: all its ``versions``, those included that were still to be published, and keys.

    ``abandoned`` are the latter.
    """

    attributes: DocumentAttributes
    published_at: datetime
    abandoned: tuple[UUID, ...]
    versions: tuple[UUID, ...]
    data_keys: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document's extracted text, cut at the embedding model's own token limit.

    ``start`` and ``end`` are character offsets into the extracted text; ``page`` counts from 1 where the format has pages.
    The last of the headings of a chunk that begins in the middle of a table is the table's header row, as ``| a | b |``.
    """

    ordinal: int
    text: str
    start: int
    end: int
    headings: tuple[str, ...] = ()
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A decrypted chunk that policy released to one caller, with all that a citation needs."""

    chunk_id: UUID
    version_id: UUID
    attributes: DocumentAttributes
    title: DocumentTitle
    chunk: Chunk
    score: float
    dense_score: float | None = None
    sparse_score: float | None = None


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"


class ItemState(StrEnum):
    PENDING = "pending"
    ADDED = "added"
    UNCHANGED = "unchanged"
    FAILED = "failed"


class Stage(StrEnum):
    """How far a pending item has come; what progress is computed from."""

    STORED = "stored"
    PARSED = "parsed"
    EMBEDDED = "embedded"
    PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class JobItem:
    """One file of an ingest job. ``document_id`` and ``version_id`` are chosen at intake, so that every step can be repeated.

    ``failure`` is the slug of the error class and ``failure_detail`` its sentence, never content. A pending item that has them
    waits for that component.
    """

    id: UUID
    job_id: UUID
    ordinal: int
    document_id: UUID
    version_id: UUID
    data_key_id: UUID
    attributes: DocumentAttributes
    source_digest: bytes
    content_digest: bytes
    title_envelope: bytes
    size_bytes: int
    state: ItemState = ItemState.PENDING
    stage: Stage = Stage.STORED
    failure: str | None = None
    failure_detail: str | None = None
    #: Digests of the data subjects that the version is about; None keeps those of the version before.
    subjects: frozenset[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Job:
    id: UUID
    tenant_id: UUID
    collection_id: UUID
    principal_id: UUID
    state: JobState
    created_at: datetime
    items: tuple[JobItem, ...] = ()
