"""Weights are known by their digest before they are read."""

from __future__ import annotations

import hashlib
import json

import pytest

from domicile.adapters.embeddings.weights import verified_weights
from domicile.domain.errors import WeightsUntrusted


@pytest.fixture
def folder(tmp_path):
    """A folder that looks like a model, with its digest."""
    model = tmp_path / "our-model"
    (model / "1_Pooling").mkdir(parents=True)
    (model / "model.safetensors").write_bytes(b"weights")
    pooling = {"word_embedding_dimension": 8, "pooling_mode_mean_tokens": True}
    (model / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    (model / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 64}))
    (model / "tokenizer.json").write_text("{}")
    return model, hashlib.sha256(b"weights").hexdigest()


def test_the_packaged_weights_are_the_declared_ones():
    """What the package holds today has the digest that this product was built with."""
    weights = verified_weights()
    assert (weights.name, weights.dimensions, weights.window) == ("all-MiniLM-L6-v2", 384, 256)
    assert '"WordPiece"' in weights.tokenizer_json


def test_declared_weights_are_taken_and_named_for_their_digest(folder):
    """The name of other weights tells two of the same folder apart, so that their vectors never meet in one index."""
    model, digest = folder
    weights = verified_weights(model, digest.upper())
    assert (weights.name, weights.dimensions, weights.window) == (f"our-model-{digest[:8]}", 8, 64)


def test_one_altered_byte_is_noticed(folder):
    """Weights with another digest are refused, naming both digests."""
    model, digest = folder
    (model / "model.safetensors").write_bytes(b"weighty")
    with pytest.raises(WeightsUntrusted, match=digest):
        verified_weights(model, digest)


def test_weights_without_a_declared_digest_are_refused(folder):
    """A path alone is no reason to trust what lies there."""
    with pytest.raises(WeightsUntrusted):
        verified_weights(folder[0])


def test_the_packaged_weights_do_not_pass_for_others():
    """A digest that was declared is not replaced by the packaged one."""
    with pytest.raises(WeightsUntrusted):
        verified_weights(None, "0" * 64)


@pytest.mark.parametrize("missing", ["model.safetensors", "1_Pooling/config.json", "sentence_bert_config.json"])
def test_an_incomplete_folder_is_refused(folder, missing):
    """Without one of its parts a model is not guessed at."""
    model, digest = folder
    (model / missing).unlink()
    with pytest.raises(WeightsUntrusted):
        verified_weights(model, digest)


def test_a_model_with_another_pooling_is_refused(folder):
    """Only averaged tokens are computed; any other pooling would give wrong vectors silently."""
    model, digest = folder
    (model / "1_Pooling" / "config.json").write_text('{"word_embedding_dimension": 8, "pooling_mode_cls_token": true}')
    with pytest.raises(WeightsUntrusted):
        verified_weights(model, digest)
