"""Bulk embedding in a process of its own, so that it neither holds the service's interpreter nor outranks its questions.

Run as ``python -m domicile.adapters.embeddings.bulk_child FOLDER WINDOW DTYPE``. Frames on standard input are a 4-byte
big-endian length and that many bytes of MessagePack (a list of texts); the answers are a length and the float32 vectors, in
the same order. Ends when its input does, that is with its parent.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from domicile.adapters.embeddings.threads import processors, wait_patiently


def yield_to_everything_else() -> None:
    """Lowest priority, and never preferred on waking; where that is not allowed, at least the former.

    Not ``SCHED_IDLE``: it delays questions no less, and on a busy machine it gets no time at all (measured: 20 s to start,
    where this takes 4).
    """
    os.nice(19)
    if hasattr(os, "SCHED_BATCH"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def main(folder: str, window: str, dtype: str) -> None:
    # An interrupt at the terminal is the parent's to handle. A session of its own would keep it away too, but the kernel
    # weighs sessions against one another before it looks at priorities.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield_to_everything_else()
    wait_patiently()
    incoming, outgoing = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not end up among the vectors
    from domicile.adapters.embeddings.encoder import Encoder

    encoder = Encoder(Path(folder), window=int(window), dtype=dtype, threads=processors())
    while texts := _read(incoming):
        vectors = encoder.encode(texts)
        outgoing.write(vectors.nbytes.to_bytes(4, "big"))
        outgoing.write(vectors.tobytes())
        outgoing.flush()


def _read(incoming: BinaryIO) -> list[str]:
    """The next texts; none at the end of the input."""
    length = incoming.read(4)
    return msgspec.msgpack.decode(incoming.read(int.from_bytes(length, "big")), type=list[str]) if length else []


if __name__ == "__main__":
    main(*sys.argv[1:])
