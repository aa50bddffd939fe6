"""The parsing child: ``python -m domicile.adapters.parsers.child MEMORY_BYTES CPU_SECONDS MAX_CHARACTERS``.

It stays warm (the parser is loaded once) and forks for each document, so that a document which takes the parser over finds
neither an earlier document in memory nor gets to see a later one. Only the fork looks into a document; this process passes
bytes along. Obligations, labelled where they are met:

1. Nothing is inherited: the parent starts it with an empty environment in an empty folder.
2. The process gives up what it does not need before it reads anything.
3. Each document has its own process with its own limits, which cannot write to the service.
4. However that process ends, there is one well-formed reply.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
from typing import NoReturn

from domicile.adapters.parsers.confinement import confine_document, confine_process
from domicile.adapters.parsers.frames import PREFIX, Failed, decode_task, encode
from domicile.domain.errors import CallerError, DocumentCorrupt, ParserLimitExceeded

#: Bytes of UTF-8 that a character takes at most, and of everything else in a reply.
_REPLY_OVERHEAD = 1 << 20
#: What the parser's own library says on its error stream before it aborts for want of memory.
_OUT_OF_MEMORY = (b"memory allocation of", b"bad_alloc", b"Out of memory", b"MemoryError")
_ERROR_BYTES = 1 << 16
_LIMIT_SIGNALS = (signal.SIGXCPU, signal.SIGKILL)


def main() -> None:
    """Answer tasks from standard input until it ends."""
    memory_bytes, cpu_seconds, max_characters = map(int, sys.argv[1:4])
    confine_process()  # (2)
    _warm_up()
    gc.freeze()  # A fork that never walks these objects never has to copy their pages.
    gc.disable()
    source, sink = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    limits = (memory_bytes, cpu_seconds, max_characters)
    while (prefix := _read(source, PREFIX)) is not None:
        body = _read(source, int.from_bytes(prefix, "big"))
        if body is None:
            return
        _write(sink, _reply_of_fork(body, limits, (source, sink)))


def _warm_up() -> None:
    """Load the parser, and have a child unpack its PDF library into our folder: forks may not write there.

    Nothing runs in this process itself, since a fork does not take the threads along that the parser would start.
    """
    import kreuzberg  # noqa: F401

    from domicile.adapters.parsers.extraction import extract

    pid = os.fork()
    if pid == 0:
        os.close(2)
        try:
            extract(b"%PDF-1.4\n", "warm-up.pdf", 1)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def _reply_of_fork(body: bytes, limits: tuple[int, int, int], parents: tuple[int, int]) -> bytes:
    reply_read, reply_write = os.pipe()
    error_read, error_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        for descriptor in (*parents, reply_read, error_read):
            os.close(descriptor)
        os.dup2(error_write, 2)
        _parse(body, limits, reply_write)
    os.close(reply_write)
    os.close(error_write)
    reply, errors = _gather(reply_read, error_read, PREFIX + 4 * limits[2] + _REPLY_OVERHEAD)
    os.kill(pid, signal.SIGKILL)  # It has answered, or has gone; what it may have left running dies with it.
    _, status = os.waitpid(pid, 0)
    return reply if _whole(reply) else encode(Failed(_reason(status, errors)))  # (4)


def _parse(body: bytes, limits: tuple[int, int, int], reply: int) -> NoReturn:
    """Runs in the fork, and ends it whatever happens."""
    from domicile.adapters.parsers.extraction import extract

    memory_bytes, cpu_seconds, max_characters = limits
    try:
        confine_document(memory_bytes, cpu_seconds)  # (3)
        task = decode_task(body)
        _write(reply, encode(extract(task.content, task.filename, max_characters)))
    except CallerError as error:
        _write(reply, encode(Failed(error.slug)))
    except MemoryError:
        _write(reply, encode(Failed(ParserLimitExceeded.slug)))
    finally:
        os._exit(0)


def _gather(reply: int, errors: int, most: int) -> tuple[bytes, bytes]:
    """What was written to both pipes until the first was closed or held ``most`` bytes. Closes them."""
    written: dict[int, bytearray] = {reply: bytearray(), errors: bytearray()}
    waiting = [reply, errors]
    while reply in waiting and len(written[reply]) <= most:
        for descriptor in select.select(waiting, [], [])[0]:
            part = os.read(descriptor, 1 << 16)
            if not part:
                waiting.remove(descriptor)
            elif descriptor == reply or len(written[errors]) < _ERROR_BYTES:
                written[descriptor] += part
    if select.select([errors], [], [], 0)[0]:
        written[errors] += os.read(errors, _ERROR_BYTES)
    os.close(reply)
    os.close(errors)
    return bytes(written[reply]), bytes(written[errors])


def _whole(reply: bytes) -> bool:
    return len(reply) > PREFIX and int.from_bytes(reply[:PREFIX], "big") == len(reply) - PREFIX


def _reason(status: int, errors: bytes) -> str:
    """Why a fork ended without an answer: a limit, or a document that broke the parser."""
    starved = any(words in errors for words in _OUT_OF_MEMORY)
    ended_by_limit = os.WIFSIGNALED(status) and os.WTERMSIG(status) in _LIMIT_SIGNALS
    return ParserLimitExceeded.slug if starved or ended_by_limit else DocumentCorrupt.slug


def _read(source: int, length: int) -> bytes | None:
    """That many bytes, or None where the stream ends first."""
    received = bytearray()
    while len(received) < length:
        part = os.read(source, min(length - len(received), 1 << 20))
        if not part:
            return None
        received += part
    return bytes(received)


def _write(sink: int, frame: bytes) -> None:
    remaining = memoryview(frame)
    while remaining:
        remaining = remaining[os.write(sink, remaining) :]


if __name__ == "__main__":
    main()
