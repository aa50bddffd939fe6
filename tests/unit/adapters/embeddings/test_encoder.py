"""The model itself, on a tiny one with random weights and on the packaged one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from domicile.adapters.embeddings.bert import Bert, bert_shape, read_config
from domicile.adapters.embeddings.encoder import Encoder, any_architecture
from domicile.adapters.embeddings.weights import FILES, verified_weights

WINDOW = 256
TEXTS = ["short", "a text of some more words than the others have " * 3, "", "and one more"]


@pytest.fixture(scope="module")
def folder():
    return verified_weights().folder


@pytest.fixture(scope="module")
def encoder(folder):
    return Encoder(folder, window=WINDOW, dtype="float32", threads=1)


@pytest.mark.slow
@torch.inference_mode()
def test_bert_is_computed_as_transformers_computes_it(folder):
    """Hidden states of padded and unpadded texts are those of the reference implementation, where there is a token."""
    shape = bert_shape(read_config(folder))
    assert shape is not None
    ours, theirs = Bert(folder, shape, torch.float32), any_architecture(folder, torch.float32)
    ids = torch.tensor([[101, 2129, 2116, 2420, 102], [101, 7592, 102, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    for rows in (slice(0, 2), slice(0, 1)):
        expected = theirs(ids[rows], mask[rows])[mask[rows].bool()]
        torch.testing.assert_close(ours(ids[rows], mask[rows])[mask[rows].bool()], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "change",
    [
        {"model_type": "xlm-roberta"},
        {"hidden_act": "relu"},
        {"position_embedding_type": "relative_key"},
        {"is_decoder": True},
    ],
)
def test_other_architectures_are_left_to_their_own_library(folder, change):
    """Only what is computed exactly is taken on."""
    assert bert_shape(read_config(folder) | change) is None


def test_bfloat16_stays_near_float32_and_of_unit_length(folder, encoder):
    """In half the bits the vectors keep their direction, and are normalised in float32."""
    vectors = Encoder(folder, window=WINDOW, dtype="bfloat16", threads=1).encode(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert (np.sum(vectors * encoder.encode(TEXTS), axis=1) > 0.995).all()


def test_padding_makes_no_difference(encoder):
    """A short text has the same vector beside a long one as alone."""
    alone = np.concatenate([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(encoder.encode(TEXTS), alone, atol=1e-5)


def test_what_lies_past_the_window_makes_no_difference(encoder):
    """Exactly the window is read: special tokens count, and the text behind it does not."""
    word = "pump "
    fits, exceeds = encoder.encode([word * (WINDOW - 2), word * (WINDOW - 2) + "invoice " * 50])
    np.testing.assert_allclose(fits, exceeds, atol=1e-5)
    within = encoder.encode([word * (WINDOW - 3) + "invoice"])[0]
    assert np.abs(within - fits).max() > 1e-4


def test_no_texts_give_no_rows(encoder):
    """An empty batch is no error."""
    assert encoder.encode([]).shape == (0, 384)


def test_the_counter_of_the_chunker_is_the_models_own_tokeniser(folder):
    """Weights are the token counter too: the same tokeniser, and the same window, as the encoder reads with."""
    weights = verified_weights()
    assert json.loads(weights.tokenizer_json) == json.loads((folder / "tokenizer.json").read_text("utf-8"))
    assert weights.window == WINDOW


@pytest.fixture
def digested(folder, tmp_path):
    """The model's folder without any file that its digest does not cover."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(folder / name)
    return tmp_path


def test_no_file_outside_the_digest_decides_a_vector(encoder, digested):
    """With only the files that it covers the vectors are the same."""
    alone = Encoder(digested, window=WINDOW, dtype="float32", threads=1)
    np.testing.assert_array_equal(alone.encode(TEXTS), encoder.encode(TEXTS))


@pytest.mark.slow
@torch.inference_mode()
def test_nor_does_one_where_the_model_is_left_to_its_own_library(folder, digested):
    """Which could look for more than it is told to."""
    ids = torch.tensor([[101, 2129, 2116, 2420, 102]])
    alone, whole = (any_architecture(each, torch.float32)(ids, torch.ones_like(ids)) for each in (digested, folder))
    torch.testing.assert_close(alone, whole, atol=0, rtol=0)
