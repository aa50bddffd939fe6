"""A model server that follows a script: what a real one does only on its worst days."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Act = Callable[[asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
DONE = b"data: [DONE]\n\n"
FINISH = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}\n\n'


def delta(text: str, field_name: str = "content") -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {field_name: text}}]}).encode() + b"\n\n"


def sends(*pieces: bytes, head: bytes = OK) -> Act:
    """Answers with these bytes and closes."""

    async def act(writer: asyncio.StreamWriter) -> None:
        for piece in (head, *pieces):
            writer.write(piece)
            await writer.drain()

    return act


def hangs_after(*pieces: bytes, head: bytes = OK) -> Act:
    """Answers with these bytes and then keeps the connection open without another."""

    async def act(writer: asyncio.StreamWriter) -> None:
        await sends(*pieces, head=head)(writer)
        await asyncio.Event().wait()

    return act


def drips(piece: bytes, every: float) -> Act:
    """Sends the same bytes for ever."""

    async def act(writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(every)

    return act


def status(code: int, body: bytes = b'{"object":"error","message":"/srv/secret/path"}') -> Act:
    head = f"HTTP/1.1 {code} Because\r\nContent-Type: application/json\r\nConnection: close\r\n"
    return sends(body, head=f"{head}Content-Length: {len(body)}\r\n\r\n".encode())


@dataclass
class ScriptedServer:
    """Takes the acts in turn, the last one again and again. ``requests`` holds every request, ``left`` who hung up on it."""

    url: str = ""
    acts: list[Act] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.requests.append((head[0], headers, body))
            act = self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]
            acting = asyncio.create_task(act(writer))
            leaving = asyncio.create_task(reader.read())
            await asyncio.wait({acting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                self.left.set()
            for task in (acting, leaving):
                task.cancel()
            await asyncio.gather(acting, leaving, return_exceptions=True)
        finally:
            writer.close()
