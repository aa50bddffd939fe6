"""A cell served in a process of its own, as the product serves it, with each question's embedding timed where it is computed.

Run as ``python -m tests.benchmarks.service FOLDER PORT``; the times go to ``FOLDER/embedding.times`` as float64, in seconds.
"""

from __future__ import annotations

import asyncio
import signal
import struct
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.places import ROOT, free_port, settings_in

_TIMES = "embedding.times"
_START_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Service:
    """A running service, seen from outside."""

    url: str
    pid: int
    folder: Path

    def embedding_seconds(self) -> list[float]:
        """Of every question since the service started, in their order."""
        times = array("d")
        times.frombytes((self.folder / _TIMES).read_bytes())
        return times.tolist()

    def resident_bytes(self) -> int:
        return _resident(self.pid)

    def children(self) -> dict[str, int]:
        """What each child process has resident, in bytes, by its module's name."""
        ids = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return {_named(int(each)): _resident(int(each)) for each in ids}


@contextmanager
def served(folder: Path) -> Iterator[Service]:
    """The cell in that folder, until the block ends."""
    port = free_port()
    (folder / _TIMES).write_bytes(b"")
    command = [sys.executable, "-m", "tests.benchmarks.service", str(folder), str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise RuntimeError("The service did not start.")
            yield Service(f"http://127.0.0.1:{port}", process.pid, folder)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_START_SECONDS)


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def _named(pid: int) -> str:
    arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    module = arguments[arguments.index("-m") + 1] if "-m" in arguments else Path(arguments[0]).name
    return module.rsplit(".", 1)[-1]


async def _serve(folder: Path, port: int) -> None:
    from domicile.adapters.embeddings.local import LocalEmbedder
    from domicile.bootstrap import open_cell
    from domicile.web.server import serve_cell

    embed = LocalEmbedder.embed_query
    with (folder / _TIMES).open("ab", buffering=0) as times:

        async def timed(self: LocalEmbedder, text: str):
            started = time.perf_counter()
            vector = await embed(self, text)
            times.write(struct.pack("d", time.perf_counter() - started))
            return vector

        LocalEmbedder.embed_query = timed  # type: ignore[method-assign]
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        async with open_cell(settings_in(folder, port), command="benchmark", run_jobs=True) as cell:
            await serve_cell(cell, stop=stop, started=lambda: print("ready", flush=True))


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
