"""Server-sent events off the wire, with a bound on what one may weigh.

WHATWG HTML, section 9.2.6: lines end with CR, LF or both; an event ends at an empty line; several ``data`` lines join with LF.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

#: Bytes that an unfinished line or event may have. A chat delta has some hundreds.
MAX_EVENT_BYTES: Final = 1024 * 1024


class EventTooLarge(Exception):
    """An event grew past the bound; whoever sends that is not to be listened to."""


async def data_of(body: AsyncIterator[bytes], limit: int = MAX_EVENT_BYTES) -> AsyncGenerator[bytes, None]:
    """The ``data`` of every event, in order. An event that the end of the stream cut off is none."""
    data: list[bytes] = []
    size = 0
    async for line in _lines(body, limit):
        if not line:
            if data:
                yield b"\n".join(data)
            data, size = [], 0
            continue
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
            size += len(value)
            if size > limit:
                raise EventTooLarge()


async def _lines(body: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    pending = b""
    after_return = False
    async for piece in body:
        # A line feed that belongs to a carriage return at the end of the last piece ends no further line.
        pending += piece[1:] if after_return and piece.startswith(b"\n") else piece
        after_return = piece.endswith(b"\r") if piece else after_return
        *whole, pending = pending.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in whole:
            yield line
        if len(pending) > limit:
            raise EventTooLarge()
