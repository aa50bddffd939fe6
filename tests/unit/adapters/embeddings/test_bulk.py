"""The parent's side of the bulk process, against a scripted child that computes nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import numpy as np
import pytest

from domicile.adapters.embeddings.bulk import BulkEmbedder
from domicile.adapters.embeddings.weights import Weights
from domicile.domain.errors import EmbedderUnavailable

# Answers each text with its length and the number of the frame; some texts make it wait or die.
SCRIPT = """#!{python}
import array, os, pathlib, sys, time
import msgspec
started = pathlib.Path({folder!r}) / "started"
with started.open("a") as file:
    file.write(f"{{os.getpid()}}\\n")
number = 0
while length := sys.stdin.buffer.read(4):
    texts = msgspec.msgpack.decode(sys.stdin.buffer.read(int.from_bytes(length, "big")))
    number += 1
    for text in texts:
        if text == "die" or (text == "die once" and started.read_text().count("\\n") == 1):
            os._exit(1)
        while text == "wait" and not started.with_name("go").exists():
            time.sleep(0.01)
    raw = array.array("f", [value for text in texts for value in (len(text), number)]).tobytes()
    sys.stdout.buffer.write(len(raw).to_bytes(4, "big") + raw)
    sys.stdout.buffer.flush()
"""


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Stands in for the interpreter; the folder it lies in shows how often it was started, and tells it to go on."""
    script = tmp_path / "child"
    script.write_text(SCRIPT.format(python=sys.executable, folder=str(tmp_path)))
    script.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(script))
    return script


@pytest.fixture
async def bulk(child, tmp_path):
    bulk = BulkEmbedder(Weights(tmp_path, "m", 2, 8), "float32")
    yield bulk
    await bulk.close()


def starts(child):
    return [int(line) for line in child.with_name("started").read_text().split()]


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until(condition):
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0.005)


async def test_one_process_serves_every_call_in_order(bulk, child):
    """Calls that are made at once are answered by one process, each with its own texts' vectors."""
    answers = await asyncio.gather(*(bulk.embed(["x" * n, "y" * (n + 1)]) for n in range(1, 5)))
    assert [answer[:, 0].tolist() for answer in answers] == [[n, n + 1] for n in range(1, 5)]
    assert answers[0].dtype == np.float32
    assert len(starts(child)) == 1


async def test_an_answer_far_larger_than_a_pipe_arrives_whole(bulk):
    """Neither side waits for the other with full pipes."""
    first, second = await asyncio.gather(*(bulk.embed(["text"] * 100_000) for _ in range(2)))
    assert first[:, 0].tolist() == second[:, 0].tolist() == [4.0] * 100_000


async def test_a_process_that_dies_over_its_work_is_replaced_once(bulk, child):
    """The texts are given to a new process, and the caller notices nothing."""
    assert (await bulk.embed(["die once"]))[0, 0] == 8
    assert len(starts(child)) == 2


async def test_a_process_that_dies_again_is_given_up(bulk, child):
    """Texts that kill every process are not tried forever, and later calls are served."""
    with pytest.raises(EmbedderUnavailable):
        await bulk.embed(["die"])
    assert len(starts(child)) == 2
    assert (await bulk.embed(["abc"]))[0, 0] == 3


async def test_a_process_that_was_killed_while_idle_is_replaced(bulk, child):
    """Between two calls, too, a death goes unnoticed by the caller."""
    await bulk.embed(["abc"])
    os.kill(starts(child)[0], signal.SIGKILL)
    assert (await bulk.embed(["abcd"]))[0, 0] == 4
    assert len(starts(child)) == 2


async def test_a_process_that_cannot_be_started_is_unavailable(bulk, monkeypatch):
    """Where there is nothing to run, the caller gets our own error."""
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(EmbedderUnavailable):
        await bulk.embed(["abc"])


async def test_a_cancelled_call_leaves_the_others_their_own_answers(bulk, child):
    """The answer to a cancelled call is dropped and not taken for the next one's."""
    waiting = asyncio.create_task(bulk.embed(["wait"]))
    behind = asyncio.create_task(bulk.embed(["behind"]))
    await until(lambda: bulk._child and len(bulk._child._waiting) == 2)
    waiting.cancel()
    child.with_name("go").touch()
    assert (await behind).tolist() == [[6.0, 2.0]]
    assert (await bulk.embed(["after"])).tolist() == [[5.0, 3.0]]
    assert waiting.cancelled()
    assert len(starts(child)) == 1


async def test_a_call_that_is_cancelled_while_the_process_starts_does_no_harm(bulk):
    """The next call starts a process again, and none is left over."""
    starting = asyncio.create_task(bulk.embed(["first"]))
    await asyncio.sleep(0)
    starting.cancel()
    assert (await bulk.embed(["second"]))[0, 0] == 6
    assert starting.cancelled()


async def test_an_idle_process_is_ended_and_started_again(child, tmp_path):
    """Without work its memory is given back; the next call has a new process."""
    bulk = BulkEmbedder(Weights(tmp_path, "m", 2, 8), "float32", idle_seconds=0)
    await bulk.embed(["abc"])
    await until(lambda: not is_running(starts(child)[0]))
    assert (await bulk.embed(["abcd"]))[0, 0] == 4
    assert len(starts(child)) == 2
    await bulk.close()


async def test_a_process_at_work_is_not_idle(child, tmp_path):
    """However short the patience, a process with unanswered texts is left alone."""
    bulk = BulkEmbedder(Weights(tmp_path, "m", 2, 8), "float32", idle_seconds=0)
    waiting = asyncio.create_task(bulk.embed(["wait"]))
    await bulk_busy(bulk)
    short = asyncio.create_task(bulk.embed(["abc"]))
    await until(lambda: len(bulk._child._waiting) == 2)
    short.cancel()
    await asyncio.sleep(0.05)
    child.with_name("go").touch()
    assert (await waiting)[0, 0] == 4
    assert len(starts(child)) == 1
    await bulk.close()


async def bulk_busy(bulk):
    await until(lambda: bulk._child and bulk._child._waiting)


async def test_closing_ends_the_process_at_work(bulk, child):
    """A call that still waits fails, nothing is started in its place, and no process is left."""
    waiting = asyncio.create_task(bulk.embed(["wait"]))
    await bulk_busy(bulk)
    await until(lambda: child.with_name("started").exists() and starts(child))
    await bulk.close()
    with pytest.raises(EmbedderUnavailable):
        await waiting
    assert [is_running(pid) for pid in starts(child)] == [False]


async def test_closing_while_the_process_starts_leaves_none(bulk):
    """A process that was being started when the embedder closed is ended as well."""
    starting = asyncio.create_task(bulk.embed(["abc"]))
    await asyncio.sleep(0)
    await bulk.close()
    with pytest.raises(EmbedderUnavailable):
        await starting
    assert bulk._child is None


async def test_a_closed_embedder_starts_nothing(bulk, child):
    """After closing, and closing again, calls fail and no process is started."""
    await bulk.close()
    await bulk.close()
    with pytest.raises(EmbedderUnavailable):
        await bulk.embed(["abc"])
    assert not child.with_name("started").exists()
