"""Content out of its envelopes. Called only after the audit event of its release is durable.

The encryption context is made anew from what the database says, never from what an envelope or the index claims: a chunk that
was moved to another document, version, region or place does not open.
"""

from __future__ import annotations

import msgspec

from domicile.crypto.compaction import expanded
from domicile.crypto.context import Part
from domicile.crypto.envelope import unseal
from domicile.crypto.keys import DataKey
from domicile.crypto.parts import context_of
from domicile.domain.documents import Chunk, Document, DocumentTitle, Passage
from domicile.domain.errors import DecryptionFailed
from domicile.retrieval.candidates import Candidate


class _ChunkBody(msgspec.Struct):
    text: str
    start: int
    end: int
    headings: tuple[str, ...] = ()
    page: int | None = None


_decode_chunk = msgspec.json.Decoder(_ChunkBody).decode
_decode_title = msgspec.json.Decoder(DocumentTitle).decode


def title_of(document: Document, key: DataKey) -> DocumentTitle:
    """The document's title, source and media type; raises ``DecryptionFailed``."""
    plain = unseal(key, context_of(document.attributes, document.version.id, Part.TITLE), document.version.title_envelope)
    try:
        return _decode_title(plain)
    except msgspec.DecodeError:
        raise DecryptionFailed() from None


def passage_of(candidate: Candidate, key: DataKey, title: DocumentTitle) -> Passage:
    """The candidate's text as a passage; raises ``DecryptionFailed``."""
    hit, document = candidate.hit, candidate.document
    plain = unseal(key, context_of(document.attributes, document.version.id, Part.CHUNK, hit.ordinal), hit.envelope)
    try:
        body = _decode_chunk(expanded(plain))
    except msgspec.DecodeError:
        raise DecryptionFailed() from None
    return Passage(
        chunk_id=hit.chunk_id,
        version_id=hit.version_id,
        attributes=document.attributes,
        title=title,
        chunk=Chunk(hit.ordinal, body.text, body.start, body.end, body.headings, body.page),
        score=candidate.score,
        dense_score=candidate.dense_score,
        sparse_score=candidate.sparse_score,
    )
