"""Multipart uploads (RFC 7578), held in memory: a temporary file would put content on the disk in clear."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from litestar import Request
from litestar.exceptions import HTTPException
from multipart import (  # type: ignore[import-untyped]
    MultipartSegment,
    ParserError,
    ParserLimitReached,
    PushMultipartParser,
)

from domicile.domain.errors import CallerError, DocumentTooLarge, InvalidText
from domicile.ingestion.drafts import Upload

#: Bytes of a request beyond its documents: boundaries, part headers and the other fields.
OVERHEAD_BYTES = 1024 * 1024
#: Bytes that a field which is not a file may have.
_FIELD_BYTES = 8192


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """``document_bytes`` bounds one document, and also all of one request: what is held in memory at once."""

    document_bytes: int
    documents: int


@dataclass(slots=True)
class UploadForm:
    """Files as (name, content) in the order sent, and the other fields' values by name."""

    files: list[tuple[str, bytes]] = field(default_factory=list)
    fields: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def uploads(self) -> list[Upload]:
        """Each file with its source path: the ``source`` field of the same place, or the file's own name."""
        sources = self.fields.get("source", [])
        if sources and len(sources) != len(self.files):
            raise CallerError("There are not as many 'source' fields as files.", hint="Send one for each file, or none.")
        names = sources or [name for name, _ in self.files]
        return [Upload(source=name, content=content) for name, (_, content) in zip(names, self.files, strict=True)]

    def single(self, name: str) -> str | None:
        """The one value of a field, None if it was not sent or is empty."""
        values = self.fields.get(name, [])
        if len(values) > 1:
            raise CallerError(f"'{name}' may be given once only.")
        return values[0] if values and values[0] else None


async def read_upload(request: Request[Any, Any, Any], limits: UploadLimits, known: frozenset[str]) -> UploadForm:
    """The form. Raises ``CallerError`` for one that is malformed, has no file, or has a field that is not ``known``.

    An unknown field is refused rather than ignored: a misspelt 'classification' must not publish a document.
    """
    if (request.content_length or 0) > limits.document_bytes + OVERHEAD_BYTES:
        raise HTTPException(status_code=413)
    form = UploadForm()
    try:
        await _parse(request, limits, known, form)
    except ParserLimitReached:
        raise CallerError(
            "The request has too many parts.", hint=f"Send at most {limits.documents} documents.", limit=limits.documents
        ) from None
    except ParserError:
        raise CallerError("The multipart form is not well-formed.") from None
    if not form.files:
        raise CallerError("There is no file.", hint="Send at least one part named 'file' with a file name.")
    return form


async def _parse(request: Request[Any, Any, Any], limits: UploadLimits, known: frozenset[str], form: UploadForm) -> None:
    boundary = request.content_type[1].get("boundary", "")
    received = 0
    part: _Part | None = None
    with PushMultipartParser(boundary, max_segment_count=2 * limits.documents + 64) as parser:
        async for chunk in request.stream():
            received += len(chunk)
            if received > limits.document_bytes + OVERHEAD_BYTES:
                raise HTTPException(status_code=413)
            if not chunk:
                continue
            for event in parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    part = _Part(event, limits, known)
                elif part is not None and event is not None:
                    part.add(event)
                elif part is not None:
                    part.finish(form)
    if len(form.files) > limits.documents:
        raise CallerError(
            f"There are more than {limits.documents} documents.", hint="Send them in several requests.", limit=limits.documents
        )


class _Part:
    def __init__(self, segment: MultipartSegment, limits: UploadLimits, known: frozenset[str]) -> None:
        self._name = segment.name or ""
        self._filename = segment.filename
        self._limit = limits.document_bytes if self.is_file else _FIELD_BYTES
        self._chunks: list[bytes] = []
        self._size = 0
        if not self.is_file and self._name not in known:
            allowed = ", ".join(sorted(known | {"file"}))
            raise CallerError(f"'{self._name[:40]}' is not a field of this form.", hint=f"The fields are {allowed}.")

    @property
    def is_file(self) -> bool:
        return self._name == "file" and self._filename is not None

    def add(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._limit:
            if self.is_file:
                raise DocumentTooLarge(f"A document may have {self._limit} bytes here.", limit=self._limit)
            raise CallerError(f"'{self._name}' is too long.", limit=self._limit)
        self._chunks.append(chunk)

    def finish(self, form: UploadForm) -> None:
        content = b"".join(self._chunks)
        if self.is_file:
            form.files.append((self._filename or "", content))
            return
        try:
            form.fields[self._name].append(content.decode("utf-8"))
        except UnicodeDecodeError:
            raise InvalidText() from None
