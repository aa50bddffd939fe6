"""How questions share a batch; the model itself is not needed for that."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from domicile.adapters.embeddings.local import LocalEmbedder
from domicile.adapters.embeddings.weights import Weights, verified_weights
from domicile.domain.errors import EmbedderUnavailable


class GatedEncoder:
    """Computes when the gate is open, and notes what it was asked at once."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.begun = threading.Event()

    def encode(self, texts):
        self.batches.append(list(texts))
        self.begun.set()
        assert self.gate.wait(10)
        if "poison" in texts:
            raise KeyError("poison: the text itself")
        return np.asarray([[float(text)] for text in texts], dtype=np.float32)


@pytest.fixture
async def embedder(tmp_path):
    embedder = LocalEmbedder(Weights(tmp_path, "none", 1, 8), "float32")
    embedder._encoder = GatedEncoder()
    yield embedder
    embedder._encoder.gate.set()
    await embedder.close()


async def test_a_question_that_is_alone_waits_for_nobody(embedder):
    """One question is computed at once, in a batch of one."""
    embedder._encoder.gate.set()
    assert await embedder.embed_query("7") == [7.0]
    assert embedder._encoder.batches == [["7"]]


async def test_questions_that_arrive_meanwhile_share_the_next_batch(embedder):
    """While one batch is computed the others gather, and each gets its own vector."""
    first = asyncio.create_task(embedder.embed_query("0"))
    await asyncio.to_thread(embedder._encoder.begun.wait, 10)
    others = [asyncio.create_task(embedder.embed_query(str(n))) for n in range(1, 41)]
    await asyncio.sleep(0)
    embedder._encoder.gate.set()
    assert [float(vector[0]) for vector in await asyncio.gather(first, *others)] == [float(n) for n in range(41)]
    assert [len(batch) for batch in embedder._encoder.batches] == [1, 32, 8]


async def test_a_question_that_is_given_up_disturbs_no_other(embedder):
    """A cancelled question's neighbours in the batch are answered."""
    first = asyncio.create_task(embedder.embed_query("1"))
    await asyncio.to_thread(embedder._encoder.begun.wait, 10)
    given_up, kept = (asyncio.create_task(embedder.embed_query(text)) for text in ("2", "3"))
    await asyncio.sleep(0)
    given_up.cancel()
    embedder._encoder.gate.set()
    assert (await first, await kept) == ([1.0], [3.0])


async def test_a_failure_is_told_without_the_text_and_the_next_question_is_answered(embedder):
    """What the library says may quote the question, so it is not passed on."""
    embedder._encoder.gate.set()
    with pytest.raises(EmbedderUnavailable) as caught:
        await embedder.embed_query("poison")
    assert "poison" not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"
    assert await embedder.embed_query("4") == [4.0]


async def test_before_it_is_loaded_and_after_it_is_closed_it_is_unavailable(tmp_path):
    """There is no answer without a model, and no waiting for ever either."""
    embedder = LocalEmbedder(Weights(tmp_path, "none", 1, 8), "float32")
    with pytest.raises(EmbedderUnavailable):
        await embedder.embed_query("1")
    await embedder.close()
    embedder._encoder = GatedEncoder()
    with pytest.raises(EmbedderUnavailable):
        await embedder.embed_query("1")
    with pytest.raises(EmbedderUnavailable):
        await embedder.embed_passages(["1"])


async def test_closing_answers_the_questions_that_were_asked(embedder):
    """Nobody who has asked waits for ever, whether computed already or still gathering."""
    asked = [asyncio.create_task(embedder.embed_query(str(n))) for n in range(3)]
    await asyncio.to_thread(embedder._encoder.begun.wait, 10)
    asked.append(asyncio.create_task(embedder.embed_query("3")))
    await asyncio.sleep(0)
    closing = asyncio.create_task(embedder.close())
    embedder._encoder.gate.set()
    assert [float(vector[0]) for vector in await asyncio.gather(*asked)] == [0.0, 1.0, 2.0, 3.0]
    await closing


async def test_weights_that_are_no_model_are_refused_in_our_own_words(tmp_path):
    """A digest says that the bytes are the declared ones, not that they can be computed."""
    config = (verified_weights().folder / "config.json").read_text("utf-8")
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "model.safetensors").write_bytes(b"not a tensor among them")
    embedder = LocalEmbedder(Weights(tmp_path, "none", 384, 8), "float32")
    with pytest.raises(EmbedderUnavailable):
        await embedder.load()
    await embedder.close()
