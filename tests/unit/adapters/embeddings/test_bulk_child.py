"""The bulk process itself: what it answers, and when it ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

import domicile
from domicile.adapters.embeddings.weights import verified_weights

SOURCES = str(Path(domicile.__file__).parents[1])
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
TEXTS = ["Wie viele Urlaubstage habe ich?", "", "東京"]


def test_frames_are_answered_in_order_until_the_input_ends():
    """Each frame gets its float32 vectors and nothing else is written; with its input the process ends, without an error."""
    weights = verified_weights()
    arguments = [str(weights.folder), str(weights.window), "float32"]
    frames = [msgspec.msgpack.encode(texts) for texts in (TEXTS, TEXTS[::-1])]
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "domicile.adapters.embeddings.bulk_child", *arguments],
        input=b"".join(len(frame).to_bytes(4, "big") + frame for frame in frames),
        env={"PYTHONPATH": SOURCES, "PATH": os.defpath},
        stdout=subprocess.PIPE,
        check=True,
    )
    size = len(TEXTS) * weights.dimensions * 4
    first, second = ended.stdout[: size + 4], ended.stdout[size + 4 :]
    assert len(second) == size + 4
    assert first[:4] == second[:4] == size.to_bytes(4, "big")
    forwards, backwards = (np.frombuffer(part[4:], np.float32).reshape(len(TEXTS), -1) for part in (first, second))
    np.testing.assert_allclose(forwards, backwards[::-1], atol=1e-5)


def lives(pid):
    """Whether the process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc to look for the process in")
async def test_it_gives_way_to_everyone_and_does_not_outlive_its_parent():
    """It runs at the lowest priority, and a service that is killed leaves no process behind."""
    environment = os.environ | {"PYTHONPATH": SOURCES}
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, env=environment, stdout=asyncio.subprocess.PIPE)
    child = int(await parent.stdout.readline())
    assert lives(child)
    assert os.getpriority(os.PRIO_PROCESS, child) == 19
    parent.kill()
    await parent.communicate()
    while lives(child):  # noqa: ASYNC110 - another process's state gives no signal
        await asyncio.sleep(0.02)
