"""From an item of a job to its chunks: open, parse, chunk."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from domicile.crypto.context import Part
from domicile.crypto.keys import DataKey
from domicile.crypto.parts import blob_key
from domicile.domain.documents import Chunk, DocumentTitle, JobItem
from domicile.domain.errors import DependencyError, DocumentEmpty, DomicileError
from domicile.ingestion.chunking import Chunker
from domicile.ingestion.sealing import unseal_part, unseal_title
from domicile.ports.blobs import BlobStore
from domicile.ports.keys import KeyRing
from domicile.ports.parser import ParsedDocument, Parser


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document in memory, ready to be embedded: its chunks, and what is embedded and indexed for each."""

    item: JobItem
    key: DataKey
    title: DocumentTitle
    document: ParsedDocument
    chunks: list[Chunk]
    texts: list[str]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A document that cannot be ingested, and why. Not the fault of anything that the cell depends on."""

    item: JobItem
    error: DomicileError


class Reader:
    """Reads one document at a time; callers bound how many at once."""

    def __init__(self, *, keys: KeyRing, blobs: BlobStore, parser: Parser, chunker: Chunker) -> None:
        self._keys = keys
        self._blobs = blobs
        self._parser = parser
        self._chunker = chunker

    async def read(self, item: JobItem) -> ReadDocument | Unreadable:
        """Raises ``DependencyError`` only: that is a reason to try the job again later, not to give the document up."""
        try:
            return await self._read(item)
        except DependencyError:
            raise
        except DomicileError as error:
            return Unreadable(item, error)

    async def _read(self, item: JobItem) -> ReadDocument:
        attributes, version_id = item.attributes, item.version_id
        key = await self._keys.open(attributes.tenant_id, item.data_key_id)
        source = unseal_title(key, attributes, version_id, item.title_envelope).source
        envelope = await self._blobs.get(blob_key(attributes, version_id, Part.ORIGINAL))
        content = await asyncio.to_thread(unseal_part, key, attributes, version_id, Part.ORIGINAL, envelope)
        document = await self._parser.parse(content, source)
        chunks, texts = await asyncio.to_thread(self._cut, document)
        title = DocumentTitle(document.title, source, document.media_type, document.language)
        return ReadDocument(item, key, title, document, chunks, texts)

    def _cut(self, document: ParsedDocument) -> tuple[list[Chunk], list[str]]:
        chunks = self._chunker.chunk(document)
        if not chunks:
            raise DocumentEmpty()
        return chunks, [self._chunker.embedding_text(document.title, chunk) for chunk in chunks]
