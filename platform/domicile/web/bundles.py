"""A bundle on its way in: written, sealed, to where it is read from, since it is too large to be held in memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.exceptions import HTTPException
from multipart import MultipartSegment, ParserError, ParserLimitReached, PushMultipartParser  # type: ignore[import-untyped]

from domicile.crypto.signatures import VerifyKey
from domicile.domain.errors import CallerError
from domicile.domain.marks import truth
from domicile.ports.scratch import Scratch
from domicile.web.uploads import OVERHEAD_BYTES

_FIELDS = frozenset({"source_key", "unverified"})
_FIELD_BYTES = 1024
#: Bytes that are sealed and written at once, in a thread.
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class BundleForm:
    """What came beside the bundle."""

    source_key: VerifyKey | None
    unverified: bool


async def read_bundle(request: Request[Any, Any, Any], scratch: Scratch, most_bytes: int) -> BundleForm:
    """Writes the file to the scratch and gives the rest.

    Raises ``CallerError`` for a form that is malformed, has no file or more than one, or has a field that is not known.
    """
    if (request.content_length or 0) > most_bytes + OVERHEAD_BYTES:
        raise HTTPException(status_code=413)
    reader = _Reader(scratch, most_bytes)
    boundary = request.content_type[1].get("boundary", "")
    try:
        with PushMultipartParser(boundary, max_segment_count=8) as parser:
            async for chunk in request.stream():
                for event in parser.parse(chunk) if chunk else ():
                    await reader.take(event)
    except ParserLimitReached:
        raise CallerError("The request has too many parts.", hint="Send one bundle.") from None
    except ParserError:
        raise CallerError("The multipart form is not well-formed.") from None
    return await reader.finished()


class _Reader:
    """Takes the parser's events: a part's beginning, pieces of it, and None at its end."""

    def __init__(self, scratch: Scratch, most_bytes: int) -> None:
        self._scratch = scratch
        self._most_bytes = most_bytes
        self._part: str | None = None
        self._files = 0
        self._pending = bytearray()
        self._texts: dict[str, str] = {}

    async def take(self, event: MultipartSegment | bytearray | None) -> None:
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is None:
            await self._end()
        else:
            await self._add(event)

    async def finished(self) -> BundleForm:
        if self._files != 1:
            raise CallerError("There is no bundle, or more than one.", hint="Send one part named 'file' with a file name.")
        key = self._texts.get("source_key")
        try:
            return BundleForm(VerifyKey.parse(key) if key else None, truth(self._texts.get("unverified", "false")))
        except ValueError:
            raise CallerError(
                "'source_key' is not an Ed25519 public key in base64.", hint="Give what 'domicile receipt key' prints."
            ) from None

    def _begin(self, segment: MultipartSegment) -> None:
        name = segment.name or ""
        if name == "file" and segment.filename is not None:
            self._files += 1
        elif name not in _FIELDS or name in self._texts:
            raise CallerError(f"'{name[:40]}' is not a field of this form, or is there twice.")
        self._part = name

    async def _add(self, content: bytearray) -> None:
        self._pending += content
        if self._part != "file":
            if len(self._pending) > _FIELD_BYTES:
                raise CallerError(f"'{self._part}' is too long.", limit=_FIELD_BYTES)
        elif self._scratch.size + len(self._pending) > self._most_bytes:
            raise HTTPException(status_code=413)
        elif len(self._pending) >= _PIECE:
            await self._write()

    async def _end(self) -> None:
        if self._part == "file":
            await self._write()
        elif self._part is not None:
            self._texts[self._part] = self._pending.decode("utf-8", "replace")
        self._pending, self._part = bytearray(), None

    async def _write(self) -> None:
        await asyncio.to_thread(self._scratch.write, bytes(self._pending))
        self._pending.clear()
