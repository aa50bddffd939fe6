"""The process that embeds in bulk: it may die, idle and outlive nobody."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from domicile.adapters.embeddings.bulk import BulkEmbedder
from domicile.adapters.embeddings.weights import Weights, verified_weights
from domicile.domain.errors import EmbedderUnavailable

PARENT = """
import asyncio, sys
from domicile.adapters.embeddings.bulk import BulkEmbedder
from domicile.adapters.embeddings.weights import verified_weights

async def main():
    bulk = BulkEmbedder(verified_weights(), "float32")
    await bulk.embed(["text"])
    print(bulk._child._process.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def _lives(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def _until(condition) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - another process's state gives no signal
            await asyncio.sleep(0.02)


async def test_a_process_that_dies_is_started_again_and_its_texts_asked_again():
    """Neither the call that it was killed over nor the next one notices, and priority is given up each time."""
    bulk = BulkEmbedder(verified_weights(), "float32")
    expected = await bulk.embed(["one", "two"])
    first = bulk._child._process.pid
    assert os.getpriority(os.PRIO_PROCESS, first) == 19
    os.kill(first, signal.SIGSTOP)
    call = asyncio.create_task(bulk.embed(["one", "two"]))
    await _until(lambda: bulk._child._waiting)
    os.kill(first, signal.SIGKILL)
    np.testing.assert_allclose(await call, expected, atol=1e-5)
    second = bulk._child._process.pid
    assert second != first
    await bulk.close()
    assert not _lives(second)


async def test_texts_over_which_it_dies_twice_are_given_up(tmp_path):
    """Weights that cannot be read end the process each time, and the caller is told."""
    bulk = BulkEmbedder(Weights(tmp_path, "none", 384, 8), "float32")
    with pytest.raises(EmbedderUnavailable):
        await bulk.embed(["one"])
    await bulk.close()


async def test_without_work_the_process_ends():
    """Its memory is given back after a while without a call."""
    bulk = BulkEmbedder(verified_weights(), "float32", idle_seconds=0.01)
    await bulk.embed(["one"])
    await _until(lambda: bulk._child is None)
    await bulk.close()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc to look for the process in")
async def test_it_does_not_outlive_its_parent():
    """A service that is killed leaves no process behind."""
    root = Path(__file__).parents[4]
    environment = os.environ | {"PYTHONPATH": str(root / "platform")}
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, env=environment, stdout=asyncio.subprocess.PIPE)
    child = int(await parent.stdout.readline())
    assert _lives(child)
    parent.kill()
    await parent.communicate()
    await _until(lambda: not _lives(child))
