"""What every embedder promises: the fake and the real weights, in this process and in the bulk one."""

from __future__ import annotations

import asyncio
import os
import signal

import numpy as np
import pytest
import pytest_asyncio
from tests.fakes.embedder import HashEmbedder

from domicile.adapters.embeddings.local import LocalEmbedder
from domicile.adapters.embeddings.weights import verified_weights
from domicile.domain.errors import EmbedderUnavailable

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXTS = [
    "How many days of leave do I have?",
    "Wie viele Urlaubstage habe ich?",
    "Combien de jours de congé ai-je ?",
    "The pump must be serviced once a year. " * 12,
    "x",
    "",
    "\n\t 東京 🙂",
]
LONG = "The inspection protocol lists every seal. " * 5000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def local():
    embedder = LocalEmbedder(verified_weights(), "float32")
    await embedder.load()
    yield embedder
    await embedder.close()


@pytest.fixture(scope="module", params=["hash", "local"])
def embedder(request):
    return HashEmbedder() if request.param == "hash" else request.getfixturevalue("local")


def assert_same(found, expected, tolerance=1e-4):
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=tolerance, rtol=0)


async def until(condition):
    while not condition():  # noqa: ASYNC110 - what is waited for has no event
        await asyncio.sleep(0)


class TestEveryEmbedder:
    async def test_a_questions_vector_is_of_unit_length_in_float32(self, embedder):
        """One question gives one vector of the declared length, normalised, whatever the question."""
        for text in TEXTS:
            vector = await embedder.embed_query(text)
            assert (vector.shape, vector.dtype) == ((embedder.dimensions,), np.float32)
            assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)

    async def test_passages_come_as_one_array_of_unit_rows(self, embedder):
        """Each text has one row of unit length in float32."""
        vectors = await embedder.embed_passages(TEXTS)
        assert (vectors.shape, vectors.dtype) == ((len(TEXTS), embedder.dimensions), np.float32)
        assert_same(np.linalg.norm(vectors, axis=1), np.ones(len(TEXTS)), 1e-5)

    async def test_a_passage_lies_where_the_same_question_lies(self, embedder):
        """In the order given, each passage has the vector that the same words have as a question."""
        passages = await embedder.embed_passages(TEXTS)
        assert_same(passages, [await embedder.embed_query(text) for text in TEXTS])

    async def test_order_is_kept_across_batches_of_mixed_lengths(self, embedder):
        """More texts than one batch, of all lengths, come back in their own places."""
        texts = [f"word{number} " * (1 + number * 7 % 23) for number in range(70)]
        vectors = await embedder.embed_passages(texts)
        assert_same((await embedder.embed_passages(texts[::-1]))[::-1], vectors)
        assert_same(vectors[[3, 41, 69]], [await embedder.embed_query(texts[at]) for at in (3, 41, 69)])

    async def test_concurrent_questions_do_not_mix(self, embedder):
        """Questions asked at once, more than one batch of them, each get the vector they get alone."""
        texts = [f"question number {number} about item {number * number}" for number in range(40)]
        together = await asyncio.gather(*map(embedder.embed_query, texts))
        assert_same([together[at] for at in (0, 31, 32, 39)], [await embedder.embed_query(texts[at]) for at in (0, 31, 32, 39)])
        assert len({vector.tobytes() for vector in together}) == len(texts)

    async def test_no_passages_give_no_rows(self, embedder):
        """An empty list is answered with an empty array that still has the columns."""
        vectors = await embedder.embed_passages([])
        assert (vectors.shape, vectors.dtype) == ((0, embedder.dimensions), np.float32)

    async def test_a_text_far_past_the_window_is_embedded(self, embedder):
        """A very long text is cut, not refused, as a question and as a passage alike."""
        (passage,) = await embedder.embed_passages([LONG])
        assert_same(passage, await embedder.embed_query(LONG))

    async def test_a_lone_surrogate_is_no_reason_to_fail(self, embedder):
        """Text that cannot be encoded gets a vector, too, and does not take the questions beside it down."""
        broken, whole = await asyncio.gather(embedder.embed_query("leave \ud800"), embedder.embed_query("leave"))
        assert np.linalg.norm(broken) == pytest.approx(1.0, abs=1e-5)
        assert_same(whole, await embedder.embed_query("leave"))
        assert (await embedder.embed_passages(["leave \ud800"])).shape == (1, embedder.dimensions)

    async def test_a_cancelled_caller_does_not_disturb_the_others(self, embedder):
        """Of the callers that wait together, those that are not cancelled get their own answers."""
        asked = [asyncio.create_task(embedder.embed_query(text)) for text in TEXTS]
        written = [asyncio.create_task(embedder.embed_passages([text] * 3)) for text in TEXTS[:3]]
        await asyncio.sleep(0)
        asked[1].cancel()
        written[0].cancel()
        answers = await asyncio.gather(*asked[2:], return_exceptions=True)
        assert_same(answers, [await embedder.embed_query(text) for text in TEXTS[2:]])
        for text, rows in zip(TEXTS[1:3], await asyncio.gather(*written[1:]), strict=True):
            assert_same(rows, [await embedder.embed_query(text)] * 3)


class TestLocalEmbedder:
    @pytest.mark.slow
    async def test_the_vectors_are_those_of_sentence_transformers(self, local):
        """Both ways of computing give what the weights' own library gives, cut texts and padding included."""
        from sentence_transformers import SentenceTransformer

        reference = SentenceTransformer(str(local._weights.folder), device="cpu", local_files_only=True)
        texts = [*TEXTS, LONG]
        expected = reference.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        assert_same(await local.embed_passages(texts), expected)
        assert_same(await asyncio.gather(*map(local.embed_query, texts)), expected)

    async def test_a_bulk_process_that_is_killed_is_replaced_once(self, local):
        """Work that a kill interrupted is done by a new process, with the right vectors."""
        await local.embed_passages(["warm"])
        pid = local._bulk._child._process.pid
        writing = asyncio.create_task(local.embed_passages(TEXTS * 8))
        await until(lambda: local._bulk._child._waiting)
        os.kill(pid, signal.SIGKILL)
        vectors = await writing
        assert_same(vectors[-len(TEXTS) :], [await local.embed_query(text) for text in TEXTS])
        assert local._bulk._child._process.pid != pid

    async def test_closing_answers_what_was_asked_and_leaves_no_process(self):
        """Closed while it loads, writes and answers, it ends its process and lets every caller go."""
        embedder = LocalEmbedder(verified_weights(), "float32")
        await embedder.load()
        loading = asyncio.create_task(embedder.load())
        writing = asyncio.create_task(embedder.embed_passages(TEXTS))
        asking = asyncio.create_task(embedder.embed_query(TEXTS[0]))
        await until(lambda: embedder._bulk._child)
        pid = embedder._bulk._child._process.pid
        await embedder.close()
        with pytest.raises(EmbedderUnavailable):
            await writing
        assert (await asking).shape == (embedder.dimensions,)
        await loading
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
