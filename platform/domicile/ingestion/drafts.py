"""What becomes of each file of a request, before anything of it is stored."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from domicile.domain.documents import Collection, Document, DocumentAttributes, ItemState
from domicile.domain.errors import AlreadyExists, CallerError, DocumentEmpty, DocumentTooLarge, Forbidden
from domicile.domain.values import clean_text
from domicile.ingestion.placement import Known, Placement

#: Characters of a source path or URL.
SOURCE_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """One file. ``source`` is the path or URL that citations will name; the same source again is a new version."""

    source: str
    content: bytes


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """``document_bytes`` bounds one file and ``documents`` the files of one request, so that a request fits in memory."""

    document_bytes: int = 64 << 20
    documents: int = 256

    def check_request(self, uploads: Sequence[Upload]) -> None:
        """Raises ``CallerError`` for what no single item can be blamed for."""
        if not uploads:
            raise CallerError("The request holds no documents.", hint="Send at least one file.")
        if len(uploads) > self.documents:
            raise CallerError(
                f"The request holds {len(uploads)} documents; {self.documents} are allowed.",
                hint="Send them in several requests.",
                limit=self.documents,
            )
        for upload in uploads:
            if not 0 < len(clean_text(upload.source)) <= SOURCE_LENGTH:
                raise CallerError(f"A document's source has 1 to {SOURCE_LENGTH} characters.", limit=SOURCE_LENGTH)

    def fault_of(self, upload: Upload) -> CallerError | None:
        """Why this file cannot be taken, if it cannot."""
        if len(upload.content) > self.document_bytes:
            return DocumentTooLarge(f"A document may have {self.document_bytes} bytes.", limit=self.document_bytes)
        return None if upload.content.strip() else DocumentEmpty()


@dataclass(slots=True)
class Draft:
    """One file with its keyed digests. ``error`` says why it failed; a pending one is to be stored."""

    upload: Upload
    document_id: UUID
    source_digest: bytes
    content_digest: bytes
    state: ItemState = ItemState.PENDING
    error: CallerError | Forbidden | None = None

    def fail(self, error: CallerError | Forbidden) -> None:
        self.state, self.error = ItemState.FAILED, error

    def compare(
        self, published: Document | None, known: Known, placement: Placement, subjects: frozenset[bytes]
    ) -> DocumentAttributes:
        """Its attributes; the state turns to unchanged if just this is published already, and to failed if they are unclear.

        ``subjects`` are those of what is published.
        """
        try:
            attributes = placement.attributes(self.document_id, known)
        except AlreadyExists as error:
            self.fail(error)
            return next(iter(known))  # Only for the record: what failed is never published.
        if (
            self.state is ItemState.PENDING
            and published is not None
            and is_published(published, attributes, self.content_digest)
            and placement.subjects in (None, subjects)
        ):
            self.state = ItemState.UNCHANGED
        return attributes


def is_published(published: Document, attributes: DocumentAttributes, content_digest: bytes) -> bool:
    """Whether the document has this content and these attributes now."""
    return published.attributes == attributes and hmac.compare_digest(published.version.content_digest, content_digest)


def draft_all(uploads: Sequence[Upload], collection: Collection, digest_key: bytes, limits: IntakeLimits) -> list[Draft]:
    """A draft for each upload, in order. Hashes every byte: for a thread.

    A document's id follows from its collection and the keyed digest of its source, so that two requests that bring the same
    new source at the same time mean the same document. A source that comes twice in one request is unchanged the second time
    if its bytes are the same, and otherwise fails there: which of the two is meant cannot be known.
    """
    drafts: list[Draft] = []
    seen: dict[UUID, Draft] = {}
    for upload in uploads:
        source = hmac.digest(digest_key, upload.source.encode(), "sha256")
        content = hmac.digest(digest_key, upload.content, "sha256")
        draft = Draft(upload, uuid5(collection.id, source.hex()), source, content)
        first = seen.setdefault(draft.document_id, draft)
        if (fault := limits.fault_of(upload)) is not None:
            draft.fail(fault)
        elif first is not draft and first.content_digest == content:
            draft.state = ItemState.UNCHANGED
        elif first is not draft:
            draft.fail(AlreadyExists("Another document of this request has the same source."))
        drafts.append(draft)
    return drafts
