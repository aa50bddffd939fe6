"""What the service and its parsing child say to one another: MessagePack frames, each behind a 4-byte big-endian length."""

from __future__ import annotations

import msgspec

#: Bytes of a frame's length prefix.
PREFIX = 4


class Task(msgspec.Struct, frozen=True):
    """One file to read."""

    content: bytes
    filename: str


class Parsed(msgspec.Struct, frozen=True, tag="parsed"):
    """``pages`` holds (page from 1, first character, character after the last)."""

    text: str
    media_type: str
    title: str
    language: str
    pages: list[tuple[int, int, int]]


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """``slug`` is that of the error class to raise; there is no message, since it could carry content."""

    slug: str


Reply = Parsed | Failed


def encode(message: Task | Reply) -> bytes:
    """The frame, prefix included."""
    body = msgspec.msgpack.encode(message)
    return len(body).to_bytes(PREFIX, "big") + body


def decode_task(body: bytes) -> Task:
    return msgspec.msgpack.decode(body, type=Task)


def decode_reply(body: bytes) -> Reply:
    """Raises ``msgspec.DecodeError`` (``ValidationError`` included) for anything but a reply."""
    reply: Reply = msgspec.msgpack.decode(body, type=Reply)
    return reply
