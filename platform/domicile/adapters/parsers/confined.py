"""The ``Parser`` port over confined child processes (see ``child``)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import msgspec

import domicile
from domicile.adapters.parsers.frames import PREFIX, Failed, Task, decode_reply, encode
from domicile.domain.errors import (
    CallerError,
    DocumentCorrupt,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentTypeMismatch,
    DocumentTypeUnknown,
    ParserLimitExceeded,
)
from domicile.ports.parser import PageSpan, ParsedDocument

_FAILURES: dict[str, type[CallerError]] = {
    error.slug: error
    for error in (
        DocumentCorrupt,
        DocumentEmpty,
        DocumentEncrypted,
        DocumentTypeMismatch,
        DocumentTypeUnknown,
        ParserLimitExceeded,
    )
}
_SOURCE_ROOT = Path(domicile.__file__).resolve().parents[1]
#: What the children's folders are called, before the service's process id.
_FOLDER = "domicile-parser-"
#: Bytes of the largest reply that is read: more than ``max_characters`` of UTF-8 would be, at its default.
_LARGEST_REPLY = 256 << 20


class ConfinedParser:
    """Reads up to ``processes`` documents at a time, each in a process of its own.

    ``memory_bytes`` (address space) and ``cpu_seconds`` are limits of the kernel, ``wall_seconds`` is kept here, and
    ``max_characters`` bounds the text that one document may turn into.
    """

    def __init__(
        self,
        *,
        memory_bytes: int = 2 << 30,
        cpu_seconds: int = 60,
        wall_seconds: float = 120.0,
        max_characters: int = 32 << 20,
        processes: int = 2,
    ) -> None:
        self._limits = (memory_bytes, cpu_seconds, max_characters)
        self._wall_seconds = wall_seconds
        self._places = asyncio.Semaphore(processes)
        self._idle: list[_Child] = []

    async def parse(self, content: bytes, filename: str) -> ParsedDocument:
        task = encode(Task(content, filename))
        async with self._places:
            child = self._idle.pop() if self._idle else await _Child.start(self._limits)
            answered = False
            try:
                async with asyncio.timeout(self._wall_seconds):
                    body = await child.ask(task)
                answered = True
            except TimeoutError:
                raise ParserLimitExceeded() from None
            except (EOFError, OSError):
                raise DocumentCorrupt() from None
            finally:  # Also when cancelled: what a child may answer later belongs to nobody.
                if answered:
                    self._idle.append(child)
                else:
                    await child.kill()
        return _parsed(body)

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().kill()


class _Child:
    """One warm process with its empty folder."""

    def __init__(self, process: asyncio.subprocess.Process, folder: tempfile.TemporaryDirectory[str]) -> None:
        self._process = process
        self._folder = folder

    @classmethod
    async def start(cls, limits: tuple[int, int, int]) -> _Child:
        folder = await asyncio.to_thread(_empty_folder)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-s", "-B", "-m", "domicile.adapters.egress.child"),
            *("domicile.adapters.parsers.child", *map(str, limits)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # A library's complaint may quote the document.
            cwd=folder.name,
            env=_environment(folder.name),
            start_new_session=True,
        )
        return cls(process, folder)

    async def ask(self, task: bytes) -> bytes:
        """The reply's body; raises ``EOFError`` or ``OSError`` when the child has gone or says too much."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise EOFError
        stdin.write(task)
        await stdin.drain()
        length = int.from_bytes(await stdout.readexactly(PREFIX), "big")
        if length > _LARGEST_REPLY:
            raise EOFError
        return await stdout.readexactly(length)

    async def kill(self) -> None:
        """End it with everything that it started."""
        with contextlib.suppress(ProcessLookupError):  # It may be gone already, which is what was wanted.
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await asyncio.to_thread(self._folder.cleanup)


def _empty_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder of this process's; those that killed processes of this account could not remove are removed first."""
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        owner = left.name.removeprefix(_FOLDER).partition("-")[0]
        if owner.isdecimal() and not _runs(int(owner)) and _is_ours(left):
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{os.getpid()}-", ignore_cleanup_errors=True)


def _is_ours(folder: Path) -> bool:
    try:
        return folder.stat(follow_symlinks=False).st_uid == os.getuid()
    except FileNotFoundError:  # Another process was quicker to remove it.
        return False


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _environment(folder: str) -> dict[str, str]:
    """All that the child gets to know: no secret, no proxy, no home."""
    return {
        "PYTHONPATH": str(_SOURCE_ROOT),
        "LANG": "C.UTF-8",
        "TMPDIR": folder,
        "HOME": folder,
        "MALLOC_ARENA_MAX": "2",
        "RAYON_NUM_THREADS": "1",
        "TOKIO_WORKER_THREADS": "1",
    }


def _parsed(body: bytes) -> ParsedDocument:
    """The reply as the port gives it. What a child says is not trusted to be well-formed, only to be about this document."""
    try:
        reply = decode_reply(body)
    except msgspec.DecodeError:
        raise DocumentCorrupt() from None
    if isinstance(reply, Failed):
        raise _FAILURES.get(reply.slug, DocumentCorrupt)()
    edges = [edge for _, start, end in reply.pages for edge in (start, end)]
    if "\x00" in reply.text + reply.title or edges != sorted(edges) or any(not 0 <= e <= len(reply.text) for e in edges):
        raise DocumentCorrupt()
    pages = tuple(PageSpan(page, start, end) for page, start, end in reply.pages)
    return ParsedDocument(reply.text, reply.media_type, reply.title, reply.language, pages)
